package oracle_test

import (
	"path/filepath"
	"strconv"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

func TestDatabasesBuild(t *testing.T) {
	for _, major := range oracle.Majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			srv := oracle.Server(t, major)
			for _, b := range oracle.Databases {
				t.Run(b.Name, func(t *testing.T) { b.Build(t, srv) })
			}
		})
	}
}

// TestDatabasesRestore shows that stock tools of the server's own major bring
// the databases back: what a test misses later is then the library's.
func TestDatabasesRestore(t *testing.T) {
	for _, major := range oracle.Majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			tools, srv := oracle.Client(t, major), oracle.Server(t, major)
			for _, b := range oracle.Databases {
				t.Run(b.Name, func(t *testing.T) {
					source := b.Build(t, srv)
					archive := filepath.Join(t.TempDir(), "archive")
					oracle.Run(t, tools.PgDump, "--dbname="+source, "--format=custom", "--compress=0", "--file="+archive)
					target := oracle.Database(t, srv, "DROP SCHEMA public")
					oracle.Restore(t, tools, target, archive)
					want, got := oracle.Dump(t, tools, source), oracle.Dump(t, tools, target)
					if want != got {
						t.Errorf("the restored database differs: %s", oracle.Difference(want, got))
					}
					if script := oracle.Script(t, tools, archive); script != want {
						t.Errorf("the archive differs from the script: %s", oracle.Difference(want, script))
					}
				})
			}
		})
	}
}
