package remote_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
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
