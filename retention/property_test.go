package retention_test

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
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

// TestPlanProperties: whatever the inventory and the policy, a plan keeps what
// it must.
func TestPlanProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(20250808, 4))
	gone, goneRuns := 0, 0
	for range rounds(400, 20000) {
		w := newWorld(t, random)
		inv, policy := scan(t, w.sink), w.policy()
		plan := policy.Plan(inv, w.now)
		kept := map[string]bool{}
		for _, m := range plan.Kept() {
			kept[m.ID] = true
		}
		gone += len(inv.Sets) - len(kept)
		for _, m := range inv.Sets {
			for _, id := range needed(m) {
				if kept[m.ID] && !kept[id] && !w.missing[id] {
					t.Errorf("%s stays, and %s goes, which it needs", m.ID, id)
				}
			}
			if inv.Held(m) != nil && !kept[m.ID] {
				t.Errorf("%s is held and goes", m.ID)
			}
		}
		for _, source := range inv.Sources() {
			of := inv.Source(source)
			for _, last := range []*manifest.Manifest{of.Latest(), of.Latest(manifest.Full), of.Latest(manifest.Storage), of.Latest(manifest.Configs)} {
				if last != nil && !kept[last.ID] {
					t.Errorf("%s goes, the last good one of %s", last.ID, source)
				}
			}
			verified, stay := 0, 0
			for _, m := range of.Sets {
				if m.Kind == manifest.Full && m.Scope == manifest.Whole && m.Purpose != manifest.Safety && inv.Verified(m) {
					verified++
					if kept[m.ID] {
						stay++
					}
				}
			}
			if stay < min(verified, policy.MinVerified) {
				t.Errorf("of %s stay %d of %d verified full sets, and %d should", source, stay, verified, policy.MinVerified)
			}
		}
		for _, d := range plan.Decisions {
			if len(d.Reasons) == 0 {
				t.Errorf("nothing says why: %v", d)
			}
			if d.Delete && (d.Subject == retention.Damaged || d.Subject == retention.Record || d.Subject == retention.Stray && w.missing[d.ID] && needs(plan.Kept(), d.ID)) {
				t.Errorf("deleted is %v", d)
			}
		}
		runsGone := len(oldRuns(inv, policy, w.now))
		goneRuns += runsGone
		for _, d := range plan.Decisions {
			want := runsGone
			if !d.Delete {
				want = len(inv.Runs) - runsGone
			}
			if d.Subject == retention.Runs && d.Count != want {
				t.Errorf("%v, want %d", d, want)
			}
		}
		if t.Failed() {
			t.Fatalf("%v\n%+v\n%v", w, policy, plan)
		}
	}
	if goneRuns == 0 {
		t.Error("no record of a run was to be deleted")
	}
	if gone == 0 {
		t.Error("nothing was to be deleted")
	}
	t.Logf("%d sets were to be deleted", gone)
}

// oldRuns are the IDs of runs older than the policy has it, of which each has a
// newer one of the same source and outcome.
func oldRuns(inv *manifest.Inventory, policy retention.RetentionPolicy, now time.Time) map[string]bool {
	old := map[string]bool{}
	for i, r := range inv.Runs {
		replaced := slices.ContainsFunc(inv.Runs[i+1:], func(n *manifest.Run) bool { return n.Source == r.Source && n.Outcome == r.Outcome })
		if policy.Runs > 0 && now.Sub(r.Start) > policy.Runs && replaced {
			old[r.ID] = true
		}
	}
	return old
}

func needs(sets []*manifest.Manifest, id string) bool {
	return slices.ContainsFunc(sets, func(m *manifest.Manifest) bool { return slices.Contains(needed(m), id) })
}

// content is everything in a sink.
func content(t testing.TB, sink remote.RemoteSink) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range names(t, sink) {
		b, err := get(t.Context(), sink, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(b)
	}
	return all
}

