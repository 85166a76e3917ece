package manifest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// mustSync syncs, and all must be well.
func mustSync(t testing.TB, from, to remote.RemoteSink, opts *manifest.SyncOptions) *manifest.SyncResult {
	t.Helper()
	res, err := manifest.Sync(t.Context(), from, to, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// outcome finds what became of a set.
func outcome(t testing.TB, res *manifest.SyncResult, s *made) manifest.SyncedSet {
	t.Helper()
	for _, o := range res.Sets {
		if o.ID == s.ID {
			return o
		}
	}
	t.Fatalf("no word of %s in\n%v", s.ID, res)
	return manifest.SyncedSet{}
}

func storeAll(t testing.TB, sink remote.RemoteSink, sets ...*made) {
	t.Helper()
	for _, s := range sets {
		s.store(t, sink, "")
	}
}

func TestSync(t *testing.T) {
	eachSink(t, func(t *testing.T, to remote.RemoteSink) {
		from := remotetest.NewMem()
		full := makeFull(t, "app", 0, nil)
		next := makeSet(t, manifest.Incremental, "app", start.AddDate(0, 0, 1), map[string][]byte{"empty": nil}, child(full))
		bare := makeSet(t, manifest.Configs, "etc", start, map[string][]byte{}, nil)
		storeAll(t, from, full, next, bare)

		plan := mustSync(t, from, to, &manifest.SyncOptions{DryRun: true})
		if len(content(t, to)) > 0 || !plan.DryRun {
			t.Fatalf("a dry run left %v", content(t, to))
		}
		res := mustSync(t, from, to, nil)
		sameSets(t, to, []*made{full, next, bare})
		plan.DryRun = false
		if !reflect.DeepEqual(plan, res) {
			t.Errorf("planned\n%v\ndone\n%v", plan, res)
		}
		if objects, bytes := res.Copied(); objects != 3 || bytes != full.StoredSize() || res.Count(manifest.SyncCopied) != 3 {
			t.Errorf("result %v", res)
		}
		if res = mustSync(t, from, to, nil); res.Count(manifest.SyncSame) != 3 {
			t.Errorf("the second time: %v", res)
		}
	})
}

func TestSyncOptions(t *testing.T) {
	mem := remotetest.NewMem()
	if _, err := manifest.Sync(t.Context(), mem, mem, &manifest.SyncOptions{Jobs: -1}); err == nil {
		t.Error("-1 jobs pass")
	}
	lost := errors.New("connection lost")
	dead := &remotetest.Faulty{RemoteSink: mem, OnList: func(context.Context, string, iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
		return func(yield func(remote.Object, error) bool) { yield(remote.Object{}, lost) }
	}}
	for side, sinks := range map[string][2]remote.RemoteSink{"source": {dead, mem}, "destination": {mem, dead}} {
		if res, err := manifest.Sync(t.Context(), sinks[0], sinks[1], nil); res != nil || !errors.Is(err, lost) || !strings.Contains(err.Error(), "the "+side) {
			t.Errorf("dead %s: %v, %v", side, res, err)
		}
	}
}

// New sets go below their month; what is there or begun stays where it is.
func TestSyncByMonth(t *testing.T) {
	eachSink(t, func(t *testing.T, to remote.RemoteSink) {
		from := remotetest.NewMem()
		there, begun, damaged := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil), makeFull(t, "app", 2, nil)
		fresh := makeFull(t, "app", 24, func(m *manifest.Manifest) { m.Start = time.Date(2025, 8, 31, 22, 0, 0, 0, time.UTC) })
		fresh.files[manifest.Name] = bytes.Replace(fresh.files[manifest.Name], []byte("2025-08-31T22:00:00Z"), []byte("2025-09-01T01:00:00+03:00"), 1)
		storeAll(t, from, there, begun, damaged, fresh)
		there.store(t, to, "")
		put(t, to, begun.ID+"/1.dat", begun.files["1.dat"])
		damaged.store(t, to, "2020/01/")
		put(t, to, "2020/01/"+damaged.ID+"/"+manifest.Name, nil)

		mustSync(t, from, to, &manifest.SyncOptions{ByMonth: true})
		sameSets(t, to, []*made{there, begun, damaged, fresh})
		var prefixes []string
		for _, m := range scan(t, to).Sets {
			prefixes = append(prefixes, strings.TrimSuffix(m.Path(""), m.ID+"/"))
		}
		if want := []string{"", "", "2020/01/", "2025/08/"}; !slices.Equal(prefixes, want) {
			t.Errorf("they lie at %q, want %q", prefixes, want)
		}
		if res := mustSync(t, from, to, nil); res.Count(manifest.SyncSame) != 4 {
			t.Errorf("without ByMonth: %v", res)
		}
	})
}

// One bit shows to those only who read all. What was right is not copied.
func TestSyncChecksum(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	_, key := newKey(t)
	a, b := makeFull(t, "app", 0, nil).seal(t, key), makeFull(t, "app", 1, nil).seal(t, key)
	storeAll(t, from, a, b)
	storeAll(t, to, a, b)
	spoilt := slices.Clone(a.files["1.dat"])
	spoilt[3] ^= 1
	put(t, to, a.ID+"/1.dat", spoilt)
	put(t, to, b.ID+"/"+manifest.SealName, make([]byte, ed25519.SignatureSize))

	if res := mustSync(t, from, to, nil); res.Count(manifest.SyncSame) != 2 {
		t.Errorf("without Checksum: %v", res)
	}
	res := mustSync(t, from, watch(t, to), &manifest.SyncOptions{Checksum: true})
	sameSets(t, to, []*made{a, b})
	if objects, _ := res.Copied(); objects != 1 || res.Count(manifest.SyncRepaired) != 2 ||
		!strings.Contains(outcome(t, res, a).Reason, "1.dat") || !strings.Contains(outcome(t, res, b).Reason, manifest.SealName) {
		t.Errorf("with Checksum: %v", res)
	}

	// Where nothing but the seal is wrong the set stays listed.
	put(t, to, a.ID+"/"+manifest.SealName, []byte("short"))
	if err := to.Delete(t.Context(), b.ID+"/"+manifest.SealName); err != nil {
		t.Fatal(err)
	}
	mustSync(t, from, &remotetest.Faulty{RemoteSink: to, OnDelete: func(_ context.Context, name string) error {
		t.Errorf("%s is deleted", name)
		return nil
	}}, nil)
	sameSets(t, to, []*made{a, b})
}

// A source whose bytes are not those of its manifest costs that set alone.
func TestSyncDamagedSource(t *testing.T) {
	for name, spoil := range map[string]func(r io.Reader) io.Reader{
		"flipped":   func(r io.Reader) io.Reader { return remotetest.FlipBit(r, 4) },
		"short":     func(r io.Reader) io.Reader { return io.LimitReader(r, 4) },
		"long":      func(r io.Reader) io.Reader { return io.MultiReader(r, strings.NewReader("x")) },
		"very long": func(r io.Reader) io.Reader { return io.MultiReader(r, endless{}) },
		"gone":      nil,
	} {
		t.Run(name, func(t *testing.T) {
			mem, to := remotetest.NewMem(), remotetest.NewMem()
			bad, good := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil)
			heir := makeSet(t, manifest.Incremental, "app", start.AddDate(0, 0, 2), map[string][]byte{"a": []byte("a")}, child(bad))
			storeAll(t, mem, bad, good, heir)
			from := &remotetest.Faulty{RemoteSink: mem, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
				switch {
				case name != bad.ID+"/1.dat":
					return r, nil
				case spoil == nil:
					return nil, fs.ErrNotExist
				}
				return spoil(r), nil
			}}
			res, err := manifest.Sync(t.Context(), from, watch(t, to), nil)
			var failed *manifest.SyncError
			var damage *manifest.DamageError
			if !errors.As(err, &failed) || len(failed.Failed) != 1 || failed.Failed[0].ID != bad.ID ||
				!errors.As(err, &damage) || damage.Set != bad.ID || damage.Object != "1.dat" || !strings.Contains(err.Error(), "1 of 3 sets failed") {
				t.Errorf("%v\n%v", err, res)
			}
			// No later run would bring the parent.
			sameSets(t, to, []*made{good, heir})
			if _, err := remote.Stat(t.Context(), to, bad.ID+"/1.dat"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the damaged object: %v", err)
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// What is damaged at the source must not cost the destination what it has.
func TestSyncKeepsWhatItCannotReplace(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	have, want := makeFull(t, "app", 0, func(m *manifest.Manifest) { m.Producer = "old" }), makeFull(t, "app", 0, nil)
	have.store(t, to, "")
	want.store(t, from, "")
	if err := from.Delete(t.Context(), want.ID+"/1.dat"); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.Sync(t.Context(), from, to, nil); err == nil {
		t.Error("all is well")
	}
	sameSets(t, to, []*made{have})

	// So must a manifest that cannot be read just now.
	want.store(t, from, "")
	lost := errors.New("connection lost")
	unreadable := &remotetest.Faulty{RemoteSink: to, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		return nil, lost
	}}
	if res, err := manifest.Sync(t.Context(), from, unreadable, nil); !errors.Is(err, lost) || res.Count(manifest.SyncFailed) != 1 {
		t.Errorf("%v, %v", err, res)
	}
	sameSets(t, to, []*made{have})
}

// A set waits for what it needs if that failed for now. Its objects do not.
func TestSyncWaitsForParents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, mem := remotetest.NewMem(), remotetest.NewMem()
		full := makeFull(t, "app", 0, nil)
		first := makeSet(t, manifest.Incremental, "app", start.AddDate(0, 0, -1), map[string][]byte{"a": []byte("a")}, child(full)) // by a wrong clock
		second := makeSet(t, manifest.Incremental, "app", start.AddDate(0, 0, 2), map[string][]byte{"b": []byte("b")}, child(first))
		other := makeFull(t, "blog", 0, nil)
		orphan := makeSet(t, manifest.Incremental, "blog", start, map[string][]byte{"c": []byte("c")}, child(makeFull(t, "blog", -9, nil)))
		storeAll(t, from, full, first, second, other, orphan)
		broken := true
		to := &remotetest.Faulty{RemoteSink: mem, OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if broken && name == full.ID+"/toc.dat" {
				return nil, errors.New("connection lost")
			}
			return r, nil
		}}
		res, err := manifest.Sync(t.Context(), from, to, nil)
		if err == nil || res.Count(manifest.SyncFailed) != 3 || !strings.Contains(outcome(t, res, second).Reason, "waits for "+first.ID) {
			t.Errorf("%v, %v", err, res)
		}
		sameSets(t, mem, []*made{other, orphan})
		broken = false
		var order []string
		var mu sync.Mutex
		to.AfterPut = func(_ context.Context, name string, obj remote.Object, err error) (remote.Object, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, name)
			return obj, err
		}
		if objects, _ := mustSync(t, from, to, nil).Copied(); objects != 1 && objects != 2 {
			t.Errorf("%d objects were copied again", objects-1)
		}
		sameSets(t, mem, []*made{full, first, second, other, orphan})
		if got, want := order[len(order)-3:], []string{full.ID, first.ID, second.ID}; got[0] != want[0]+"/"+manifest.Name || got[1] != want[1]+"/"+manifest.Name || got[2] != want[2]+"/"+manifest.Name {
			t.Errorf("committed in the order %q", order)
		}
	})
}

