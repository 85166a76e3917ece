package restore_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestRoundTrip backs up a database of every kind of object, proves the set,
// restores it, and holds the restored database against the source by pg_dump.
func TestRoundTrip(t *testing.T) {
	majors := []int{13, 15, 18}
	if long {
		majors = oracle.Majors
	}
	for _, major := range majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			srv, tools := oracle.Server(t, major), client(t, major)
			for _, b := range oracle.Databases {
				t.Run(b.Name, func(t *testing.T) {
					source, sink := b.Build(t, srv), folder(t)
					set := take(t, sink, source, "zstd")
					target := bringBack(t, sink, set, srv)
					if b.Drifts {
						return // stock tools change it, too
					}
					if diff := oracle.Difference(dump(t, tools, source), dump(t, tools, target)); diff != "" {
						t.Errorf("pg_dump of the restored database differs: %s", diff)
					}
				})
			}
		})
	}
}

// TestStockRestore restores sets with stock pg_restore, which must not warn,
// and holds the result against the source.
func TestStockRestore(t *testing.T) {
	for _, c := range []struct {
		client      int
		compression string
	}{{15, "gzip"}, {17, "zstd"}, {18, "zstd"}} {
		if c.client == 17 && !long {
			continue
		}
		t.Run(strconv.Itoa(c.client), func(t *testing.T) {
			t.Parallel()
			srv, tools := oracle.Server(t, c.client), oracle.Client(t, c.client)
			for _, b := range oracle.Databases {
				t.Run(b.Name, func(t *testing.T) {
					source, sink := b.Build(t, srv), folder(t)
					set := take(t, sink, source, c.compression)
					archive := filepath.Join(sink.String(), filepath.FromSlash(set.ID))
					want := oracle.Dump(t, tools, source)
					for _, jobs := range []string{"-j1", "-j4"} {
						target := oracle.Database(t, srv)
						oracle.Restore(t, tools, target, archive, jobs)
						if b.Drifts {
							continue
						}
						if diff := oracle.Difference(want, oracle.Dump(t, tools, target)); diff != "" {
							t.Errorf("pg_dump of what pg_restore %s restored differs: %s", jobs, diff)
						}
					}
				})
			}
		})
	}
}

// TestOracleKinds fails when the databases of the oracle are gone.
func TestOracleKinds(t *testing.T) {
	for _, name := range []string{"partitions", "largeobjects", "names", "wide", "many"} {
		if !slices.ContainsFunc(oracle.Databases, func(b oracle.Builder) bool { return b.Name == name }) {
			t.Errorf("there is no database %s", name)
		}
	}
}
