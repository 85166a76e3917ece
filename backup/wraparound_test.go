package backup_test

import (
	"context"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestWraparound goes on with a chain while the 32 bits of a transaction's
// number that rows have run over, and until rows of the beginning, which were
// frozen long ago, carry numbers that are given out again.
func TestWraparound(t *testing.T) {
	t.Parallel()
	srv := oracle.OwnServer(t, 15, nil)
	c := newChain(t, srv, 4000)
	for range 10 {
		c.step()
	}
	c.finish()
	clone := oracle.Clone(t, srv)
	c.churn = c.fork(clone.URL(t, c.url), 11)
	// No row may be older than 2^31 transactions, so it takes several steps.
	for _, xid := range []uint32{1_400_000_000, 2_800_000_000, 1<<32 - 800} {
		c.main.conn.Close(context.Background())
		freeze(t, clone.URL(t, srv.URL("postgres")))
		clone.ResetCounter(t, xid)
	}
	c.main = c.session("main after the reset")
	c.main.must("CREATE TABLE spent (n int); INSERT INTO spent VALUES (0)")
	now := func() int64 {
		return value[int64](t, c.main.conn, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::int8")
	}
	if first := now(); first >= 1<<32 {
		t.Fatalf("transaction %d is behind the wrap", first)
	}
	c.backup(false)
	for now() < 1<<32+1500 {
		for range 1 + c.r.IntN(5) {
			c.step()
		}
		c.main.must("DO $$ BEGIN FOR i IN 1..170 LOOP BEGIN UPDATE spent SET n = i; EXCEPTION WHEN division_by_zero THEN END; END LOOP; END $$")
		c.backup(c.r.IntN(3) == 0)
	}
	c.finish()
	set, seen := c.backup(false)
	c.restore(set, seen, false)
	t.Logf("%d backups", len(c.sets))

	// Too far for a row to tell whether it is new.
	c.main.conn.Close(context.Background())
	for _, xid := range []uint32{1_400_000_000, 2_800_000_000} {
		freeze(t, clone.URL(t, srv.URL("postgres")))
		clone.ResetCounter(t, xid)
	}
	c.main = c.session("main after another reset")
	c.otherwise("more than can be told apart")
}

// freeze makes all rows of a server's databases independent of the counter.
func freeze(t *testing.T, url string) {
	t.Helper()
	oracle.Exec(t, url, "ALTER DATABASE template0 ALLOW_CONNECTIONS true")
	conn := connect(t, url)
	defer conn.Close(t.Context())
	for _, name := range value[[]string](t, conn, "SELECT array_agg(datname::text) FROM pg_database") {
		oracle.Exec(t, oracle.WithDatabase(t, url, name), "VACUUM (FREEZE)")
	}
}
