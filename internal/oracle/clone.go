package oracle

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// A CloneServer is a copy of a server, as a snapshot of its volume is one: it
// has the same system identifier and timeline, and goes on by itself. It stops
// with the test.
type CloneServer struct {
	data, socket, server string
	maintenance          string // URL of the primary's database postgres
	settings             []string
	port                 int
	cmd                  *exec.Cmd // nil: it does not run
	log                  lockedBuffer
}

// Clone copies a server of [OwnServer] as it is now, and starts the copy.
func Clone(t testing.TB, primary *scratch.Server) *CloneServer {
	t.Helper()
	dir := folder(t)
	c := &CloneServer{data: filepath.Join(dir, "data"), socket: dir, port: freePort(t), maintenance: primary.URL("postgres"), settings: standIn(primary)}
	c.server = baseBackup(t, primary, c.data)
	t.Cleanup(func() {
		c.Stop(t)
		if t.Failed() {
			t.Logf("the clone said:\n%s", &c.log)
		}
	})
	c.Start(t)
	return c
}

// Start starts the clone, and returns when it answers.
func (c *CloneServer) Start(t testing.TB) {
	t.Helper()
	c.cmd = unprivileged(t, c.server, append([]string{"-D", c.data, "-p", strconv.Itoa(c.port), "-k", c.socket}, c.settings...)...)
	c.cmd.Stdout, c.cmd.Stderr = &c.log, &c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitAnswer(t, c.URL(t, c.maintenance))
}

// Stop ends the clone in good order. [CloneServer.Start] starts it again.
func (c *CloneServer) Stop(t testing.TB) {
	t.Helper()
	if c.cmd == nil {
		return
	}
	err := c.cmd.Process.Signal(syscall.SIGINT)
	if err == nil {
		err = c.cmd.Wait()
	}
	if err != nil {
		t.Errorf("stopping the clone: %v", err)
	}
	c.cmd = nil
}

// ResetCounter stops the clone and has it go on with another transaction number.
// All rows of all databases must be frozen.
func (c *CloneServer) ResetCounter(t testing.TB, xid uint32) {
	t.Helper()
	c.Stop(t)
	resetwal := filepath.Join(filepath.Dir(c.server), "pg_resetwal")
	if out, err := unprivileged(t, resetwal, "-x", fmt.Sprint(xid), "-D", c.data).CombinedOutput(); err != nil {
		t.Fatalf("pg_resetwal: %v\n%s", err, out)
	}
	// What became of the transactions around it (SLRU_PAGES_PER_SEGMENT and
	// CLOG_XACTS_PER_PAGE in the server's source).
	segment := filepath.Join(c.data, "pg_xact", fmt.Sprintf("%04X", xid/(32*32768)))
	if out, err := unprivileged(t, "truncate", "-s", "256K", segment).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	c.Start(t)
}

// URL leads to the clone where target leads to its primary.
func (c *CloneServer) URL(t testing.TB, target string) string { return withPort(t, target, c.port) }

func withPort(t testing.TB, target string, port int) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.Host = fmt.Sprintf("%s:%d", u.Hostname(), port)
	return u.String()
}

// baseBackup copies a server's data into a folder, and returns the program that
// serves it.
func baseBackup(t testing.TB, primary *scratch.Server, data string, options ...string) (server string) {
	t.Helper()
	server, err := filepath.EvalSymlinks(filepath.Join(primary.BinDir(), "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(server), "pg_basebackup")
	if _, err := os.Stat(program); err != nil {
		Missing(t, "no pg_basebackup beside %s: apt-get install postgresql-%d", server, primary.Major())
	}
	args := append([]string{"-D", data, "-d", primary.URL("postgres"), "-c", "fast", "--no-sync"}, options...)
	if out, err := unprivileged(t, program, args...).CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	return server
}

// standIn are the settings with which a copy of a server serves like it.
func standIn(primary *scratch.Server) []string {
	return []string{"-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "hba_file=" + filepath.Join(primary.Dir, "hba.conf"),
		"-c", "max_connections=100", "-c", "max_prepared_transactions=10"}
}
