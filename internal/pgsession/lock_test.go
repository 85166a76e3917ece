package pgsession_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

func TestBusy(t *testing.T) {
	url := database(t, `CREATE TABLE t ()`)
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), LockName: "nightly"})
	again := &pgsession.Options{Config: oracle.Config(t, url), Relations: tables, LockName: "nightly"}
	if _, err := pgsession.Open(t.Context(), again); !errors.Is(err, pgsession.ErrBusy) ||
		!strings.Contains(err.Error(), fmt.Sprintf("%q of database %q (pid ", "nightly", again.Config.Database)) {
		t.Fatalf("the second session: %v", err)
	}
	open(t, &pgsession.Options{Config: oracle.Config(t, url), LockName: "weekly"}).Close()
	s.Close()
	for range 20 {
		open(t, again).Close() // at once, though the backend of the last one may still be ending
	}
}

// A snapshot from before the lock would show no rows.
func TestTruncateBetween(t *testing.T) {
	url := database(t, `CREATE TABLE t AS SELECT 1 i`)
	other, watcher := connect(t, url), connect(t, url)
	committed := make(chan struct{})
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), Relations: between(func(attempt int) {
		if attempt > 1 {
			t.Error("the snapshot was older than the lock")
			return
		}
		exec1(t, other, `BEGIN; TRUNCATE t; INSERT INTO t SELECT generate_series(1, 3)`)
		go func() {
			defer close(committed)
			oracle.Await(t, "the leader waits", func() bool {
				return value[bool](t, watcher, `SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND mode = 'AccessShareLock'`)
			})
			exec1(t, other, `COMMIT`)
		}()
	})})
	<-committed
	if got := value[int](t, worker(t, s).Conn(), `SELECT count(*) FROM public.t`); got != 3 {
		t.Errorf("the snapshot shows %d rows", got)
	}
}

