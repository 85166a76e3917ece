package restore_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// trip is how databases go there and back on a server of one major.
type trip struct {
	major       int
	compression string
	stock       string // how many jobs of stock pg_restore of that major bring them back as well
}

// TestRoundTrip backs up databases of every kind of object, proves the sets,
// restores them by ourselves and by stock pg_restore, which must not warn, and
// holds what is restored against the source by pg_dump. What lies between the
// oldest and the newest major is brought back by TestReplaceEverything.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	trips := []trip{{13, "zstd", ""}, {18, "zstd", "-j4"}}
	if long {
		trips = append(trips, trip{14, "none", ""}, trip{15, "gzip", "-j4"}, trip{16, "zstd:3", ""}, trip{17, "zstd", "-j1"}, trip{18, "gzip", "-j1"})
	}
	for _, trip := range trips {
		t.Run(fmt.Sprint(trip.major, trip.stock), func(t *testing.T) {
			for _, b := range databases(trip.major) {
				t.Run(b.Name, func(t *testing.T) {
					t.Parallel()
					trip.take(t, b)
				})
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
	target := bringBack(t, sink, set, srv) // with the properties of the database as well
	if !b.Drifts {                         // stock tools change it, too
		if diff := oracle.Difference(dump(t, tools, source), dump(t, tools, target)); diff != "" {
			t.Errorf("pg_dump of the restored database differs: %s", diff)
		}
	}
	if c.stock != "" && (b.Name != "many" || long) {
		stock(t, srv, tools, b, sink, set, oracle.Dump(t, tools, source), c.stock)
	}
}

// stock brings a set back by pg_restore, and holds what comes back against the
// source's pg_dump.
func stock(t *testing.T, srv *scratch.Server, tools oracle.Tools, b oracle.Builder, sink *remote.Dir, set *manifest.Manifest, want, jobs string) {
	t.Helper()
	target := oracle.Database(t, srv)
	oracle.Restore(t, tools, target, filepath.Join(sink.String(), filepath.FromSlash(set.ID)), jobs)
	if b.Drifts {
		return
	}
	if diff := oracle.Difference(want, oracle.Dump(t, tools, target)); diff != "" {
		t.Errorf("pg_dump of what pg_restore restored differs: %s", diff)
	}
}
