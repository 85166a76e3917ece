package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// process is the program at work.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("cofre", args...)}
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // ended already, unless the test failed
	return p
}

// code waits for the program's end and returns its exit code, -1 for a signal.
func (p *process) code() int {
	_ = p.Wait()
	return p.ProcessState.ExitCode()
}

// cofre runs the program to its end.
func cofre(t *testing.T, want int, args ...string) (stdout string) {
	t.Helper()
	p := start(t, args...)
	if got := p.code(); got != want {
		t.Fatalf("cofre %s: exit code %d, want %d\n%s%s", args[0], got, want, &p.stdout, &p.stderr)
	}
	return p.stdout.String()
}

// await returns when the condition holds.
func await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never happened: %s", what)
		}
	}
}

func glob(t *testing.T, pattern ...string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(pattern...))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func exists(t *testing.T, url, query string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var yes bool
	if err := conn.QueryRow(t.Context(), "SELECT EXISTS ("+query+")").Scan(&yes); err != nil {
		t.Fatal(err)
	}
	return yes
}

// stuck starts a backup that has stored rows and will not end by itself.
func stuck(t *testing.T, db, sink string) *process {
	t.Helper()
	p := start(t, "full", "--db", db, "--sink", sink, "--jobs", "2", "--export", "slow=SELECT pg_sleep(600)")
	await(t, "rows are stored", func() bool { return len(glob(t, sink, "full", "*", "*.dat.zst")) > 1 })
	return p
}

// TestSignals: a backup that is told to stop takes back what it stored, ends
// its backends, and says by which signal it was stopped; another one of the
// same database cannot run meanwhile.
func TestSignals(t *testing.T) {
	t.Parallel()
	for sig, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		t.Run(sig.String(), func(t *testing.T) {
			db, sink := oracle.Database(t, oracle.Server(t, 0), sample), t.TempDir()
			p := stuck(t, db, sink)
			if out := cofre(t, exitBusy, "full", "--json", "--db", db, "--sink", t.TempDir()); !strings.Contains(out, `"exit": 75`) {
				t.Errorf("while another runs: %s", out)
			}
			if err := p.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if got := p.code(); got != code {
				t.Errorf("exit code %d, want %d\n%s", got, code, &p.stderr)
			}
			if want := "cofre: stopped by a signal (" + sig.String() + ")\n"; !strings.Contains(p.stderr.String(), want) {
				t.Errorf("%s\nwant %s", &p.stderr, want)
			}
			if left := glob(t, sink, "full", "*", "*"); left != nil {
				t.Errorf("left behind: %q", left)
			}
			await(t, "the backends end", func() bool {
				return !exists(t, db, "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
			})
		})
	}
}

// TestKill: what a killed backup leaves is no backup, and the next one runs.
func TestKill(t *testing.T) {
	t.Parallel()
	db, sink := oracle.Database(t, oracle.Server(t, 0), sample), t.TempDir()
	p := stuck(t, db, sink)
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if out := cofre(t, exitDone, "list", "--sink", sink); strings.Count(out, " unfinished\n") != 1 || strings.Contains(out, " good\n") {
		t.Errorf("listed:\n%s", out)
	}
	cofre(t, exitFailed, "verify", "--sink", sink, "latest")
	await(t, "the server misses the killed", func() bool {
		next := start(t, "full", "--db", db, "--sink", sink)
		code := next.code()
		if code != exitDone && code != exitBusy {
			t.Fatalf("the next one: exit code %d\n%s", code, &next.stderr)
		}
		return code == exitDone
	})
	if out := cofre(t, exitDone, "list", "--sink", sink); strings.Count(out, " unfinished\n") != 1 || strings.Count(out, " good\n") != 1 {
		t.Errorf("listed:\n%s", out)
	}
	cofre(t, exitDone, "verify", "--sink", sink, "latest")
}

// TestStoppedRestore: a restore that is told to stop leaves no database.
func TestStoppedRestore(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 0)
	db, sink := oracle.Database(t, srv, sample, `
		CREATE FUNCTION app.slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN i; END';
		CREATE INDEX slow ON app.people (app.slow(id));
		CREATE OR REPLACE FUNCTION app.slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(600); RETURN i; END'`), t.TempDir()
	cofre(t, exitDone, "full", "--db", db, "--sink", sink)
	args := []string{"restore", "--sink", sink, "--to", oracle.WithDatabase(t, db, "cofre_stopped"), "--confirm", "cofre_stopped", "latest"}
	p := start(t, args...)
	await(t, "the index is built", func() bool {
		return exists(t, db, "SELECT FROM pg_stat_activity WHERE query LIKE '%CREATE INDEX slow%' AND state = 'active' AND pid <> pg_backend_pid()")
	})
	cofre(t, exitBusy, args...)
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := p.code(); got != 130 {
		t.Errorf("exit code %d, want 130\n%s", got, &p.stderr)
	}
	if exists(t, db, "SELECT FROM pg_database WHERE datname = 'cofre_stopped'") {
		t.Error("there is a database of the target's name")
	}
	await(t, "what was restored is dropped, as is what other tests restore", func() bool {
		return !exists(t, db, "SELECT FROM pg_database WHERE datname LIKE 'pgcofre_restoring%'")
	})
}
