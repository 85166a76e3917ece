package pgsession_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// standby starts a streaming standby of the server and returns a function that
// leads a URL there.
func standby(t *testing.T, primary *scratch.Server) func(url string) string {
	t.Helper()
	server, err := filepath.EvalSymlinks(filepath.Join(primary.BinDir(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	basebackup := filepath.Join(filepath.Dir(server), "pg_basebackup")
	if _, err := os.Stat(basebackup); err != nil {
		missing(t, "no pg_basebackup beside %s: apt-get install postgresql-%d", server, primary.Major())
	}
	dir := folder(t)
	data := filepath.Join(dir, "data")
	url := primary.URL("postgres")
	if out, err := unprivileged(t, basebackup, "-D", data, "-d", url, "-c", "fast", "-R", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	daemon(t, server, "-D", data, "-p", fmt.Sprint(port), "-k", dir,
		"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "hba_file="+filepath.Join(primary.Dir, "hba.conf"),
		"-c", "max_connections=100", "-c", "max_prepared_transactions=10")
	there := func(url string) string {
		cfg := config(t, url)
		return strings.Replace(url, fmt.Sprintf(":%d/", cfg.Port), fmt.Sprintf(":%d/", port), 1)
	}
	await(t, "the standby answers", func() bool {
		conn, err := pgx.Connect(t.Context(), there(url))
		if err != nil {
			return false
		}
		conn.Close(t.Context())
		return true
	})
	return there
}

func TestStandby(t *testing.T) {
	primary := oracle.OwnServer(t, 15, nil)
	there := standby(t, primary)
	url := oracle.Database(t, primary, `CREATE TABLE t AS SELECT generate_series(1, 10) i; CREATE UNLOGGED TABLE volatile ()`)
	writer := connect(t, url)
	caughtUp := func() {
		t.Helper()
		lsn := value[string](t, writer, `SELECT pg_current_wal_insert_lsn()::text`)
		observer := connect(t, there(primary.URL("postgres")))
		await(t, "the standby has caught up", func() bool {
			return value[bool](t, observer, `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, lsn)
		})
	}
	exec1(t, writer, `SELECT pg_current_xact_id()`)
	caughtUp()
	cfg := config(t, there(url))
	found := findings(t, &pgsession.Options{Config: cfg, Deferrable: true})
	if len(found) != 2 || !strings.Contains(found[0].What, "volatile") || !strings.Contains(found[1].What, "SERIALIZABLE") {
		t.Errorf("findings: %q", found)
	}
	exec1(t, writer, `DROP TABLE volatile`)
	caughtUp()

	s := open(t, &pgsession.Options{Config: cfg, LockName: "x"})
	exec1(t, writer, `INSERT INTO t VALUES (11)`)
	caughtUp()
	w := worker(t, s)
	if got := value[int](t, w.Conn(), `SELECT count(*) FROM public.t`); got != 10 {
		t.Errorf("the worker sees %d rows", got)
	}
	if err := w.Lock(t.Context(), relation(t, writer, "t")); err != nil {
		t.Error(err)
	}
	if err := s.WaitDurable(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	info := s.Info()
	if !info.Standby || info.LSN == "" || info.Timeline != 1 || info.SystemID == "" || time.Since(info.Time) > time.Minute {
		t.Errorf("info: %+v", info)
	}
	all := strings.Join(s.Warnings(), "\n")
	for _, want := range []string{"max_standby_streaming_delay", "hot_standby_feedback"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %s in %q", want, all)
		}
	}
	s.Close()
	awaitNone(t, there(url))
}
