package remotetest_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func probe(t *testing.T, sink remote.RemoteSink) remotetest.Capabilities {
	t.Helper()
	c, err := remotetest.Probe(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	for obj := range sink.List(t.Context(), "") {
		t.Errorf("Probe leaves %q", obj.Name)
	}
	c.ClockAhead = c.ClockAhead.Round(time.Hour)
	return c
}

func TestProbe(t *testing.T) {
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	all := remotetest.Capabilities{Ranges: true, Stat: true, Exclusive: true, Levels: true, Sweep: true, Versions: true}
	if got := probe(t, dir); got != all {
		t.Errorf("Dir: %+v", got)
	}

	mem := remotetest.NewMem()
	mem.Now = func() time.Time { return time.Now().Add(-3 * time.Hour) }
	bare := remotetest.Capabilities{Versions: true, ClockAhead: -3 * time.Hour}
	if got := probe(t, &remotetest.Faulty{RemoteSink: mem}); got != bare {
		t.Errorf("a bare sink whose clock is behind: %+v", got)
	}

	// A store that ignores the precondition and the range.
	b := &broken{Mem: remotetest.NewMem()}
	b.exclusive = func(ctx context.Context, name string, r io.Reader) (object, error) {
		return b.Mem.Put(ctx, name, r, nil)
	}
	b.getRange = func(ctx context.Context, name string, _, _ int64) (io.ReadCloser, error) {
		return b.Mem.Get(ctx, name)
	}
	if got := probe(t, b); got.Exclusive || got.Ranges || !got.Stat {
		t.Errorf("a store that ignores what it is asked: %+v", got)
	}

	refused := errors.New("status 403")
	f := &remotetest.Faulty{RemoteSink: remotetest.NewMem()}
	f.OnPut = func(context.Context, string, io.Reader) (io.Reader, error) { return nil, refused }
	if _, err := remotetest.Probe(t.Context(), f); !errors.Is(err, refused) {
		t.Errorf("a sink that refuses Puts: %v", err)
	}
}

// TestEveryCheckCanFail: for each check there is a defect that it reports.
func TestEveryCheckCanFail(t *testing.T) {
	for _, check := range remotetest.Checks() {
		if !slices.ContainsFunc(defects, func(d defect) bool { return d.check == check }) {
			t.Errorf("no defect shows that the check %q can fail", check)
		}
	}
}
