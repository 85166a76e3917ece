package retention_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/retention"
)

// building is a source that builds on the newest set, slowly enough for a
// cleanup to come in between.
type building struct{ begun, cleaned chan struct{} }

func (building) SourceName() string { return "app" }

func (b building) Backup(ctx context.Context, w *backup.Writer) error {
	parent := w.History().Latest()
	if err := w.Begin(manifest.Incremental, parent); err != nil {
		return err
	}
	for _, name := range []string{"1.dat", "2.dat"} {
		if _, err := w.Put(ctx, name, func(out io.Writer) error {
			_, err := io.WriteString(out, "rows of "+name)
			return err
		}); err != nil {
			return err
		}
		if name == "1.dat" {
			b.begun <- struct{}{}
			<-b.cleaned
		}
	}
	return nil
}

// TestCleanBesideBackup: a cleanup comes in the middle of a run that builds on
// a chain which would go, and just after a newer full set took its place.
func TestCleanBesideBackup(t *testing.T) {
	now := time.Now()
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := makeSet(t, manifest.Full, "app", now.Add(-60*day)).store(t, dir, "")
	i := makeSet(t, manifest.Incremental, "app", now.Add(-59*day), child(f)).store(t, dir, "")
	gone := makeSet(t, manifest.Incremental, "app", now.Add(-60*day).Add(time.Hour), child(f)).store(t, dir, "")
	age(t, dir, -40*day)

	src := building{make(chan struct{}), make(chan struct{})}
	var set *backup.Result
	var running sync.WaitGroup
	running.Go(func() {
		var err error
		set, err = backup.Run(t.Context(), dir, src, &backup.Options{ShrinkLimit: -1})
		if err != nil {
			t.Error(err)
		}
	})
	<-src.begun
	makeSet(t, manifest.Full, "app", now.Add(-time.Hour)).store(t, dir, "")
	p := retention.RetentionPolicy{Full: retention.Rule{Last: 1}, Incremental: retention.Rule{Within: 30 * day}}
	res, err := retention.Clean(t.Context(), dir, p, now, nil)
	if err != nil {
		t.Error(err)
	}
	if len(res.Outcomes) != 1 || res.Outcomes[0].ID != gone.ID {
		t.Errorf("only %s can go:\n%v", gone.ID, res.Plan)
	}
	src.cleaned <- struct{}{}
	running.Wait()
	if t.Failed() {
		return
	}
	if set.Parents[0].ID != i.ID {
		t.Fatalf("it builds on %s, want %s", set.Parents[0].ID, i.ID)
	}
	if err := checkWhole(t.Context(), dir, nil); err != nil {
		t.Error(err)
	}
	if res, err := retention.Clean(t.Context(), dir, p, now.Add(time.Minute), nil); err != nil || len(res.Outcomes) != 0 {
		t.Errorf("the next run gives %v\n%v", err, res)
	}
}

// age makes all files of a folder so much older.
func age(t *testing.T, dir *remote.Dir, by time.Duration) {
	t.Helper()
	for obj, err := range dir.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		at := obj.ModTime.Add(by)
		if err := os.Chtimes(filepath.Join(dir.String(), obj.Name), at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCleanBesideSync: both sinks are cleaned again and again while one is
// synced to the other. Neither ever ends with something that is not whole.
func TestCleanBesideSync(t *testing.T) {
	t.Parallel() // the sync waits before it tries again what vanished
	now := time.Now()
	newDir := func() *remote.Dir {
		dir, err := remote.NewDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	from, to := newDir(), newDir()
	for week := range 8 {
		at := now.Add(-time.Duration(7*week+6) * day)
		s := makeSet(t, manifest.Full, "app", at).store(t, from, "")
		for n := range 2 {
			s = makeSet(t, manifest.Incremental, "app", at.Add(time.Duration(n+1)*day), child(s)).store(t, from, "")
		}
	}
	age(t, from, -2*day)
	p := retention.Documented()
	var running sync.WaitGroup
	running.Go(func() {
		// Sets that are deleted while they are copied fail, which is right.
		if res, err := manifest.Sync(t.Context(), from, to, nil); res == nil {
			t.Error(err)
		}
	})
	for _, sink := range []*remote.Dir{from, to} {
		running.Go(func() {
			for range 5 {
				// The sync brings the oldest sets first: while there are but
				// these, the policy is refused.
				_, err := retention.Clean(t.Context(), sink, p, now, nil)
				if errors.As(err, new(*retention.ApplyError)) || err != nil && sink == from {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	if err := checkWhole(t.Context(), from, nil); err != nil {
		t.Errorf("the source: %v", err)
	}
	if _, err := manifest.Sync(t.Context(), from, to, nil); err != nil {
		t.Error(err)
	}
	if _, err := retention.Clean(t.Context(), to, p, now, nil); err != nil {
		t.Error(err)
	}
	if err := checkWhole(t.Context(), to, nil); err != nil {
		t.Errorf("the destination: %v", err)
	}
	if a, b := listed(t, from), listed(t, to); a != b {
		t.Errorf("the source has\n%s, the destination\n%s", a, b)
	}
}
