package scratch_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// need skips the test where no server is installed.
func need(t *testing.T) {
	t.Helper()
	if _, err := scratch.Find(0); err != nil {
		oracle.Missing(t, "%v", err)
	}
}

// start starts a server, or skips the test.
func start(t *testing.T, opts *scratch.Options) *scratch.Server {
	t.Helper()
	need(t)
	srv, err := scratch.Start(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return srv
}

// value is the one value that a query returns.
func value(t *testing.T, conn *pgx.Conn, sql string) string {
	t.Helper()
	var v string
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

func connect(t *testing.T, cfg *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func gone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, os.ErrNotExist)
}

func TestStartStop(t *testing.T) {
	for _, in := range scratch.Installs() {
		t.Run(in.Version, func(t *testing.T) {
			srv := start(t, &scratch.Options{BinDir: in.BinDir, Settings: map[string]string{"application_name": `it's a \ test`}})
			if srv.Major() != in.Major || srv.BinDir() != in.BinDir {
				t.Errorf("the server is %d in %s, want %d in %s", srv.Major(), srv.BinDir(), in.Major, in.BinDir)
			}
			tcp, err := pgx.ParseConfig(srv.URL("postgres"))
			if err != nil {
				t.Fatal(err)
			}
			for name, cfg := range map[string]*pgx.ConnConfig{"TCP": tcp, "socket": srv.Config("postgres")} {
				conn := connect(t, cfg)
				if got := value(t, conn, "SHOW server_version"); !strings.HasPrefix(got, in.Version) {
					t.Errorf("by %s: version %s, want %s", name, got, in.Version)
				}
				if got := value(t, conn, "SELECT setting FROM pg_settings WHERE name = 'fsync'"); got != "off" {
					t.Errorf("by %s: fsync is %s", name, got)
				}
				if got := value(t, conn, "SELECT reset_val FROM pg_settings WHERE name = 'application_name'"); got != `it's a \ test` {
					t.Errorf("by %s: a setting arrived as %q", name, got)
				}
			}
			// Stopping ends the connections that are still open.
			for range 2 {
				if err := srv.Stop(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !gone(srv.Dir) {
				t.Errorf("%s is still there after Stop", srv.Dir)
			}
		})
	}
}

func TestSettingsOfTheCallerWin(t *testing.T) {
	srv := start(t, &scratch.Options{
		Settings: map[string]string{"fsync": "on", "wal_level": "logical"},
		InitArgs: []string{"--encoding=LATIN1"},
	})
	conn := connect(t, srv.Config("template1"))
	for sql, want := range map[string]string{
		"SHOW fsync": "on", "SHOW wal_level": "logical", "SHOW max_wal_senders": "10", "SHOW server_encoding": "LATIN1",
		"SELECT current_database()": "template1",
	} {
		if got := value(t, conn, sql); got != want {
			t.Errorf("%s: %s, want %s", sql, got, want)
		}
	}
}

func TestNobodyElseGetsIn(t *testing.T) {
	srv := start(t, nil)
	info, err := os.Stat(srv.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has the mode %v", info.Mode())
	}
	if !gone(filepath.Join(srv.Dir, "password")) {
		t.Error("the password is still in its file")
	}
	for _, cfg := range []*pgx.ConnConfig{srv.Config("postgres"), srv.Config("postgres")} {
		cfg.Password = "wrong"
		if conn, err := pgx.ConnectConfig(t.Context(), cfg); err == nil {
			conn.Close(t.Context())
			t.Error("a wrong password opened a connection")
		}
	}
}

func TestStartFails(t *testing.T) {
	need(t)
	tmp := tempDir(t)
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	for name, test := range map[string]struct {
		opts scratch.Options
		want string
	}{
		"setting": {scratch.Options{Settings: map[string]string{"no_such_setting": "1"}}, "no_such_setting"},
		"initdb":  {scratch.Options{InitArgs: []string{"--no-such-flag"}}, "no-such-flag"},
		"folder":  {scratch.Options{BinDir: tmp}, "initdb"},
	} {
		test.opts.Logger = log
		_, err := scratch.Start(t.Context(), &test.opts)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: the error %v does not name %s", name, err, test.want)
		}
	}
	if left, _ := filepath.Glob(tmp + "/pgcofre-*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestStartCancelled(t *testing.T) {
	need(t)
	tmp := tempDir(t)
	for _, after := range []time.Duration{0, 100 * time.Millisecond, 700 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		_, err := scratch.Start(ctx, nil)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
		if left, _ := filepath.Glob(tmp + "/pgcofre-*"); left != nil {
			t.Errorf("after %v left behind: %v", after, left)
		}
	}
}

func TestNotFound(t *testing.T) {
	_, err := scratch.Find(8)
	notFound := (*scratch.NotFoundError)(nil)
	if !errors.As(err, &notFound) || notFound.Major != 8 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"apt-get install postgresql-8", "dnf install postgresql8-server", "brew install postgresql@8", scratch.BinVariable} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestListedBinariesComeFirst(t *testing.T) {
	all := scratch.Installs()
	if len(all) < 2 {
		oracle.Missing(t, "two installed servers are needed: apt-get install postgresql-17 postgresql-18")
	}
	oldest := all[len(all)-1]
	t.Setenv(scratch.BinVariable, oldest.BinDir)
	if got, err := scratch.Find(0); err != nil || got != oldest {
		t.Errorf("Find(0) is %v, %v; want %v", got, err, oldest)
	}
}

// tempDir makes os.TempDir a new folder, short and open to the server's user.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "scratch-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	return dir
}
