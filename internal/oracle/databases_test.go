package oracle_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestDatabasesRestore shows that stock tools of the server's own major bring
// the databases back: what a test misses later is then the library's.
func TestDatabasesRestore(t *testing.T) {
	majors := oracle.Majors
	if os.Getenv("PGCOFRE_LONG") == "" {
		majors = []int{oracle.Client(t, 0).Major}
	}
	for _, major := range majors {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			tools, srv := oracle.Client(t, major), oracle.Server(t, major)
			for _, b := range oracle.Databases {
				t.Run(b.Name, func(t *testing.T) {
					source := b.Build(t, srv)
					archive := filepath.Join(t.TempDir(), "archive")
					oracle.Run(t, tools.PgDump, "--dbname="+source, "--format=custom", "--compress=0", "--file="+archive)
					target := oracle.Database(t, srv)
					oracle.Restore(t, tools, target, archive)
					want, got := oracle.Dump(t, tools, source), oracle.Dump(t, tools, target)
					if drifts := want != got; drifts != b.Drifts {
						t.Errorf("the restored database differs: %t, want %t: %s", drifts, b.Drifts, oracle.Difference(want, got))
					}
					if script := oracle.Script(t, tools, archive); script != want {
						t.Errorf("the archive differs from the script: %s", oracle.Difference(want, script))
					}
				})
			}
		})
	}
}
