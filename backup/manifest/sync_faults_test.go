package manifest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// rounds is how often something random is done: few times, or PGCOFRE_LONG.
func rounds(few, many int) int {
	if n, err := strconv.Atoi(os.Getenv("PGCOFRE_LONG")); err == nil && n > 1 {
		return n
	}
	if os.Getenv("PGCOFRE_LONG") != "" {
		return many
	}
	return few
}

// watched is a sink that has someone look at the set concerned after each
// change.
type watched struct {
	remote.RemoteSink
	look func(path string)
}

func (w *watched) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	obj, err := w.RemoteSink.Put(ctx, name, r, opts)
	w.look(folder(name))
	return obj, err
}

func (w *watched) Delete(ctx context.Context, name string) error {
	err := w.RemoteSink.Delete(ctx, name)
	w.look(folder(name))
	return err
}

// watch returns the sink with an eye on it: no set may be listed there that is
// not whole, except as it was at the start.
func watch(t *testing.T, sink remote.RemoteSink) remote.RemoteSink {
	t.Helper()
	before := map[string]error{}
	for name := range content(t, sink) {
		if path := folder(name); path != "" {
			_, before[path] = whole(t.Context(), sink, path)
		}
	}
	var mu sync.Mutex
	return &watched{sink, func(path string) {
		mu.Lock()
		defer mu.Unlock()
		_, err := whole(context.Background(), sink, path)
		switch {
		case err == nil:
			before[path] = nil
		case before[path] == nil || err.Error() != before[path].Error():
			t.Error(err)
		}
	}}
}

// cut breaks both sinks from the nth operation on, in one of several ways.
func cut(random *rand.Rand, n int64, from, to remote.RemoteSink, cancel func()) (remote.RemoteSink, remote.RemoteSink) {
	var count atomic.Int64
	lost := errors.New("connection lost")
	how := random.IntN(5)
	fault := func(ctx context.Context) error {
		if count.Add(1) < n {
			return nil
		}
		switch how {
		case 0:
			return lost
		case 1:
			return remotetest.Hang(ctx)
		case 2:
			cancel()
		}
		return nil
	}
	stream := func(ctx context.Context, _ string, r io.Reader) (io.Reader, error) {
		err := fault(ctx)
		if how == 3 && count.Load() >= n {
			r = remotetest.FailAfter(r, 7, lost)
		}
		return r, err
	}
	breaks := func(sink remote.RemoteSink) remote.RemoteSink {
		return &remotetest.Faulty{
			RemoteSink: sink, OnPut: stream, OnGet: stream,
			AfterPut: func(_ context.Context, _ string, obj remote.Object, err error) (remote.Object, error) {
				if how == 4 && count.Load() >= n {
					return remote.Object{}, lost // stored all the same
				}
				return obj, err
			},
			OnDelete: func(ctx context.Context, _ string) error { return fault(ctx) },
			OnList: func(ctx context.Context, _ string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
				if err := fault(ctx); err != nil {
					return func(yield func(remote.Object, error) bool) { yield(remote.Object{}, err) }
				}
				return objects
			},
		}
	}
	return breaks(from), breaks(to)
}

// TestSyncCut cuts Sync at any operation, several times, and lets it end: the
// destination is then as the source, and in between it never listed a set that
// is not whole.
func TestSyncCut(t *testing.T) {
	for seed := range rounds(60, 3000) {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { syncCut(t, rand.New(rand.NewPCG(uint64(seed), 3))) })
		})
	}
}

func syncCut(t *testing.T, random *rand.Rand) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	opts := &manifest.SyncOptions{
		Jobs: 1 + random.IntN(5), ByMonth: random.IntN(2) == 0, Checksum: random.IntN(2) == 0, Delete: random.IntN(2) == 0,
	}
	w := newWorld(t, random, from, to, opts.Checksum)
	before := content(t, to)
	source := content(t, from)
	seen := watch(t, to)
	for range 1 + random.IntN(3) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		brokenFrom, brokenTo := cut(random, int64(random.IntN(250)), from, seen, cancel)
		res, err := manifest.Sync(ctx, brokenFrom, brokenTo, opts)
		if res == nil && err == nil || err != nil && strings.Contains(err.Error(), "%!") {
			t.Fatalf("result %v, error %v", res, err)
		}
		cancel()
	}
	res, err := manifest.Sync(t.Context(), from, seen, opts)
	var failed *manifest.SyncError
	if (len(w.bad) > 0) != errors.As(err, &failed) || res.Count(manifest.SyncFailed) != len(w.bad) {
		t.Fatalf("%d sets are damaged, got %v\n%v", len(w.bad), err, res)
	}

	want := slices.Clone(w.good)
	for _, s := range w.alone {
		_, here := before[s.Start.Format("2006/01/")+s.ID+"/"+manifest.Name]
		path := s.ID
		if here {
			path = s.Start.Format("2006/01/") + s.ID
		}
		if listed, _ := whole(t.Context(), to, path); listed || !opts.Delete {
			want = append(want, s)
		}
	}
	sameSets(t, to, want)
	for _, name := range []string{"readme.txt", "full/old/dump.sql"} {
		if got := string(get(t, to, name)); got != before[name] {
			t.Errorf("%s is now %q", name, got)
		}
	}
	if now := content(t, from); fmt.Sprint(now) != fmt.Sprint(source) {
		t.Error("the source was changed")
	}

	unchanged := &remotetest.Faulty{RemoteSink: to,
		OnPut: func(_ context.Context, name string, _ io.Reader) (io.Reader, error) {
			if s := folder(name); !slices.ContainsFunc(w.bad, func(b *made) bool { return strings.HasSuffix(s, b.ID) }) {
				t.Errorf("%s is stored again", name)
			}
			return nil, io.ErrClosedPipe
		},
		OnDelete: func(_ context.Context, name string) error {
			t.Errorf("%s is deleted", name)
			return nil
		},
	}
	again, _ := manifest.Sync(t.Context(), from, unchanged, opts)
	if again.Count(manifest.SyncSame) != len(w.good) {
		t.Errorf("of %d sets:\n%v", len(w.good), again)
	}
}
