package pgsession_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// pgbouncer starts a PgBouncer in front of the database and returns the URL
// that leads through it.
func pgbouncer(t *testing.T, url, mode string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program = "/usr/sbin/pgbouncer"; exec.Command(program, "--version").Run() != nil {
			missing(t, "no PgBouncer found: apt-get install pgbouncer")
		}
	}
	server := config(t, url)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir := folder(t)
	text := fmt.Sprintf(`[databases]
%s = host=%s port=%d user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = any
pool_mode = %s
`, server.Database, server.Host, server.Port, server.User, server.Password, port, mode)
	ini := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(ini, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, program, ini)
	through := fmt.Sprintf("postgresql://postgres@127.0.0.1:%d/%s?sslmode=disable", port, server.Database)
	await(t, "PgBouncer answers", func() bool {
		conn, err := pgx.Connect(t.Context(), through)
		if err != nil {
			return false
		}
		conn.Close(t.Context())
		return true
	})
	return through
}

func TestTransactionPooler(t *testing.T) {
	url := database(t, `CREATE TABLE t ()`)
	through := pgbouncer(t, url, "transaction")
	found := findings(t, &pgsession.Options{Config: config(t, through), LockName: "x"})
	if len(found) != 1 || !strings.Contains(found[0].What, "pooler") || !strings.Contains(found[0].Way, "session mode") {
		t.Errorf("findings: %q", found)
	}
	_, err := pgsession.Connect(t.Context(), config(t, through), pgsession.Settings{})
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
	through := pgbouncer(t, database(t), "statement")
	_, err := pgsession.Connect(t.Context(), config(t, through), pgsession.Settings{})
	if err == nil || !strings.Contains(err.Error(), "statement pooling mode") {
		t.Errorf("Connect: %v", err)
	}
}

func TestSessionPooler(t *testing.T) {
	url := database(t, `CREATE TABLE t AS SELECT generate_series(1, 10) i`)
	through := pgbouncer(t, url, "session")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := pgsession.Open(ctx, &pgsession.Options{Config: config(t, through), Relations: tables, LockName: "x"})
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
	await(t, "the worker sleeps", func() bool { return sleepers() == 1 })
	cancel()
	<-busy
	await(t, "the sleeper is cancelled", func() bool { return sleepers() == 0 })
	await(t, "the pooler has taken back all connections", func() bool {
		return value[int](t, watcher, `SELECT count(*) FROM pg_stat_activity
			WHERE state LIKE 'idle in transaction%' AND datname = current_database()`) == 0
	})
}