// References may go in a circle.
func TestSyncCircle(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	a, b := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil)
	refer := func(to *made) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { m.Refs = []manifest.Ref{{Set: to.ID, Object: "toc.dat"}} }
	}
	a, b = makeFull(t, "app", 0, refer(b)), makeFull(t, "app", 1, refer(a))
	storeAll(t, from, a, b)
	storeAll(t, to, makeFull(t, "app", -1, refer(b)))
	mustSync(t, from, to, &manifest.SyncOptions{Jobs: 1, Delete: true})
	sameSets(t, to, []*made{a, b})
}

// Nothing but what is sealed is copied, and nothing else counts as there.
func TestSyncTrust(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	public, private := newKey(t)
	_, foreign := newKey(t)
	bare, forged := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil).seal(t, foreign)
	fresh, altered := makeFull(t, "app", 2, nil).seal(t, private), makeFull(t, "app", 3, nil).seal(t, private)
	storeAll(t, from, bare, forged, fresh, altered)
	makeSet(t, manifest.Full, "app", altered.Start, map[string][]byte{"1.dat": []byte("forged")}, nil).seal(t, foreign).store(t, to, "")
	opts := &manifest.SyncOptions{Trust: []ed25519.PublicKey{public}}

	unlisted := &remotetest.Faulty{RemoteSink: watch(t, to), OnList: withoutManifest(altered.ID)}
	res, err := manifest.Sync(t.Context(), from, unlisted, opts)
	var seal *manifest.SealError
	if !errors.As(err, &seal) || res.Count(manifest.SyncFailed) != 2 || outcome(t, res, altered).Action != manifest.SyncRepaired {
		t.Errorf("%v, %v", err, res)
	}
	sameSets(t, to, []*made{fresh, altered})

	// What is exchanged after it was checked is not committed.
	late := makeFull(t, "app", 4, nil).seal(t, private)
	for _, swapped := range []*made{
		makeFull(t, "app", 4, func(m *manifest.Manifest) { m.Producer = "forger" }), // below the right seal
		makeFull(t, "app", 4, nil).seal(t, foreign),
	} {
		late.store(t, from, "")
		swapping := &remotetest.Faulty{RemoteSink: from, OnList: func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
			if prefix == late.ID+"/" {
				swapped.store(t, from, "")
			}
			return objects
		}}
		if res, err := manifest.Sync(t.Context(), swapping, to, opts); err == nil || outcome(t, res, late).Err == nil {
			t.Errorf("%v, %v", err, res)
		}
		sameSets(t, to, []*made{fresh, altered})
	}

	// Without keys to trust, what cannot be a seal is damage all the same.
	put(t, from, late.ID+"/"+manifest.SealName, []byte("short"))
	var damage *manifest.DamageError
	if _, err := manifest.Sync(t.Context(), from, to, nil); !errors.As(err, &damage) || damage.Object != manifest.SealName {
		t.Error(err)
	}
}

