package backup_test

import (
	"context"
	"errors"
	"io"
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

// folder is a sink of this machine.
func folder(t *testing.T) *remote.Dir {
	t.Helper()
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// breaking fails, in the middle of its bytes, every object from one number to
// another.
func breaking(sink remote.RemoteSink, from, to int64) *remotetest.Faulty {
	var n atomic.Int64
	return &remotetest.Faulty{RemoteSink: sink, OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if strings.HasPrefix(name, "state/") {
			return r, nil
		}
		if at := n.Add(1); from <= at && at < to {
			return remotetest.FailAfter(r, 100, syscall.EIO), nil
		}
		return r, nil
	}}
}

// TestSinkBreaks: a sink whose disk breaks in the middle of a run gets the
// objects again, and where that does not help, no set is listed.
func TestSinkBreaks(t *testing.T) {
	t.Parallel()
	url := database(t)
	cut := &backup.Dumper{Config: oracle.Config(t, url), RangeSize: 64 << 10}

	dir := folder(t)
	set, err := backup.Run(t.Context(), breaking(dir, 5, 7), cut, nil)
	if err != nil {
		t.Fatal(err)
	}
	intact(t, dir, set.Manifest)

	dir = folder(t)
	if _, err = backup.Run(t.Context(), breaking(dir, 5, 1000), cut, nil); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "storing full/") {
		t.Errorf("Run: %v", err)
	}
	leavesNothing(t, dir)

	dir = folder(t)
	gone := breaking(dir, 5, 1000)
	gone.OnDelete = func(context.Context, string) error { return syscall.EIO }
	if _, err = backup.Run(t.Context(), gone, cut, nil); !errors.Is(err, syscall.EIO) {
		t.Errorf("Run: %v", err)
	}
	inventory, err := manifest.Scan(t.Context(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(inventory.Sets) > 0 || len(inventory.Damaged) > 0 || len(inventory.Strays) != 1 || inventory.Strays[0].Objects != 4 {
		t.Errorf("what the sink lists: %+v", inventory)
	}
	awaitNoBackend(t, url)
}
