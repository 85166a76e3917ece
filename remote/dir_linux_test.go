package remote_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/remote"
)

// TestDirFullDisk fills a small file system. Only root may mount one: others
// have the system refuse to write on for another reason.
func TestDirFullDisk(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=1m"); err != nil {
		t.Logf("no tmpfs of 1 MiB (%v): a limit on the size of files takes its place", err)
		fileTooLarge(t)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	fullDisk(t, folder)
}

func TestDirNotWritable(t *testing.T) {
	dir := newDir(t)
	put(t, dir, "x", "x")
	if err := os.Chmod(dir.String(), 0o500); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(dir.String(), 0o700) }()
	if os.Geteuid() == 0 {
		// Root may write anywhere: be someone else to the file system, in this
		// thread, which ends with the test.
		runtime.LockOSThread()
		for _, path := range []string{dir.String(), filepath.Dir(dir.String())} {
			if err := os.Chown(path, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syscall.Setfsuid(0) }()
	}
	notWritable(t, dir)
}

// TestDirFolderComesAndGoes has Puts lose their folder to Deletes, in memory,
// where nothing but that takes time.
func TestDirFolderComesAndGoes(t *testing.T) {
	folder, err := os.MkdirTemp("/dev/shm", "pgcofre")
	if err != nil {
		folder = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	dir, err := remote.NewDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprintf("full/set/%d", i)
			for range 1000 {
				_, err := dir.Put(t.Context(), name, strings.NewReader("x"), nil)
				if err = errors.Join(err, dir.Delete(t.Context(), name)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
