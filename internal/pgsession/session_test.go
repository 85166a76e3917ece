package pgsession_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

func TestSnapshotOfEveryMajor(t *testing.T) {
	for _, major := range oracle.Majors {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := oracle.Database(t, oracle.Server(t, major), `CREATE TABLE t AS SELECT generate_series(1, 10) i`)
			other := connect(t, url)
			start := time.Now().Add(-time.Second)
			s := open(t, &pgsession.Options{Config: oracle.Config(t, url)})
			exec1(t, other, `INSERT INTO t VALUES (11)`)

			info := s.Info()
			if info.Version/10000 != major || info.Database != oracle.Config(t, url).Database || info.Standby || !info.Superuser ||
				info.Timeline != 1 || info.SystemID == "" || info.Time.Before(start) || info.Time.After(time.Now().Add(time.Second)) {
				t.Errorf("info: %+v", info)
			}
			w := worker(t, s)
			if got := value[int](t, w.Conn(), `SELECT count(*) FROM public.t`); got != 10 {
				t.Errorf("the worker sees %d rows, not the 10 of the snapshot", got)
			}
			if err := w.Lock(t.Context(), relation(t, other, "t")); err != nil {
				t.Error(err)
			}
			if err := s.WaitDurable(t.Context()); err != nil {
				t.Error(err)
			}
			if err := s.Alive(t.Context()); err != nil {
				t.Error(err)
			}
			if w := s.Warnings(); len(w) > 0 {
				t.Errorf("warnings: %q", w)
			}
			s.Close()
			awaitNone(t, url)
			if err := s.Alive(t.Context()); !errors.Is(err, pgsession.ErrClosed) {
				t.Errorf("Alive after Close: %v", err)
			}
			if _, err := s.Worker(t.Context()); !errors.Is(err, pgsession.ErrClosed) {
				t.Errorf("Worker after Close: %v", err)
			}
		})
	}
}

func TestDeferrable(t *testing.T) {
	url := database(t, `CREATE TABLE t AS SELECT 1 i`)
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), Deferrable: true})
	w := worker(t, s)
	if got := value[int](t, w.Conn(), `SELECT count(*) FROM public.t`); got != 1 {
		t.Errorf("the worker sees %d rows", got)
	}
	err := s.Use(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		if got := value[string](t, conn, `SHOW transaction_isolation`); got != "serializable" {
			t.Errorf("the leader is %s", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUse(t *testing.T) {
	url := database(t, `CREATE TABLE t ()`)
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url)})
	ctx := t.Context()
	err := s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SAVEPOINT s`)
		if err == nil {
			_, err = conn.Exec(ctx, `SELECT 1/0`)
		}
		_, rerr := conn.Exec(ctx, `ROLLBACK TO SAVEPOINT s`)
		return errors.Join(err, rerr)
	})
	if err == nil || errors.Is(err, pgsession.ErrLost) {
		t.Errorf("an error within a savepoint: %v", err)
	}
	if err := s.Alive(ctx); err != nil {
		t.Fatal(err)
	}
	err = s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT 1/0`)
		return err
	})
	if !errors.Is(err, pgsession.ErrLost) || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("an error that aborts the transaction: %v", err)
	}
	if cause := context.Cause(s.Context()); !errors.Is(cause, pgsession.ErrLost) {
		t.Errorf("the session's cause: %v", cause)
	}
	if _, err := s.Worker(ctx); !errors.Is(err, pgsession.ErrLost) {
		t.Errorf("a worker of a lost session: %v", err)
	}
}

