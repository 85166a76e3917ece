package pgsession_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// tables lists the user's tables.
func tables(ctx context.Context, conn *pgx.Conn) ([]pgsession.Relation, error) {
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname, c.relname, c.relfilenode
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[pgsession.Relation])
}

// between calls f each time that the tables were listed ahead of the locks.
func between(f func(attempt int)) func(context.Context, *pgx.Conn) ([]pgsession.Relation, error) {
	var calls int
	return func(ctx context.Context, conn *pgx.Conn) ([]pgsession.Relation, error) {
		list, err := tables(ctx, conn)
		if calls++; err == nil && conn.QueryRow(ctx, `SELECT FROM pg_locks
			WHERE pid = pg_backend_pid() AND relation = $1`, int64(list[0].OID)).Scan() == pgx.ErrNoRows {
			f(calls)
		}
		return list, err
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	cfg := oracle.Config(t, url)
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec1(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// value scans the one value of a query.
func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func open(t *testing.T, o *pgsession.Options) *pgsession.Session {
	t.Helper()
	if o.Relations == nil {
		o.Relations = tables
	}
	s, err := pgsession.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func worker(t *testing.T, s *pgsession.Session) *pgsession.Worker {
	t.Helper()
	w, err := s.Worker(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// relation is a table of schema public.
func relation(t *testing.T, conn *pgx.Conn, name string) pgsession.Relation {
	t.Helper()
	return pgsession.Relation{OID: value[uint32](t, conn, `SELECT $1::text::regclass::oid`, name), Schema: "public", Name: name}
}

// awaitNone returns when no backend of ours is left in the database.
func awaitNone(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	oracle.Await(t, "no backend is left", func() bool {
		return value[int](t, conn, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1`, pgsession.ApplicationName) == 0
	})
}

func awaitWaiter(t *testing.T, conn *pgx.Conn, pid uint32) {
	t.Helper()
	oracle.Await(t, "the backend waits for a lock", func() bool {
		return value[bool](t, conn, `SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = $1`, int64(pid))
	})
}

func database(t *testing.T, sql ...string) string {
	t.Helper()
	return oracle.Database(t, oracle.Server(t, 0), sql...)
}
