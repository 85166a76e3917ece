package retention_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/retention"
)

// world is a random sink, with what is known of it.
type world struct {
	sink    *remotetest.Mem
	clock   time.Time // of the sink
	random  *rand.Rand
	sets    []*made // all that are listed
	now     time.Time
	alien   []string        // objects that are nobody's
	missing map[string]bool // IDs of sets that others need and that are not listed
}

func (w *world) chance(one int) bool { return w.random.IntN(one) == 0 }

// newWorld makes one with sets of three sources over about two months, chains
// and references, some of them broken, suspect, partial and safety sets,
// leftovers, damage, holds, proofs, records of runs, and objects that belong to
// nobody.
func newWorld(t testing.TB, random *rand.Rand) *world {
	t.Helper()
	w := &world{sink: remotetest.NewMem(), random: random, missing: map[string]bool{}}
	w.sink.Now = func() time.Time { return w.clock }
	kinds := []manifest.Kind{manifest.Full, manifest.Full, manifest.Incremental, manifest.Incremental, manifest.Incremental, manifest.Storage, manifest.Configs}
	at := start
	for range 10 + random.IntN(25) {
		at = at.Add(time.Duration(1+random.IntN(72*60)) * time.Minute)
		w.clock = at.Add(time.Minute)
		w.addSet(t, kinds[random.IntN(len(kinds))], []string{"app", "blog", "files"}[random.IntN(3)], at)
	}
	for i := range random.IntN(4) { // runs that died
		id := manifest.NewID(manifest.Full, start.Add(time.Duration(i*400)*time.Hour))
		w.clock = start.Add(time.Duration(random.IntN(int(at.Sub(start)))))
		put(t, w.sink, id+"/1.dat", []byte("half"))
	}
	for range random.IntN(40) {
		w.clock = start.Add(time.Duration(random.IntN(int(at.Sub(start)))))
		w.addRun(t, []string{"app", "blog"}[random.IntN(2)])
	}
	for _, name := range []string{"state/runs/notes.json", "state/runs/20250106T000000Z-aaaa.txt", "state/runs/old/20250106T000000Z-aaaa.json", "state/writable", "readme.txt", "full/old/dump.sql", "state/secret", "integrity_tests/notes.txt", "2025/summary.txt", "reports/x.pdf"} {
		put(t, w.sink, name, []byte("not ours"))
		w.alien = append(w.alien, name)
	}
	w.now = at.Add(time.Duration(random.IntN(60*24)) * time.Hour)
	w.clock = w.now
	return w
}

// addRun adds the record of a run that starts now: sealed or not, at work, or
// ended, or with what it had said until then.
func (w *world) addRun(t testing.TB, source string) {
	t.Helper()
	var sink remote.RemoteSink = w.sink
	if w.chance(3) {
		sink = &remotetest.Faulty{RemoteSink: sink, OnDelete: func(context.Context, string) error { return errors.New("locked") }}
	}
	var seal crypto.Signer
	if w.chance(2) {
		seal = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	}
	r, err := manifest.NewRun(source, w.clock)
	if err == nil {
		err = r.Put(t.Context(), sink, seal)
	}
	if outcomes := manifest.Outcomes(); err == nil && !w.chance(5) {
		r.Outcome, r.End = outcomes[1+w.random.IntN(len(outcomes)-1)], w.clock
		err = r.Put(t.Context(), sink, seal)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) addSet(t testing.TB, kind manifest.Kind, source string, at time.Time) {
	t.Helper()
	var earlier []*made
	for _, s := range w.sets {
		if s.Source == source && (s.Kind == kind || kind == manifest.Incremental && s.Kind == manifest.Full) {
			earlier = append(earlier, s)
		}
	}
	var change []func(*manifest.Manifest)
	switch {
	case kind == manifest.Incremental && len(earlier) == 0:
		kind = manifest.Full
	case kind == manifest.Incremental:
		change = append(change, child(earlier[max(0, len(earlier)-1-w.random.IntN(2))]))
	case kind == manifest.Storage && len(earlier) > 0 && w.chance(2):
		change = append(change, refers(earlier[w.random.IntN(len(earlier))]))
	}
	for one, what := range map[int]func(*manifest.Manifest){7: suspect, 8: part, 9: safety} {
		if w.chance(one) {
			change = append(change, what)
		}
	}
	s := makeSet(t, kind, source, at, change...)
	prefix := []string{"", "", at.Format("2006/01/")}[w.random.IntN(3)]
	switch w.random.IntN(16) {
	case 0: // spoilt
		s.files[manifest.Name] = []byte("{}")
		w.missing[s.ID] = true
	case 1: // newer than this program
		s.files[manifest.Name] = []byte(`{"format": 2}`)
		w.missing[s.ID] = true
	case 2: // lost its manifest
		delete(s.files, manifest.Name)
		put(t, w.sink, prefix+s.ID+"/1.dat", s.files["1.dat"])
		w.missing[s.ID] = true
		w.sets = append(w.sets, s) // others build on it
		return
	case 3: // with something in its folder
		name := prefix + s.ID + "/notes.txt"
		put(t, w.sink, name, []byte("not ours"))
		w.alien = append(w.alien, name)
	case 4:
		s.files[manifest.SealName] = make([]byte, 64)
	}
	s.store(t, w.sink, prefix)
	w.sets = append(w.sets, s)
	if w.chance(20) {
		put(t, w.sink, "state/holds/"+s.ID+".json", []byte("{")) // unreadable: it holds
	}
	for range w.random.IntN(3) {
		if err := tested(t, s, at.Add(time.Duration(1+w.random.IntN(30*24))*time.Hour), w.random.IntN(4) > 0).Put(t.Context(), w.sink, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// policy makes one up.
func (w *world) policy() retention.RetentionPolicy {
	some := func(most int) int { return max(0, w.random.IntN(2*most)-most) } // half of them zero
	age := func() time.Duration { return time.Duration(some(40*24)) * time.Hour }
	rule := func() retention.Rule {
		return retention.Rule{Within: age(), Last: some(5), Hourly: some(5), Daily: some(5), Weekly: some(4), Monthly: some(2), Yearly: some(2)}
	}
	return retention.RetentionPolicy{
		Full: rule(), Incremental: rule(), Storage: rule(), Configs: rule(),
		Safety: age(), Proofs: age(), Runs: age(), MinVerified: some(4), Force: w.chance(2),
	}
}

// copy makes another sink with the same objects as old.
func (w *world) copy(t testing.TB) *remotetest.Mem {
	t.Helper()
	out := remotetest.NewMem()
	var at time.Time
	out.Now = func() time.Time { return at }
	for obj, err := range w.sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := get(t.Context(), w.sink, obj.Name)
		if err != nil {
			t.Fatal(err)
		}
		at = obj.ModTime
		put(t, out, obj.Name, b)
	}
	at = w.now
	return out
}

// String shows what to look at when something is wrong.
func (w *world) String() string { return fmt.Sprintf("%d sets, now %s", len(w.sets), w.now) }