func TestKilledLeader(t *testing.T) {
	url := database(t, `CREATE TABLE t ()`)
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url), Heartbeat: 20 * time.Millisecond})
	w := worker(t, s)
	var pid int64
	err := s.Use(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid)
	})
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	go func() {
		_, err := w.Conn().Exec(t.Context(), `SELECT pg_sleep(60)`)
		running <- err
	}()
	exec1(t, connect(t, url), fmt.Sprintf(`SELECT pg_terminate_backend(%d)`, pid))
	<-s.Context().Done()
	if err := <-running; err == nil {
		t.Error("the worker's query went on")
	}
	for what, err := range map[string]error{"cause": context.Cause(s.Context()), "Alive": s.Alive(t.Context())} {
		if !errors.Is(err, pgsession.ErrLost) {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.Close()
	awaitNone(t, url)
}

func TestWorkerOfKilledLeader(t *testing.T) {
	for _, major := range oracle.Majors {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := oracle.Database(t, oracle.Server(t, major))
			s := open(t, &pgsession.Options{Config: oracle.Config(t, url), LockName: "x"})
			killer := connect(t, url)
			exec1(t, killer, `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`)
			oracle.Await(t, "the leader is gone", func() bool {
				return value[int](t, killer, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'`) == 0
			})
			if _, err := s.Worker(t.Context()); !errors.Is(err, pgsession.ErrLost) {
				t.Errorf("Worker: %v", err)
			}
			if cause := context.Cause(s.Context()); !errors.Is(cause, pgsession.ErrLost) {
				t.Errorf("cause: %v", cause)
			}
		})
	}
}

func TestCancel(t *testing.T) {
	url := database(t, `CREATE TABLE t AS SELECT generate_series(1, 100000) i`)
	busy := map[string]func(ctx context.Context, conn *pgx.Conn) error{
		"computing": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `SELECT sum(a.i * b.i) FROM public.t a, public.t b`)
			return err
		},
		"copying to a reader that is stuck": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.PgConn().CopyTo(ctx, stuck{ctx}, `COPY (SELECT a.i FROM public.t a, public.t b) TO STDOUT`)
			return err
		},
		"with another context": func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(context.Background(), `SELECT sum(a.i * b.i) FROM public.t a, public.t b`)
			return err
		},
	}
	for name, work := range busy {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			s, err := pgsession.Open(ctx, &pgsession.Options{Config: oracle.Config(t, url), Relations: tables})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			w := worker(t, s)
			ended := make(chan error, 2)
			go func() { ended <- work(ctx, w.Conn()) }()
			go func() { ended <- s.Use(ctx, work) }()
			watcher := connect(t, url)
			oracle.Await(t, "both are at work", func() bool {
				return value[int](t, watcher, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
					AND application_name = 'pgcofre' AND state = 'active'`) == 2
			})
			why := errors.New("enough")
			cancel(why)
			for range 2 {
				if err := <-ended; err == nil {
					t.Error("the work ended well")
				}
			}
			if cause := context.Cause(s.Context()); cause != why {
				t.Errorf("cause: %v", cause)
			}
			awaitNone(t, url) // before Close
		})
	}
	t.Run("waiting for a lock", func(t *testing.T) {
		holder := connect(t, url)
		exec1(t, holder, `BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE`)
		defer exec1(t, holder, `ROLLBACK`)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			oracle.Await(t, "the leader waits", func() bool {
				return value[int](t, holder, `SELECT count(*) FROM pg_locks WHERE NOT granted`) > 0
			})
			cancel()
		}()
		_, err := pgsession.Open(ctx, &pgsession.Options{Config: oracle.Config(t, url), Relations: tables})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Open: %v", err)
		}
		awaitNone(t, url)
	})
}

// stuck is a writer that takes nothing until its context ends.
type stuck struct{ ctx context.Context }

func (w stuck) Write([]byte) (int, error) {
	<-w.ctx.Done()
	return 0, context.Cause(w.ctx)
}

func TestWaitDurable(t *testing.T) {
	srv := oracle.OwnServer(t, 0, map[string]string{"synchronous_commit": "off", "wal_writer_delay": "500ms", "wal_level": "minimal", "max_wal_senders": "0"})
	url := oracle.Database(t, srv, `CREATE TABLE t (i int)`)
	other := connect(t, url)
	for range 20 { // the WAL writer may wake up between the commit and the look
		exec1(t, other, `INSERT INTO t SELECT generate_series(1, 1000)`)
		s := open(t, &pgsession.Options{Config: oracle.Config(t, url)})
		lsn := s.Info().LSN
		waits := !value[bool](t, other, `SELECT pg_current_wal_flush_lsn() >= $1::text::pg_lsn`, lsn)
		if err := s.WaitDurable(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !value[bool](t, other, `SELECT pg_current_wal_flush_lsn() >= $1::text::pg_lsn`, lsn) {
			t.Fatal("WaitDurable did not wait")
		}
		if waits {
			return
		}
		s.Close()
	}
	t.Fatal("every commit was durable at once: nothing to wait for")
}
