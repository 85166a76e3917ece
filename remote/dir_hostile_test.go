package remote_test

import (
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// A FIFO that takes an object's place, even between two looks at it, makes no
// reader wait for whoever may write to it.
func TestDirGetNeverWaits(t *testing.T) {
	path := t.TempDir()
	dir, err := remote.NewDir(path)
	if err != nil {
		t.Fatal(err)
	}
	file, fifo, name := filepath.Join(path, "file"), filepath.Join(path, "fifo"), filepath.Join(path, "a")
	stop := make(chan struct{})
	var swapper sync.WaitGroup
	swapper.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Rename(file, name),
				syscall.Mkfifo(fifo, 0o600), os.Rename(fifo, name)); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer swapper.Wait()
	defer close(stop)

	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 30_000 {
			rc, err := dir.Get(t.Context(), "a")
			if err != nil {
				continue
			}
			if got, err := io.ReadAll(rc); err != nil || string(got) != "x" {
				t.Errorf("read %q, %v", got, err)
			}
			rc.Close()
		}
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("Get waits")
	}
}

// A file whose name no object can have is not listed: who was given the name
// could only fail to open it.
func TestDirListsNoImpossibleNames(t *testing.T) {
	path := t.TempDir()
	dir, err := remote.NewDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a\nb", `a\b`, "a\x7f", "\xff", "fine", ".hidden"} {
		if err := os.Mkdir(filepath.Join(path, "d"+name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{name, filepath.Join("d"+name, "inside")} {
			if err := os.WriteFile(filepath.Join(path, file), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, list := range map[string]iter.Seq2[remote.Object, error]{
		"d.hidden/inside dfine/inside fine": dir.List(t.Context(), ""),
		"d.hidden/ dfine/ fine":             dir.ListLevel(t.Context(), ""),
	} {
		var names []string
		for obj, err := range list {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, obj.Name)
		}
		if got := strings.Join(names, " "); got != what {
			t.Errorf("listed %q, want %q", got, what)
		}
	}
}
