package retention_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/retention"
)

// lastOnly keeps the last full set and what was started within a day.
var lastOnly = retention.RetentionPolicy{Full: retention.Rule{Last: 1}, Incremental: retention.Rule{Within: day}}

// chained is a sink with a chain of three that goes on day 40, and a full set
// that stays.
type chained struct {
	*remotetest.Mem
	f0, i1, i2, f7 *made
}

func newChained(t testing.TB) *chained {
	c := &chained{Mem: remotetest.NewMem()}
	c.Now = func() time.Time { return on(8) }
	c.f0 = makeSet(t, manifest.Full, "app", on(0)).store(t, c, "")
	c.i1 = makeSet(t, manifest.Incremental, "app", on(1), child(c.f0)).store(t, c, "2025/01/")
	c.i2 = makeSet(t, manifest.Incremental, "app", on(2), child(c.i1)).store(t, c, "")
	c.f7 = makeSet(t, manifest.Full, "app", on(7)).store(t, c, "")
	c.Now = func() time.Time { return on(40) }
	return c
}

func listed(t testing.TB, sink remote.RemoteSink) string { return short(scan(t, sink).Sets) }

func TestClean(t *testing.T) {
	c := newChained(t)
	var log bytes.Buffer
	var progress []retention.Progress
	res, err := retention.Clean(t.Context(), c, lastOnly, on(40), &retention.Options{
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Progress: func(p retention.Progress) { progress = append(progress, p) },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"full/20250113T020000Z-app0/1.dat", "full/20250113T020000Z-app0/manifest.json", "full/20250113T020000Z-app0/toc.dat"}
	if got := names(t, c); !slices.Equal(got, want) {
		t.Errorf("left are %q", got)
	}
	if !strings.HasSuffix(res.String(), "1 sets kept; deleted: 3 sets, 0 leftovers, 0 proofs (131 bytes), 0 records of runs, and 0 unseen") {
		t.Errorf("the result is\n%v", res)
	}
	if len(progress) != 3 || progress[2].Done != 3 || progress[2].Total != 3 {
		t.Errorf("progress is %v", progress)
	}
	if strings.Count(log.String(), "msg=deleted") != 3 {
		t.Errorf("the log is\n%s", &log)
	}
}

func TestCleanDryRun(t *testing.T) {
	c := newChained(t)
	before := content(t, c)
	res, err := retention.Clean(t.Context(), c, lastOnly, on(40), &retention.Options{DryRun: true})
	if err != nil || !strings.HasSuffix(res.String(), "dry run, nothing was changed") || !strings.Contains(res.String(), "to delete: 3 sets") {
		t.Errorf("the result is %v, %v", res, err)
	}
	if got := content(t, c); len(got) != len(before) {
		t.Error("something changed")
	}
}

// TestCleanRefused: what is refused for one source is an error, and does not
// keep the others from being cleaned.
func TestCleanRefused(t *testing.T) {
	c := newChained(t)
	makeSet(t, manifest.Full, "blog", on(1)).store(t, c, "")
	makeSet(t, manifest.Full, "blog", on(2)).store(t, c, "")
	p := retention.RetentionPolicy{Full: retention.Rule{Within: 34 * day}, Incremental: retention.Rule{Within: day}}
	_, err := retention.Clean(t.Context(), c, p, on(40), nil)
	var refused *retention.RefusedError
	if !errors.As(err, &refused) || len(refused.Refusals) != 1 || refused.Refusals[0].Source != "blog" ||
		!strings.Contains(err.Error(), `database of "blog": the rules keep none of its 2 good sets`) {
		t.Errorf("the error is %v", err)
	}
	if got, want := listed(t, c), "full/0107 full/0108 full/0113"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

// TestApplyOrder: no set goes before those that need it, and of each the
// manifest goes first.
func TestApplyOrder(t *testing.T) {
	c := newChained(t)
	put(t, c, c.i1.ID+"/"+manifest.SealName, nil) // not where the set is
	var order []string
	f := &remotetest.Faulty{RemoteSink: c, OnDelete: func(_ context.Context, name string) error {
		order = append(order, name)
		return nil
	}}
	if _, err := retention.Clean(t.Context(), f, lastOnly, on(40), &retention.Options{Jobs: 1}); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, set := range []string{c.i2.ID, "2025/01/" + c.i1.ID, c.f0.ID} {
		for _, name := range []string{"manifest.json", "manifest.sig", "1.dat", "toc.dat"} {
			want = append(want, set+"/"+name)
		}
	}
	if i := slices.Index(order, "state/clock"); i >= 0 {
		order = order[:i]
	}
	if !slices.Equal(order, want) {
		t.Errorf("deleted are\n%s, want\n%s", strings.Join(order, "\n"), strings.Join(want, "\n"))
	}
}

// TestApplyObstacles: what happens between plan and deletion, or during it.
func TestApplyObstacles(t *testing.T) {
	broken := errors.New("the cable is cut")
	for _, tc := range []struct {
		name    string
		happens func(c *chained)
		delete  func(c *chained, name string) error
		left    string
		says    string
		fails   bool
	}{
		{"held meanwhile", func(c *chained) {
			if err := (manifest.Hold{Set: c.i1.ID, Reason: "audit", Since: on(40)}).Put(t.Context(), c, nil); err != nil {
				t.Fatal(err)
			}
		}, nil, "full/0106 incremental/0107 full/0113", "held meanwhile: audit", false},
		{"another manifest", func(c *chained) {
			makeSet(t, manifest.Incremental, "app", on(2), child(c.i1), suspect).store(t, c, "")
		}, nil, "full/0106 incremental/0107 incremental/0108 full/0113", "its manifest is another", false},
		{"gone", func(c *chained) {
			if err := c.Delete(t.Context(), c.i2.ID+"/"+manifest.Name); err != nil {
				t.Fatal(err)
			}
		}, nil, "full/0106 incremental/0107 full/0113", "its manifest is gone", false},
		{"something in its folder", func(c *chained) { put(t, c, c.f0.ID+"/notes.txt", nil) }, nil,
			"full/0106 full/0113", "move full/20250106T020000Z-app0/notes.txt away", false},
		{"locked", nil, func(c *chained, name string) error {
			if strings.HasPrefix(name, c.i2.ID) {
				return &remote.Error{Op: "delete", Name: name, Err: fs.ErrPermission}
			}
			return nil
		}, "full/0106 incremental/0107 incremental/0108 full/0113", "locked  set incremental/20250108T020000Z-app0", false},
		{"objects locked", nil, func(c *chained, name string) error {
			if name == c.i2.Path("toc.dat") {
				return fs.ErrPermission
			}
			return nil
		}, "full/0113", "locked  set incremental/20250108T020000Z-app0", false},
		{"an error", nil, func(c *chained, name string) error {
			if strings.Contains(name, "0107T020000Z-app0/manifest.json") {
				return broken
			}
			return nil
		}, "full/0106 incremental/0107 full/0113", "failed  set 2025/01/incremental/20250107T020000Z-app0: the cable is cut", true},
		{"an error later", nil, func(c *chained, name string) error {
			if strings.HasSuffix(name, "0107T020000Z-app0/toc.dat") {
				return broken
			}
			return nil
		}, "full/0113", "failed  set 2025/01/incremental/20250107T020000Z-app0: the cable is cut", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newChained(t)
			plan := lastOnly.Plan(scan(t, c), on(40))
			if tc.happens != nil {
				tc.happens(c)
			}
			f := &remotetest.Faulty{RemoteSink: c, OnDelete: func(_ context.Context, name string) error {
				if tc.delete == nil {
					return nil
				}
				return tc.delete(c, name)
			}}
			res, err := retention.Apply(t.Context(), f, plan, nil)
			if tc.fails != errors.Is(err, broken) || !tc.fails && err != nil {
				t.Errorf("the error is %v", err)
			}
			if got := listed(t, c); got != tc.left {
				t.Errorf("left are %s, want %s", got, tc.left)
			}
			if !strings.Contains(res.String(), tc.says) {
				t.Errorf("nothing says %q:\n%v", tc.says, res)
			}
			if err := checkWhole(t.Context(), c, map[string]bool{c.i2.ID: true}); err != nil {
				t.Error(err)
			}
		})
	}
}

// undying is a store under a lock that says that it deletes, and does not.
type undying struct{ *remotetest.Mem }

func (undying) Delete(context.Context, string) error { return nil }

func TestApplyUndying(t *testing.T) {
	c := newChained(t)
	res, err := retention.Clean(t.Context(), undying{c.Mem}, lastOnly, on(40), nil)
	if err != nil || res.Count(retention.Set, retention.Locked) != 1 || res.Count(retention.Set, retention.Kept) != 2 {
		t.Errorf("it gives %v\n%v", err, res)
	}
	if got, want := listed(t, c), "full/0106 incremental/0107 incremental/0108 full/0113"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

// half is a store under a lock that lets go of manifests and of nothing else.
type half struct{ *remotetest.Mem }

func (h half) Delete(ctx context.Context, name string) error {
	if strings.HasSuffix(name, ".dat") {
		return nil
	}
	return h.Mem.Delete(ctx, name)
}

func TestApplyHalf(t *testing.T) {
	c := newChained(t)
	for _, subject := range []retention.Subject{retention.Set, retention.Stray} { // of the second run they are leftovers
		res, err := retention.Clean(t.Context(), half{c.Mem}, lastOnly, on(40), nil)
		if err != nil || res.Count(subject, retention.Locked) != 3 || len(res.Outcomes) != 3 {
			t.Errorf("it gives %v\n%v", err, res)
		}
		if got, want := listed(t, c), "full/0113"; got != want {
			t.Errorf("left are %s, want %s", got, want)
		}
	}
}

// TestApplyProofs: the tests that a set failed stay as long as it does, or it
// would be a good one again.
func TestApplyProofs(t *testing.T) {
	c := newChained(t)
	for at, ok := range map[int]bool{8: true, 9: false} {
		if err := tested(t, c.i2, on(at), ok).Put(t.Context(), c, nil); err != nil {
			t.Fatal(err)
		}
	}
	p := lastOnly
	p.Proofs = day
	put(t, c, c.i2.ID+"/notes.txt", nil)
	if _, err := retention.Clean(t.Context(), c, p, on(40), nil); err != nil {
		t.Fatal(err)
	}
	if n := len(scan(t, c).Proofs); n != 2 {
		t.Errorf("%d proofs are left, want 2", n)
	}
	if err := c.Delete(t.Context(), c.i2.ID+"/notes.txt"); err != nil {
		t.Fatal(err)
	}
	if _, err := retention.Clean(t.Context(), c, p, on(40), nil); err != nil {
		t.Fatal(err)
	}
	if left := names(t, c); len(left) != 3 {
		t.Errorf("left are %q", left)
	}
}

// TestApplyAltered: of a plan that was altered for the better, nothing is
// broken either.
func TestApplyAltered(t *testing.T) {
	c := newChained(t)
	plan := lastOnly.Plan(scan(t, c), on(40))
	for i, d := range plan.Decisions {
		if d.ID == c.i1.ID {
			plan.Decisions[i].Delete = false
		}
	}
	if _, err := retention.Apply(t.Context(), c, plan, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := listed(t, c), "full/0106 incremental/0107 full/0113"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
	foreign := &retention.Plan{Now: on(40), Decisions: []retention.Decision{{Subject: retention.Set, ID: c.f7.ID, Path: c.f7.Path(""), Delete: true}}}
	if _, err := retention.Apply(t.Context(), c, foreign, nil); err == nil || !strings.Contains(err.Error(), "only what RetentionPolicy.Plan returned") {
		t.Errorf("a plan of another's making gives %v", err)
	}
}

// TestStrays: what is left of a run goes once it was silent for the grace, by
// the sink's clock too, and if nothing came since.
func TestStrays(t *testing.T) {
	id := "full/20250106T020000Z-dead"
	p := retention.RetentionPolicy{Full: retention.Rule{Within: 30 * day}}
	for _, tc := range []struct {
		name    string
		grace   time.Duration
		silent  time.Duration
		store   time.Duration // how far the sink's clock is behind
		happens func(sink remote.RemoteSink)
		gone    bool
		says    string
	}{
		{"old", 0, 25 * time.Hour, 0, nil, true, "a run died, or a deletion"},
		{"young", 0, 23 * time.Hour, 0, nil, false, "a run may be writing it: it was silent for 23h0m"},
		{"a longer grace", 3 * day, 25 * time.Hour, 0, nil, false, "a leftover is for more than 3 days"},
		{"no grace", -1, 999 * day, 0, nil, false, "the policy keeps leftovers"},
		{"our clock is ahead", 0, 25 * time.Hour, 2 * time.Hour, nil, false, "too new by the sink's clock"},
		{"came to life", 0, 25 * time.Hour, 0, func(s remote.RemoteSink) { put(t, s, id+"/2.dat", nil) }, false, "2.dat is too new"},
		{"committed", 0, 25 * time.Hour, 0, func(s remote.RemoteSink) { put(t, s, id+"/manifest.json", nil) }, false, "it has a manifest by now"},
		{"held", 0, 25 * time.Hour, 0, nil, false, "held: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, clock := p, on(0)
			p.Grace = tc.grace
			mem := remotetest.NewMem()
			mem.Now = func() time.Time { return clock }
			put(t, mem, id+"/1.dat", []byte("half"))
			put(t, mem, id+"/toc.dat", []byte("half"))
			if tc.name == "held" {
				put(t, mem, "state/holds/"+id+".json", nil)
			}
			now := clock.Add(tc.silent)
			clock = now.Add(-tc.store)
			plan := p.Plan(scan(t, mem), now)
			if tc.happens != nil {
				tc.happens(mem)
			}
			res, err := retention.Apply(t.Context(), mem, plan, nil)
			if err != nil {
				t.Fatal(err)
			}
			left := strings.Join(names(t, mem), " ")
			if gone := !strings.Contains(left, id+"/1.dat"); gone != tc.gone {
				t.Errorf("left are %q", left)
			}
			if !strings.Contains(plan.String()+res.String(), tc.says) {
				t.Errorf("nothing says %q:\n%v\n%v", tc.says, plan, res)
			}
			if strings.Contains(left, "state/clock") {
				t.Error("state/clock is left")
			}
		})
	}
}

// TestStraysNeeded: what a set needs that stays does not go for want of a
// manifest.
func TestStraysNeeded(t *testing.T) {
	c := newChained(t)
	if err := c.Delete(t.Context(), c.f0.ID+"/"+manifest.Name); err != nil {
		t.Fatal(err)
	}
	p := retention.RetentionPolicy{Incremental: retention.Rule{Within: 90 * day}}
	if _, err := retention.Clean(t.Context(), c, p, on(40), nil); err != nil {
		t.Fatal(err)
	}
	if left := names(t, c); !slices.Contains(left, c.f0.ID+"/1.dat") {
		t.Errorf("left are %q", left)
	}
	if _, err := retention.Clean(t.Context(), c, retention.RetentionPolicy{}, on(40), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := retention.Clean(t.Context(), c, lastOnly, on(40), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := retention.Clean(t.Context(), c, lastOnly, on(40), nil); err != nil {
		t.Fatal(err)
	}
	if left := names(t, c); len(left) != 3 {
		t.Errorf("left are %q", left)
	}
}

// sweeping is a sink that says when it was swept.
type sweeping struct {
	*remotetest.Mem
	before []time.Time
}

func (s *sweeping) Sweep(_ context.Context, olderThan time.Time) (int, error) {
	s.before = append(s.before, olderThan)
	return 3, nil
}

func TestSweep(t *testing.T) {
	s := &sweeping{Mem: remotetest.NewMem()}
	s.Now = func() time.Time { return on(9) }
	for _, now := range []time.Time{on(10), on(8)} { // ours is ahead, and behind
		if res, err := retention.Clean(t.Context(), s, lastOnly, now, nil); err != nil || res.Swept != 3 {
			t.Errorf("it gives %v, %v", res, err)
		}
	}
	if want := []time.Time{on(8), on(7)}; !slices.EqualFunc(s.before, want, time.Time.Equal) {
		t.Errorf("swept is what is older than %v, want %v", s.before, want)
	}
	if _, err := retention.Clean(t.Context(), s, retention.RetentionPolicy{}, on(10), nil); err != nil || len(s.before) > 2 {
		t.Errorf("the zero policy sweeps: %v", err)
	}
}

// TestCleanTrust: what bears no trusted seal is neither deleted nor counted.
func TestCleanTrust(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	mem := remotetest.NewMem()
	for at := range 4 {
		s := makeSet(t, manifest.Full, "app", on(at))
		if at < 3 {
			sig, err := manifest.Sign(key, s.files[manifest.Name])
			if err != nil {
				t.Fatal(err)
			}
			s.files[manifest.SealName] = sig
		}
		s.store(t, mem, "")
		put(t, mem, "state/holds/"+s.ID+".json", []byte("a hold without a seal holds nothing"))
	}
	trust := []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}
	if _, err := retention.Clean(t.Context(), mem, lastOnly, on(40), &retention.Options{Trust: trust}); err != nil {
		t.Fatal(err)
	}
	if got, want := listed(t, mem), "full/0108 full/0109"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

// TestApplyCancelled: a run that is cancelled says so, and breaks nothing.
func TestApplyCancelled(t *testing.T) {
	c := newChained(t)
	plan := lastOnly.Plan(scan(t, c), on(40))
	stop := errors.New("the machine goes down")
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &remotetest.Faulty{RemoteSink: c, OnDelete: func(_ context.Context, name string) error {
		if name == c.i2.Path("1.dat") {
			cancel(stop)
		}
		return nil
	}}
	if _, err := retention.Apply(ctx, f, plan, &retention.Options{Jobs: 1}); !errors.Is(err, stop) {
		t.Errorf("the error is %v", err)
	}
	if got, want := listed(t, c), "full/0106 incremental/0107 full/0113"; got != want {
		t.Errorf("left are %s, want %s", got, want)
	}
}

func TestApplyJobs(t *testing.T) {
	c := newChained(t)
	for i := range 30 {
		makeSet(t, manifest.Full, "app", on(-i)).store(t, c, "")
	}
	var now, most atomic.Int64
	f := &remotetest.Faulty{RemoteSink: c, OnDelete: func(context.Context, string) error {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		time.Sleep(time.Millisecond) // long enough for others to come
		return nil
	}}
	if _, err := retention.Clean(t.Context(), f, lastOnly, on(40), &retention.Options{Jobs: 3}); err != nil {
		t.Fatal(err)
	}
	if most.Load() != 3 {
		t.Errorf("%d requests at a time, want 3", most.Load())
	}
	if _, err := retention.Clean(t.Context(), f, lastOnly, on(40), &retention.Options{Jobs: -1}); err == nil {
		t.Error("negative Jobs are accepted")
	}
}