// Sync ends when its context does, wherever it is, and leaves nobody behind:
// that the bubble ends shows it.
func TestSyncCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := remotetest.NewMem(), remotetest.NewMem()
		for day := range 20 {
			makeFull(t, "app", day, nil).store(t, from, "")
		}
		stuck := &remotetest.Faulty{RemoteSink: to, OnPut: func(ctx context.Context, name string, r io.Reader) (io.Reader, error) {
			return nil, remotetest.Hang(ctx)
		}}
		why := errors.New("the operator says so")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, why)
		defer cancel()
		begun := time.Now()
		res, err := manifest.Sync(ctx, from, stuck, &manifest.SyncOptions{Delete: true})
		if !errors.Is(err, why) || !errors.Is(err, context.DeadlineExceeded) || res.Count(manifest.SyncFailed) != 20 || time.Since(begun) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// No more operations are under way than there are jobs, and all of those.
func TestSyncJobs(t *testing.T) {
	for _, jobs := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var now, most atomic.Int32
			slow := func(sink remote.RemoteSink) *remotetest.Faulty {
				return &remotetest.Faulty{RemoteSink: sink, OnPut: func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
					most.Store(max(most.Load(), now.Add(1)))
					time.Sleep(time.Second)
					return r, nil
				}, AfterPut: func(_ context.Context, _ string, obj remote.Object, err error) (remote.Object, error) {
					now.Add(-1)
					return obj, err
				}}
			}
			from := remotetest.NewMem()
			for day := range 6 {
				makeFull(t, "app", day, nil).store(t, from, "")
			}
			mustSync(t, from, slow(remotetest.NewMem()), &manifest.SyncOptions{Jobs: jobs})
			if int(most.Load()) != jobs {
				t.Errorf("%d objects at a time with %d jobs", most.Load(), jobs)
			}
		})
	}
}

