package pgsession_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

func TestTransactionPooler(t *testing.T) {
	url := database(t, `CREATE TABLE t ()`)
	through := oracle.PgBouncer(t, url, "transaction")
	found := findings(t, &pgsession.Options{Config: oracle.Config(t, through), LockName: "x"})
	if len(found) != 1 || !strings.Contains(found[0].What, "pooler") || !strings.Contains(found[0].Way, "session mode") {
		t.Errorf("findings: %q", found)
	}
	_, err := pgsession.Connect(t.Context(), oracle.Config(t, through), pgsession.Settings{})
	var doctor *pgsession.DoctorError
	if !errors.As(err, &doctor) {
		t.Errorf("Connect: %v", err)
	}
	// The other clients' connections are as they were.
	conn := connect(t, through)
	if got := value[string](t, conn, `SHOW search_path`); got != `"$user", public` {
		t.Errorf("a later client of the pooler has search_path %q", got)
	}
	if n := value[int](t, conn, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`); n > 0 {
		t.Errorf("%d advisory locks are left with the pooler", n)
	}
}

func TestStatementPooler(t *testing.T) {
	through := oracle.PgBouncer(t, database(t), "statement")
	_, err := pgsession.Connect(t.Context(), oracle.Config(t, through), pgsession.Settings{})
	if err == nil || !strings.Contains(err.Error(), "statement pooling mode") {
		t.Errorf("Connect: %v", err)
	}
}

func TestSessionPooler(t *testing.T) {
	url := database(t, `CREATE TABLE t AS SELECT generate_series(1, 10) i`)
	through := oracle.PgBouncer(t, url, "session")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := pgsession.Open(ctx, &pgsession.Options{Config: oracle.Config(t, through), Relations: tables, LockName: "x"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	exec1(t, connect(t, url), `INSERT INTO t VALUES (11)`)
	w := worker(t, s)
	if got := value[int](t, w.Conn(), `SELECT count(*) FROM public.t`); got != 10 {
		t.Errorf("the worker sees %d rows", got)
	}
	if err := s.WaitDurable(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	busy := make(chan error)
	go func() {
		_, err := w.Conn().Exec(ctx, `SELECT pg_sleep(60)`)
		busy <- err
	}()
	watcher := connect(t, url)
	sleepers := func() int {
		return value[int](t, watcher, `SELECT count(*) FROM pg_stat_activity
			WHERE query LIKE '%pg_sleep(60)' AND state = 'active' AND datname = current_database() AND pid <> pg_backend_pid()`)
	}
	oracle.Await(t, "the worker sleeps", func() bool { return sleepers() == 1 })
	cancel()
	<-busy
	oracle.Await(t, "the sleeper is cancelled", func() bool { return sleepers() == 0 })
	oracle.Await(t, "the pooler has taken back all connections", func() bool {
		return value[int](t, watcher, `SELECT count(*) FROM pg_stat_activity
			WHERE state LIKE 'idle in transaction%' AND datname = current_database()`) == 0
	})
}
