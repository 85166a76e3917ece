package remote_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// childEnv names what this program, started by its own tests, is to do.
const childEnv = "PGCOFRE_TEST_REMOTE_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "stuck":
		childStuck(os.Args[1])
	case "limited":
		childLimited(os.Args[1])
	}
}

func child(t *testing.T, what, folder string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, folder)
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

// dirTime is the time a minute ago by the clock of the file system.
func dirTime(t *testing.T) time.Time {
	t.Helper()
	fi, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return fi.ModTime().Add(-time.Minute)
}

// childStuck starts a Put that does not end, and says when half is read.
func childStuck(folder string) {
	dir, err := remote.NewDir(folder)
	if err != nil {
		panic(err)
	}
	first := bytes.NewReader(make([]byte, 1<<20))
	_, err = dir.Put(context.Background(), "full/set/x", io.MultiReader(first, stuck{}), nil)
	panic(err)
}

type stuck struct{}

func (stuck) Read([]byte) (int, error) {
	fmt.Println("half")
	time.Sleep(time.Hour) // to be killed in; an empty select would be a deadlock
	return 0, io.EOF
}

// TestDirKilledPut kills a process in the middle of a Put.
func TestDirKilledPut(t *testing.T) {
	dir := newDir(t)
	put(t, dir, "full/other/x", "1")
	cmd := child(t, "stuck", dir.String())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "half\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	if left := tree(t, dir.String()); len(left) != 5 {
		t.Fatalf("this test needs a leftover, but there are %q", left)
	}
	if got := names(t, dir.List(t.Context(), "")); !slices.Equal(got, []string{"full/other/x"}) {
		t.Errorf("List gives %q", got)
	}
	if got := names(t, dir.ListLevel(t.Context(), "full/")); !slices.Equal(got, []string{"full/other/"}) {
		t.Errorf("ListLevel gives %q", got)
	}
	if n, err := dir.Sweep(t.Context(), dirTime(t)); n != 0 || err != nil {
		t.Errorf("Sweep of what is older removes %d, %v", n, err)
	}
	if n, err := dir.Sweep(t.Context(), dirTime(t).Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("Sweep removes %d, %v", n, err)
	}
	if left := tree(t, dir.String()); !slices.Equal(left, []string{"full", "full/other", "full/other/x"}) {
		t.Errorf("after Sweep there are %q", left)
	}
}

// childLimited puts more than a file may hold.
func childLimited(folder string) {
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	dir, err := remote.NewDir(folder)
	if err != nil {
		panic(err)
	}
	_, err = dir.Put(context.Background(), "full/set/x", bytes.NewReader(make([]byte, 2<<20)), nil)
	fmt.Printf("EFBIG: %t\n%v\n", errors.Is(err, syscall.EFBIG), err)
}

func TestDirFileTooLarge(t *testing.T) { fileTooLarge(t) }

// fileTooLarge has the system refuse to write on. Unlike a full disk this can
// be had without privileges.
func fileTooLarge(t *testing.T) {
	dir := newDir(t)
	out, err := child(t, "limited", dir.String()).Output()
	if err != nil || !strings.HasPrefix(string(out), "EFBIG: true\n") {
		t.Fatalf("the child says %q, %v", out, err)
	}
	if left := tree(t, dir.String()); len(left) > 0 {
		t.Errorf("left are %q", left)
	}
}

// fullDisk checks Puts into a folder on a disk with about 1 MiB.
func fullDisk(t *testing.T, folder string) {
	dir, err := remote.NewDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "full/set/x", "former")
	for _, name := range []string{"full/set/x", "full/set/y", "full/other/x"} {
		_, err := dir.Put(t.Context(), name, bytes.NewReader(make([]byte, 4<<20)), nil)
		var e *remote.Error
		if !errors.Is(err, syscall.ENOSPC) || !errors.As(err, &e) || e.Op != "put" || e.Name != name {
			t.Errorf("Put on a full disk gives %v", err)
		}
	}
	if left := tree(t, folder); !slices.Equal(left, []string{"full", "full/set", "full/set/x"}) {
		t.Errorf("on the full disk are left %q", left)
	}
	put(t, dir, "full/set/y", strings.Repeat("y", 1<<19)) // the room is free again
	rc, err := dir.Get(t.Context(), "full/set/x")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if got, err := io.ReadAll(rc); string(got) != "former" || err != nil {
		t.Errorf("the former object is %q, %v", got, err)
	}
}

// notWritable checks a folder that may be read and not written.
func notWritable(t *testing.T, dir *remote.Dir) {
	_, putErr := dir.Put(t.Context(), "y", strings.NewReader("y"), nil)
	for call, err := range map[string]error{"Put": putErr, "Delete": dir.Delete(t.Context(), "x")} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s without permission gives %v", call, err)
		}
	}
	if got := names(t, dir.List(t.Context(), "")); !slices.Equal(got, []string{"x"}) {
		t.Errorf("List gives %q", got)
	}
}
