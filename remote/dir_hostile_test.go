package remote_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
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