// TestApplyProperties: nothing goes but what the plan said, and a second run
// finds nothing to do.
func TestApplyProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(20250808, 5))
	for range rounds(150, 5000) {
		w := newWorld(t, random)
		policy := w.policy()
		inv := scan(t, w.sink)
		plan := policy.Plan(inv, w.now)
		before := content(t, w.sink)
		res, err := retention.Apply(t.Context(), w.sink, plan, nil)
		if err != nil {
			t.Fatal(err)
		}
		after := content(t, w.sink)
		may := oldRuns(inv, policy, w.now) // IDs of runs, and folders and records that may be gone
		for _, o := range res.Outcomes {
			may[o.Path] = o.Action == retention.Deleted
			may[o.Path+".sig"] = o.Action == retention.Deleted
		}
		for name, b := range before {
			path := name
			if f := folder(name); f != "" {
				path = f + "/"
			}
			if id, _, ok := manifest.RunID(strings.TrimSuffix(name, ".sig")); ok {
				path = id
			}
			switch now, there := after[name]; {
			case may[path] && there:
				t.Errorf("%s was to go, and is there", name)
			case !may[path] && now != b:
				t.Errorf("%s is gone or altered", name)
			}
		}
		for name := range after {
			if _, there := before[name]; !there {
				t.Errorf("%s is new", name)
			}
		}
		for _, name := range w.alien {
			if after[name] != "not ours" {
				t.Errorf("%s is not ours, and gone", name)
			}
		}
		if err := checkWhole(t.Context(), w.sink, w.missing); err != nil {
			t.Error(err)
		}
		for range 2 {
			if _, err := retention.Apply(t.Context(), w.sink, plan, nil); err != nil {
				t.Error(err)
			}
			if _, err := retention.Clean(t.Context(), w.sink, policy, w.now, nil); errors.As(err, new(*retention.ApplyError)) {
				t.Error(err)
			}
			if !maps.Equal(content(t, w.sink), after) {
				t.Error("another run changes something")
			}
		}
		if t.Failed() {
			t.Fatalf("%v\n%+v\n%v\n%v", w, policy, plan, res)
		}
	}
}

// TestApplyCut ends Apply at every one of its requests. What is then listed is
// whole, the next plan keeps the same sets, and its end is the same.
func TestApplyCut(t *testing.T) {
	random := rand.New(rand.NewPCG(20250808, 6))
	cuts := 0
	for range rounds(12, 500) {
		w := newWorld(t, random)
		policy := w.policy()
		plan := policy.Plan(scan(t, w.sink), w.now)
		end := w.copy(t)
		if _, err := retention.Apply(t.Context(), end, plan, nil); err != nil {
			t.Fatal(err)
		}
		want := content(t, end)
		for cut, done := int64(0), false; !done; cut++ {
			sink := w.copy(t)
			ctx, cancel := context.WithCancel(t.Context())
			var n atomic.Int64
			dead := errors.New("the process is dead")
			f := &remotetest.Faulty{RemoteSink: sink, OnDelete: func(context.Context, string) error {
				if n.Add(1) > cut {
					cancel()
					return dead
				}
				return nil
			}}
			_, err := retention.Apply(ctx, f, plan, &retention.Options{Jobs: 1 + random.IntN(3)})
			done = err == nil
			cancel()
			cuts++
			if err := checkWhole(t.Context(), sink, w.missing); err != nil {
				t.Errorf("after %d deletions: %v", cut, err)
			}
			next := policy.Plan(scan(t, sink), w.now)
			if got, want := paths(next), paths(plan); got != want {
				t.Errorf("after %d deletions kept are\n%s, want\n%s", cut, got, want)
			}
			if _, err := retention.Apply(t.Context(), sink, next, nil); err != nil {
				t.Error(err)
			}
			got := content(t, sink)
			delete(got, "state/clock") // what a run leaves that dies just there, the next replaces
			if !maps.Equal(got, want) {
				t.Errorf("after %d deletions it ends with\n%q, want\n%q", cut, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
			}
			if t.Failed() {
				t.Fatalf("%v\n%+v\n%v", w, policy, plan)
			}
		}
	}
	t.Logf("%d cuts", cuts)
}

// paths lists where the sets lie that a plan keeps.
func paths(p *retention.Plan) string {
	var list []string
	for _, m := range p.Kept() {
		list = append(list, m.Path(""))
	}
	return strings.Join(list, "\n")
}

// folder is the path of the set that an object belongs to, or "".
func folder(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		if i > 0 && manifest.CheckID(strings.Join(parts[i-1:i+1], "/")) == nil && parts[0] != "state" {
			return strings.Join(parts[:i+1], "/")
		}
	}
	return ""
}
