package backup_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// TestTransactionPooler: a pooler that breaks snapshots is refused, with the
// way out.
func TestTransactionPooler(t *testing.T) {
	t.Parallel()
	through, sink := oracle.PgBouncer(t, database(t), "transaction"), remotetest.NewMem()
	_, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, through)}, nil)
	var doctor *backup.DoctorError
	if !errors.As(err, &doctor) || len(doctor.Findings) != 1 ||
		!strings.Contains(err.Error(), "pooler") || !strings.Contains(err.Error(), "session mode") {
		t.Errorf("Run: %v", err)
	}
	leavesNothing(t, sink)
}

// TestSessionPooler: one that pools whole sessions is as good as the server.
func TestSessionPooler(t *testing.T) {
	t.Parallel()
	url, sink := database(t), remotetest.NewMem()
	set, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, oracle.PgBouncer(t, url, "session")), RangeSize: 256 << 10}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	for _, table := range intact(t, sink, set.Manifest).Tables {
		rows += table.Rows
	}
	if rows != 21000 {
		t.Errorf("%d rows", rows)
	}
	restored(t, sink, set.Manifest, oracle.Server(t, 15).Config("restored_pooled"))
	oracle.Exec(t, url, `DROP DATABASE restored_pooled`)
	conn := connect(t, url)
	oracle.Await(t, "the pooler's backends are as they were", func() bool {
		return value[int](t, conn, `SELECT count(*) FROM pg_stat_activity a WHERE datname = current_database() AND (state LIKE 'idle in transaction%'
			OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND locktype = 'advisory'))`) == 0
	})
}
