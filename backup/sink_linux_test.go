package backup_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// small is a folder on a file system of its own, of a size as mount takes it.
func small(t *testing.T, size string) *remote.Dir {
	t.Helper()
	folder := t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size="+size); err != nil {
		oracle.Missing(t, "only root may mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir, err := remote.NewDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestFullDisk: when the disk fills in the middle of a run, that fails at once
// with the reason, and what it had put is removed.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	url, dir := database(t), small(t, "300k")
	var stored atomic.Int64
	sink := &remotetest.Faulty{RemoteSink: dir, AfterPut: func(_ context.Context, _ string, obj remote.Object, err error) (remote.Object, error) {
		if err == nil {
			stored.Add(1)
		}
		return obj, err
	}}
	_, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url), RangeSize: 64 << 10}, &backup.Options{Compression: "none"})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "storing full/") || stored.Load() == 0 {
		t.Errorf("Run, after %d objects: %v", stored.Load(), err)
	}
	leavesNothing(t, dir)
	awaitNoBackend(t, url)
}

// TestFolderNotWritable: the run fails at once with the reason.
func TestFolderNotWritable(t *testing.T) {
	t.Parallel()
	url, sink := database(t), small(t, "1m")
	if err := syscall.Mount("", sink.String(), "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url)}, nil)
	if !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		t.Errorf("Run: %v", err)
	}
	leavesNothing(t, sink)
}

// TestFolderGone: a folder that is no folder.
func TestFolderGone(t *testing.T) {
	t.Parallel()
	url, sink := database(t), small(t, "1m")
	if err := os.WriteFile(sink.String()+"/full", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url)}, nil)
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("Run: %v", err)
	}
	if inv, err := manifest.Scan(t.Context(), sink, nil); err == nil && len(inv.Sets) > 0 {
		t.Error("a set is listed")
	}
}
