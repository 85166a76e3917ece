package scratch_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// childVariable makes the test program a program that uses a scratch server.
const childVariable = "PGCOFRE_SCRATCH_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		if err := child(); err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child starts a server, tells its folder, and after an interrupt tells whether
// the server still answers. It never stops the server.
func child() error {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	fmt.Println("starting")
	srv, err := scratch.Start(context.Background(), nil)
	if err != nil {
		return err
	}
	fmt.Println("dir", srv.Dir)
	<-interrupts
	conn, err := pgx.ConnectConfig(context.Background(), srv.Config("postgres"))
	if err != nil {
		return err
	}
	fmt.Println("answers", conn.PgConn().ParameterStatus("server_version"))
	select {}
}

// program is a running child.
type program struct {
	cmd *exec.Cmd
	out *bufio.Scanner
}

func runChild(t *testing.T) *program {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &program{cmd, bufio.NewScanner(out)}
	p.read(t, "starting")
	return p
}

// read returns the rest of the next line, which begins with the word.
func (p *program) read(t *testing.T, word string) string {
	t.Helper()
	if !p.out.Scan() {
		t.Fatalf("the program ended before it said %q", word)
	}
	rest, ok := strings.CutPrefix(p.out.Text(), word)
	if !ok {
		t.Fatalf("the program said %q, not %q", p.out.Text(), word)
	}
	return strings.TrimSpace(rest)
}

// kill kills the program as kill -9 does.
func (p *program) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Wait()
}

// eventually waits for a condition that nothing announces.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after 30 s: %s", what)
		}
	}
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func dead(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

func TestKilledProgramLeavesNothing(t *testing.T) {
	need(t)
	p := runChild(t)
	dir := p.read(t, "dir")
	pid := postmaster(t, dir)
	if dead(pid) {
		t.Fatal("the server is not running to begin with")
	}
	p.kill(t)
	eventually(t, "the server is gone", func() bool { return dead(pid) })
	eventually(t, "its folder is gone", func() bool { return gone(dir) })
}

func TestKilledWhileStarting(t *testing.T) {
	need(t)
	tmp := tempDir(t)
	random := rand.New(rand.NewPCG(1, 2))
	kills := 3
	if n, err := strconv.Atoi(os.Getenv("PGCOFRE_LONG")); err == nil {
		kills = max(kills, n)
	}
	for range kills {
		p := runChild(t)
		after := time.Duration(random.Int64N(int64(1500 * time.Millisecond)))
		// The moment of the kill is what the test varies: nothing to wait for.
		time.Sleep(after)
		p.kill(t)
		eventually(t, fmt.Sprintf("nothing is left of a start killed after %v", after), func() bool {
			left, _ := filepath.Glob(tmp + "/*")
			return left == nil
		})
	}
}

func TestServerSurvivesInterrupt(t *testing.T) {
	need(t)
	p := runChild(t)
	dir := p.read(t, "dir")
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGINT); err != nil { // as a terminal does for Ctrl-C
		t.Fatal(err)
	}
	p.read(t, "answers")
	p.kill(t)
	eventually(t, "the server's folder is gone", func() bool { return gone(dir) })
}