// What an earlier run copied is not copied again.
func TestSyncResumes(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	var want []*made
	for day := range 9 {
		want = append(want, makeFull(t, "app", day, nil))
	}
	storeAll(t, from, want...)
	ctx, cancel := context.WithCancel(t.Context())
	var puts atomic.Int32
	first, err := manifest.Sync(ctx, from, &remotetest.Faulty{RemoteSink: to, OnPut: func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
		if puts.Add(1) == 13 {
			cancel()
		}
		return r, nil
	}}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	second := mustSync(t, from, to, nil)
	a, _ := first.Copied()
	b, _ := second.Copied()
	// Those that were stored but not read back when the context was done are
	// compared, and copied by neither.
	if a == 0 || a+b > 18 || a+b < 18-4 {
		t.Errorf("%d objects were copied, then %d", a, b)
	}
	sameSets(t, to, want)
}

func TestSyncProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, mem := remotetest.NewMem(), remotetest.NewMem()
		a, b := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil)
		storeAll(t, from, a, b)
		a.store(t, mem, "")
		tries := 0
		to := &remotetest.Faulty{RemoteSink: mem, OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if tries++; tries == 1 {
				time.Sleep(time.Second) // so that the bytes of the failed try are reported
				return remotetest.FailAfter(r, 5, errors.New("lost")), nil
			}
			return iotest.OneByteReader(r), nil
		}}
		var last manifest.SyncProgress
		var ends []string
		busy := false
		mustSync(t, from, to, &manifest.SyncOptions{Jobs: 1, Checksum: true, Progress: func(p manifest.SyncProgress) {
			if busy {
				t.Error("called twice at a time")
			}
			busy = true
			defer func() { busy = false }()
			if p.Phase != last.Phase {
				ends = append(ends, fmt.Sprintf("%s %d/%d %d/%d", last.Phase, last.Objects, last.TotalObjects, last.Bytes, last.TotalBytes))
			} else if p.Bytes < last.Bytes || p.Objects < last.Objects {
				t.Errorf("%+v after %+v", p, last)
			}
			last = p
		}})
		n := a.StoredSize()
		want := []string{" 0/0 0/0", "scanning 0/0 0/0", fmt.Sprintf("comparing 2/2 %d/%d", n, n), fmt.Sprintf("copying 2/2 %d/%d", n, n)}
		if !slices.Equal(ends, want) || last.Phase != "done" {
			t.Errorf("phases ended with %q, want %q", ends, want)
		}
	})
}

// Objects pass through; they are never held in memory.
func TestSyncMemory(t *testing.T) {
	const size = 64 << 20
	from, to := remotetest.NewMem(), remotetest.NewMem()
	s := makeSet(t, manifest.Full, "app", start, map[string][]byte{"large": make([]byte, size)}, nil)
	s.store(t, from, "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustSync(t, from, sieve{to}, nil)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("allocated %d KiB for an object of %d", used>>10, size>>10)
	}
}

// sieve keeps nothing of an object but its size.
type sieve struct{ remote.RemoteSink }

func (s sieve) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	if !strings.HasSuffix(name, "large") {
		return s.RemoteSink.Put(ctx, name, r, opts)
	}
	n, err := io.Copy(io.Discard, r)
	return remote.Object{Name: name, Size: n, Checked: true}, err
}

func (s sieve) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return func(yield func(remote.Object, error) bool) {
		if strings.HasPrefix(prefix, "full/2025") {
			yield(remote.Object{Name: prefix + "large", Size: 64 << 20}, nil)
		}
	}
}
