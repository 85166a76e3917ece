package restore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// trip is how databases go there and back on a server of one major.
type trip struct {
	major       int
	compression string
	stock       bool // by stock pg_restore of that major as well
}

// TestRoundTrip backs up databases of every kind of object, proves the sets,
// restores them by ourselves and by stock pg_restore, which must not warn, and
// holds what is restored against the source by pg_dump.
func TestRoundTrip(t *testing.T) {
	trips := []trip{{13, "zstd", false}, {15, "gzip", true}, {18, "zstd", true}}
	if long {
		trips = append(trips, trip{14, "none", false}, trip{16, "zstd:3", false}, trip{17, "zstd", true})
	}
	for _, trip := range trips {
		t.Run(fmt.Sprint(trip.major), func(t *testing.T) {
			t.Parallel()
			for _, b := range databases(trip.major) {
				t.Run(b.Name, func(t *testing.T) { trip.take(t, b) })
			}
		})
	}
}

// databases are those to test with on a major: the one of very many tables
// takes seconds, and is left to the newest.
func databases(major int) []oracle.Builder {
	return slices.DeleteFunc(slices.Clone(oracle.Databases), func(b oracle.Builder) bool {
		return b.Name == "many" && major != 18 && !long
	})
}

func (c trip) take(t *testing.T, b oracle.Builder) {
	srv, tools := oracle.Server(t, c.major), client(t, c.major)
	source, sink := b.Build(t, srv), folder(t)
	set := take(t, sink, source, c.compression)
	targets := []string{bringBack(t, sink, set, srv)}
	if c.stock {
		archive := filepath.Join(sink.String(), filepath.FromSlash(set.ID))
		jobs := []string{"-j1", "-j4"}
		if b.Name == "many" && !long {
			jobs = jobs[1:]
		}
		for _, jobs := range jobs {
			target := oracle.Database(t, srv)
			oracle.Restore(t, tools, target, archive, jobs)
			targets = append(targets, target)
		}
	}
	if b.Drifts {
		return // stock tools change it, too
	}
	want, wantCreate := oracle.Dump(t, tools, source), dump(t, tools, source)
	for i, target := range targets {
		if i == 0 { // ours brings back the properties of the database as well
			if diff := oracle.Difference(wantCreate, dump(t, tools, target)); diff != "" {
				t.Errorf("pg_dump of the restored database differs: %s", diff)
			}
		} else if diff := oracle.Difference(want, oracle.Dump(t, tools, target)); diff != "" {
			t.Errorf("pg_dump of what pg_restore restored differs: %s", diff)
		}
	}
}
