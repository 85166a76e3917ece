package pgschema_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestOtherKindsSameAsPgDump is TestSameAsPgDump for the kinds that few
// application databases hold.
func TestOtherKindsSameAsPgDump(t *testing.T) {
	sql, err := os.ReadFile(filepath.Join("testdata", "otherkinds.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tools := range oracle.Clients() {
		t.Run(strconv.Itoa(tools.Major), func(t *testing.T) {
			t.Parallel()
			srv := oracle.Server(t, tools.Major)
			oracle.Roles(t, srv)
			target := oracle.Database(t, srv, string(sql))
			ours := archiveOf(t, target, nil)
			sameText(t, oracle.Script(t, tools, ours, "-C"), oracle.Dump(t, tools, target, "-C"))
			theirs := filepath.Join(t.TempDir(), "theirs")
			oracle.Run(t, tools.PgDump, "-Fd", "-f", theirs, "-d", target)
			sameText(t, entriesOf(t, ours), entriesOf(t, theirs))

			copied := oracle.Database(t, srv)
			oracle.Restore(t, tools, copied, ours)
			sameText(t, oracle.Dump(t, tools, copied), oracle.Dump(t, tools, target))
		})
	}
}