func TestChangesBetween(t *testing.T) {
	for name, sql := range map[string]string{
		"created":         `CREATE TABLE n ()`,
		"dropped":         `DROP TABLE b`,
		"replaced":        `DROP TABLE a; CREATE TABLE a (i int)`,
		"renamed":         `ALTER TABLE a RENAME TO c`,
		"behind a view":   `ALTER TABLE a RENAME TO c; CREATE VIEW a AS SELECT 1 AS one`,
		"schema renamed":  `ALTER SCHEMA s RENAME TO s2`,
		"rewritten":       `VACUUM FULL a`,
		"not an ordinary": `ALTER TABLE a RENAME TO c; CREATE SEQUENCE a`,
	} {
		t.Run(name, func(t *testing.T) {
			url := database(t, `CREATE TABLE a (i int); CREATE TABLE b (); CREATE SCHEMA s; CREATE TABLE s.t ()`)
			other := connect(t, url)
			s := open(t, &pgsession.Options{Config: oracle.Config(t, url), Relations: between(func(attempt int) {
				if attempt == 1 {
					exec1(t, other, sql)
				}
			})})
			err := s.Use(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
				list, err := tables(ctx, conn)
				for _, r := range list {
					if !value[bool](t, other, `SELECT count(*) > 0 FROM pg_locks WHERE relation = $1 AND pid = $2 AND mode = 'AccessShareLock'`,
						int64(r.OID), int64(conn.PgConn().PID())) {
						t.Errorf("the leader has not locked %s", r)
					}
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestChangesWithoutEnd(t *testing.T) {
	url := database(t, `CREATE TABLE a ()`, `CREATE TABLE "b ""c" ()`)
	_, err := pgsession.Open(t.Context(), &pgsession.Options{Config: oracle.Config(t, url),
		Relations: func(ctx context.Context, conn *pgx.Conn) ([]pgsession.Relation, error) {
			list, err := tables(ctx, conn)
			for i := range list {
				if list[i].Name != "a" {
					list[i].FileNode++ // as if the snapshot were older than a rewrite
				}
			}
			return list, err
		}})
	if err == nil || !strings.Contains(err.Error(), `"public"."b ""c"`) || strings.Contains(err.Error(), `"a"`) {
		t.Errorf("Open: %v", err)
	}
	awaitNone(t, url)
}

func TestLockTimeout(t *testing.T) {
	url := database(t, `CREATE TABLE a ()`, `CREATE TABLE b ()`, `CREATE TABLE c ()`)
	holder := connect(t, url)
	exec1(t, holder, `BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE`)
	_, err := pgsession.Open(t.Context(), &pgsession.Options{Config: oracle.Config(t, url), Relations: tables, LockTimeout: 50 * time.Millisecond})
	checkLockError(t, err, int(holder.PgConn().PID()))

	exec1(t, holder, `PREPARE TRANSACTION 'forgotten'`)
	_, err = pgsession.Open(t.Context(), &pgsession.Options{Config: oracle.Config(t, url), Relations: tables, LockTimeout: 50 * time.Millisecond})
	locking := checkLockError(t, err, 0)
	if locking.Blockers[0].Prepared != "forgotten" {
		t.Errorf("blockers: %v", locking.Blockers)
	}
	exec1(t, holder, `ROLLBACK PREPARED 'forgotten'`)
	open(t, &pgsession.Options{Config: oracle.Config(t, url)})
}

func checkLockError(t *testing.T, err error, pid int) *pgsession.LockError {
	t.Helper()
	var locking *pgsession.LockError
	if !errors.As(err, &locking) {
		t.Fatalf("not a lock error: %v", err)
	}
	if !slices.Equal(locking.Tables, []string{`"public"."b"`}) || len(locking.Blockers) != 1 || locking.Blockers[0].PID != pid {
		t.Errorf("locking %v, blocked by %v: %v", locking.Tables, locking.Blockers, err)
	}
	return locking
}

// A worker that queued behind the waiter would wait for ever, as the waiter
// waits for the leader.
func TestWorkerNeverQueues(t *testing.T) {
	url := database(t, `CREATE TABLE a ()`, `CREATE TABLE b ()`)
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), LockTimeout: 200 * time.Millisecond})
	w := worker(t, s)
	waiter, watcher := connect(t, url), connect(t, url)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pid, gone := waiter.PgConn().PID(), make(chan struct{})
	go func() {
		defer close(gone)
		waiter.Exec(ctx, `DROP TABLE b`)
	}()
	awaitWaiter(t, watcher, pid)

	a, b := relation(t, watcher, "a"), relation(t, watcher, "b")
	checkLockError(t, w.Lock(t.Context(), b), int(pid))
	if err := w.Lock(t.Context(), a); err != nil {
		t.Errorf("the worker after a lock that failed: %v", err)
	}
	exec1(t, watcher, `SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted`)
	<-gone
	if err := w.Lock(t.Context(), b); err != nil {
		t.Errorf("after the waiter gave up: %v", err)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSchemaSwapped: a table whose name came to mean another is not read in its
// place, although the snapshot shows no rows of that one.
func TestSchemaSwapped(t *testing.T) {
	url := database(t, `CREATE SCHEMA app; CREATE TABLE app.t AS SELECT 1`)
	var rels []pgsession.Relation
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), Relations: func(ctx context.Context, conn *pgx.Conn) (_ []pgsession.Relation, err error) {
		rels, err = tables(ctx, conn)
		return rels, err
	}})
	exec1(t, connect(t, url), `ALTER SCHEMA app RENAME TO old; CREATE SCHEMA app; CREATE TABLE app.t (a int)`)
	if err := worker(t, s).Lock(t.Context(), rels[0]); err == nil || !strings.Contains(err.Error(), `"app"."t"`) {
		t.Errorf("%v; want an error that names the table", err)
	}
}

func TestMaxBlocking(t *testing.T) {
	url := database(t, `CREATE TABLE b ()`)
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), MaxBlocking: 100 * time.Millisecond})
	worker(t, s)
	waiter := connect(t, url)
	exec1(t, waiter, `DROP TABLE b`) // goes through when the session gives way
	var blocking *pgsession.BlockingError
	if cause := context.Cause(s.Context()); !errors.As(cause, &blocking) {
		t.Fatalf("cause: %v", cause)
	}
	if blocking.PID != int(waiter.PgConn().PID()) || blocking.Table != "public.b" || blocking.Query != "DROP TABLE b" ||
		blocking.Waited < 100*time.Millisecond {
		t.Errorf("%+v", *blocking)
	}
	if err := s.Alive(t.Context()); !errors.As(err, &blocking) {
		t.Errorf("Alive: %v", err)
	}
	awaitNone(t, url)
}
