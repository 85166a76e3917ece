package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// built is the path of the program.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "quickstart-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		built = filepath.Join(dir, "quickstart")
		if out, err := exec.Command("go", "build", "-o", built, ".").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}())
}

// program is the quickstart with a temporary folder for it to work in.
type program struct {
	temp string
	env  []string
}

func newProgram(t *testing.T, env ...string) *program {
	t.Helper()
	if len(scratch.Installs()) == 0 {
		oracle.Server(t, 0) // skips, and says what to install
	}
	// Short enough for a socket, and open to the user that the server runs as.
	temp, err := os.MkdirTemp("/tmp", "qs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(temp) })
	if err := os.Chmod(temp, 0o777); err != nil {
		t.Fatal(err)
	}
	return &program{temp: temp, env: slices.Concat(os.Environ(), []string{"TMPDIR=" + temp, "DATABASE_URL="}, env)}
}

// run returns what the program printed, and its exit status.
func (p *program) run(t *testing.T) (out string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), built)
	cmd.Env = p.env
	text, err := cmd.CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	return string(text), cmd.ProcessState.ExitCode()
}

// left lists what is in the temporary folder.
func (p *program) left(t *testing.T) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(p.temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// checkBackup proves the backup that the report names, and that nothing else
// is left.
func (p *program) checkBackup(t *testing.T, out string) (folder string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^  cd (\S+)/(full/\S+)$`).FindStringSubmatch(out)
	if m == nil {
		t.Fatal("the report does not say where the backup is")
	}
	if left := p.left(t); len(left) != 1 || filepath.Join(p.temp, left[0]) != m[1] {
		t.Errorf("%v is left, not %s alone", left, m[1])
	}
	sink, err := remote.NewDir(m[1])
	if err != nil {
		t.Fatal(err)
	}
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := inv.Find(m[2])
	if err != nil {
		t.Fatal(err)
	}
	rep, err := (&verify.Verifier{Sink: sink}).Integrity(t.Context(), set)
	if err := errors.Join(err, rep.Err()); err != nil {
		t.Error(err)
	}
	return filepath.Join(m[1], m[2])
}

var makeSample sync.Once

// sampleServer is a server with a sample database that all tests share.
func sampleServer(t *testing.T) *scratch.Server {
	t.Helper()
	srv := oracle.Server(t, 0)
	makeSample.Do(func() {
		if _, err := createSample(t.Context(), srv); err != nil {
			t.Fatal(err)
		}
	})
	return srv
}

func contains(t *testing.T, out string, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(out) {
			t.Errorf("the report has nothing like %s", pattern)
		}
	}
}

func TestSample(t *testing.T) {
	p := newProgram(t)
	out, status := p.run(t)
	if status != 0 {
		t.Fatalf("exit status %d", status)
	}
	contains(t, out,
		`(?m)^sample .* 6 tables, 207,150 rows`,
		`(?m)^backup .* 2\d\d,\d{3} rows, .* stored as .* objects$`,
		`(?m)^integrity .* 6 tables`,
		`(?m)^compare .* 6 tables with 2\d\d,\d{3} rows, 5 sequences, \d\d definitions: equal to the backup`,
		`(?m)^invariant .* transactions were committed while the backup ran`,
		`all 2,000,000 points`,
		`(?m)^Proven: the restored database is the snapshot, row for row\.`)
	folder := p.checkBackup(t, out)

	// The commands that the report ends with.
	srv := sampleServer(t) // which has the roles
	contains(t, out, fmt.Sprintf(`(?m)^pg_restore %d or newer:$`, srv.Major()))
	tools := oracle.Client(t, srv.Major())
	target := oracle.Database(t, srv)
	cmd := exec.Command(tools.PgRestore, "--no-owner", "--jobs=2", "--dbname="+target, ".")
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("pg_restore: %v\n%s", err, out)
	}
	cfg, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readLedger(t.Context(), cfg); err != nil || got.points != 2_000_000 {
		t.Errorf("restored by hand: %+v, %v", got, err)
	}
}

func TestDatabaseURL(t *testing.T) {
	srv := sampleServer(t)
	// A role that cannot write.
	oracle.Exec(t, srv.URL(sampleName), `CREATE ROLE leitora LOGIN BYPASSRLS PASSWORD 'só leio'`,
		`GRANT SELECT ON ALL TABLES IN SCHEMA public TO leitora; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO leitora`)
	cfg := srv.Config(sampleName)
	reader := url.URL{
		Scheme: "postgresql", User: url.UserPassword("leitora", "só leio"), Path: "/" + sampleName,
		Host: fmt.Sprintf("127.0.0.1:%d", cfg.Port),
	}
	p := newProgram(t, "DATABASE_URL="+reader.String())
	out, status := p.run(t)
	if status != 0 {
		t.Fatalf("exit status %d", status)
	}
	contains(t, out,
		`(?m)^backup .* 207,150 rows`,
		`(?m)^compare .* 6 tables with 207,150 rows, .* equal to the backup`,
		`(?m)^Proven: the restored database is the snapshot, row for row\.`)
	if strings.Contains(out, "sample") {
		t.Error("the sample was made though a database was given")
	}
	p.checkBackup(t, out)

	// The invariant of the other run is one that a torn copy breaks.
	w, err := startWriter(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.stop(); err != nil || n < 1 {
		t.Fatal(n, err)
	}
	if _, err := readLedger(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	oracle.Exec(t, srv.URL(sampleName), "DELETE FROM audit_logs WHERE id = (SELECT max(id) FROM audit_logs)")
	if _, err := readLedger(t.Context(), cfg); err == nil {
		t.Error("a lost row was not noticed")
	}
}

// TestNewerDatabase: a private server that is older than the database cannot
// prove a restore, and says so.
func TestNewerDatabase(t *testing.T) {
	srv := oracle.Server(t, 18)
	url := oracle.Database(t, srv, "CREATE TABLE t AS SELECT generate_series(1, 10) AS n")
	var older string
	for _, in := range scratch.Installs() {
		if in.Major < 18 {
			older = in.BinDir
		}
	}
	t.Setenv(scratch.BinVariable, older)
	if in, _ := choose(scratch.Installs(), 18); in.Major >= 18 {
		oracle.Missing(t, "this machine has PostgreSQL 18 where everyone looks, and none older can be put before it")
	}
	p := newProgram(t, "DATABASE_URL="+url)
	out, status := p.run(t)
	if status != 0 {
		t.Fatalf("exit status %d", status)
	}
	contains(t, out, `(?m)^restore .* not done: the private server is PostgreSQL \d\d, the backup is of 18`,
		`(?m)^Proven: the integrity of the backup alone`)
	p.checkBackup(t, out)
}

func TestFailure(t *testing.T) {
	p := newProgram(t, "DATABASE_URL=postgresql://someone:hunter2@127.0.0.1:1/none?sslmode=disable")
	out, status := p.run(t)
	if status != 1 {
		t.Errorf("exit status %d", status)
	}
	contains(t, out, `(?m)^backup .* FAILED$`, `(?m)^quickstart: .*connect`)
	if strings.Contains(out, "hunter2") {
		t.Error("the password is printed")
	}
	if left := p.left(t); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// TestInterrupted: Ctrl-C at the end of any step leaves nothing behind.
func TestInterrupted(t *testing.T) {
	p := newProgram(t)
	for _, at := range []string{"server", "backup"} {
		t.Run(at, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), built)
			cmd.Env = p.env
			var errors bytes.Buffer
			cmd.Stderr = &errors
			cmd.Stdout = &trigger{word: at, fire: func() { cmd.Process.Signal(os.Interrupt) }}
			if err := cmd.Run(); err == nil {
				t.Error("exit status 0")
			}
			if status := cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() || status.ExitStatus() != 1 {
				t.Errorf("ended with %v", cmd.ProcessState)
			}
			contains(t, errors.String(), `interrupted`)
			if left := p.left(t); len(left) > 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// trigger fires once when it is written a line that begins with the word.
type trigger struct {
	word string
	fire func()
}

func (w *trigger) Write(p []byte) (int, error) {
	if w.fire != nil && bytes.HasPrefix(p, []byte(w.word)) {
		w.fire()
		w.fire = nil
	}
	return len(p), nil
}

func TestChoose(t *testing.T) {
	installs := []scratch.Install{{Major: 15}, {Major: 18}, {Major: 16}}
	for want, majors := range map[int][]int{15: {0, 13, 15, 19}, 16: {16}, 18: {17, 18}} {
		for _, major := range majors {
			if got, ok := choose(installs, major); !ok || got.Major != want && major != 0 {
				t.Errorf("for a backup of %d: %d, %t", major, got.Major, ok)
			}
		}
	}
	if _, ok := choose(nil, 0); ok {
		t.Error("a server was found where there is none")
	}
}
