package oracle

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// StoresVariable names the environment variable that lists folders with the
// programs of [S3], [GCS], [Azure], [Proxy] and [Age], separated as PATH is.
const StoresVariable = "PGCOFRE_STORES"

// lookup finds a program in the folders of [StoresVariable], then in PATH. The
// hint says what brings it.
func lookup(name, hint string) (string, error) {
	for _, dir := range filepath.SplitList(os.Getenv(StoresVariable)) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", lackingError(fmt.Sprintf("no %s found in %s or PATH: %s", name, StoresVariable, hint))
	}
	return path, nil
}

// lackingError says what the machine lacks, and what brings it.
type lackingError string

func (e lackingError) Error() string { return string(e) }

// need is what start returns, for a test that cannot do without.
func need[T any](t testing.TB, start func() (T, error)) T {
	t.Helper()
	value, err := start()
	if lacking := lackingError(""); errors.As(err, &lacking) {
		Missing(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// service is a program that serves on a port of its own. It ends with this
// process, even when that is killed, and when nothing refers to it any more.
type service struct {
	dir    string // gone with the program; its file "log" is what that printed
	addr   string // host:port
	hold   *os.File
	status *os.File // at its end when the program is
}

// plan makes the arguments of a program that is to serve on addr and keep its
// data in dir, and what its environment has beside ours.
type plan func(dir, addr string) (args, env []string, err error)

//go:embed service.sh
var serviceScript string

// errPortTaken is the error of a program whose port was free a moment ago.
var errPortTaken = errors.New("oracle: the port was taken")

// serve starts a program and returns when it accepts connections.
func serve(name string, how plan) (*service, error) {
	program, err := lookup(name, ".ci/stores/install builds it and prints the folder to list there")
	if err != nil {
		return nil, err
	}
	for range 5 {
		var s *service
		if s, err = startService(program, how); !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
	return nil, err
}

func startService(program string, how plan) (s *service, err error) {
	s = &service{}
	if s.dir, err = os.MkdirTemp("", "pgcofre-store-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.hold.Close() // nil without a watcher to tell
			err = errors.Join(err, os.RemoveAll(s.dir))
		}
	}()
	if s.addr, err = freeAddr(); err != nil {
		return nil, err
	}
	args, env, err := how(s.dir, s.addr)
	if err != nil {
		return nil, err
	}
	if err := s.watch(program, args, env); err != nil {
		return nil, err
	}
	return s, s.await(program)
}

// watch starts the program's watcher in a session of its own, out of reach of
// the terminal's signals.
func (s *service) watch(program string, args, env []string) error {
	input, hold, err := os.Pipe()
	if err != nil {
		return err
	}
	defer input.Close()
	s.hold = hold
	status, output, err := os.Pipe()
	if err != nil {
		return err
	}
	defer output.Close()
	s.status = status
	cmd := exec.Command("/bin/sh", append([]string{"-c", serviceScript, "pgcofre-service", s.dir, program}, args...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout = input, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd.Start()
}

// await returns when the program accepts connections.
func (s *service) await(program string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if s.ended(10 * time.Millisecond) {
			return s.failure(program, "ended")
		}
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			return conn.Close()
		}
	}
	return s.failure(program, "did not listen on "+s.addr+" in time")
}

// ended waits so long for the program's end.
func (s *service) ended(wait time.Duration) bool {
	if err := s.status.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return true
	}
	_, err := s.status.Read(make([]byte, 1))
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// failure makes an error of the end of the program's log.
func (s *service) failure(program, what string) error {
	text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	if bytes.Contains(text, []byte("address already in use")) {
		return errPortTaken
	}
	const tail = 2000
	return fmt.Errorf("oracle: %s %s; its log ends:\n%s", program, what, text[max(0, len(text)-tail):])
}

// freeAddr is an address of this machine that nobody listened on just now.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
