package backup_test

import (
	"os"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// TestTooWideRow: a row that the server cannot send as text, for one of its
// values or for all of them together, fails the run with the way out.
func TestTooWideRow(t *testing.T) {
	if os.Getenv("PGCOFRE_LONG") == "" && os.Getenv("PGCOFRE_REQUIRE") != "all" {
		t.Skip("takes gigabytes of memory and half a minute: PGCOFRE_LONG=1 runs it")
	}
	for name, row := range map[string]string{
		"value": `SELECT convert_to(repeat('x', 600000000), 'UTF8') AS b`,
		"row":   `SELECT b AS b1, b AS b2, b AS b3 FROM convert_to(repeat('x', 200000000), 'UTF8') AS b`,
	} {
		t.Run(name, func(t *testing.T) {
			url, sink := oracle.Database(t, oracle.Server(t, 15), `CREATE TABLE "Wide" AS `+row), remotetest.NewMem()
			src := &backup.Dumper{Config: oracle.Config(t, url)}
			_, err := backup.Run(t.Context(), sink, src, nil)
			if err == nil || !strings.Contains(err.Error(), `table "public"."Wide"`) || !strings.Contains(err.Error(), "ExcludeTableData") {
				t.Errorf("Run: %v", err)
			}
			leavesNothing(t, sink)
			src.ExcludeTableData = []string{`"Wide"`}
			if _, err := backup.Run(t.Context(), sink, src, nil); err != nil {
				t.Errorf("the way out: %v", err)
			}
		})
	}
}
