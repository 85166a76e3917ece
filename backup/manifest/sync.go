package manifest

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/assist-move-assist/pgcofre/remote"
)

// SyncOptions changes what [Sync] does. The zero value, and nil, work.
type SyncOptions struct {
	// Jobs is how many objects are copied, compared or deleted at a time.
	// Default: 4.
	Jobs int

	// DryRun changes nothing: the result says what would be done.
	DryRun bool

	// Delete removes from the destination the sets that the source no longer
	// has. What is too dear for that is kept, and the result says why.
	Delete bool

	// ByMonth places sets that are new at the destination below the year and
	// month of their start, in UTC: "2025/08/full/20250808T020000Z-k7f3/".
	// Those that are there stay where they are.
	ByMonth bool

	// Checksum reads every object of the sets that the destination has already,
	// and compares the hashes. Default: manifests are compared byte for byte,
	// and of the objects that they are there and how large they are.
	Checksum bool

	// Trust are the public keys of those who may seal a set. If there are any,
	// a set without the seal of one of them is not copied, and counts as
	// damaged at the destination. Default: seals are copied but not checked.
	Trust []ed25519.PublicKey

	// Progress is called while Sync runs, at most ten times a second and when a
	// phase begins or ends, from one goroutine at a time. It must not block.
	Progress func(SyncProgress)

	// Logger receives what an operator wants to know. nil discards.
	Logger *slog.Logger
}

// Sync brings the sets of one sink to another that lacks them, or holds them
// incomplete or altered. It may be killed at any time and run again: what
// arrived before is read and compared, not copied again.
//
// A set at the destination is as the source has it, or it is not listed: the
// manifest is put last, after the seal if there is one, and where a set is
// repaired the old manifest is deleted first. Every object is compared with
// the size and hash in its manifest on the way, and read back from a store that
// does not prove what it holds. A set that turns out to be damaged at the
// source fails and is not listed at the destination; all others are copied.
//
// What a set needs, its parents and the sets it refers to, is committed before
// it. If that failed for a reason that may pass, the set's objects are copied
// but its manifest waits for the next run, as otherwise the newest set of the
// destination would be one that cannot be restored. A set is copied all the
// same if what it needs is not at the source or damaged there: no later run
// would bring that.
//
// Folders without a manifest, and what does not belong to a set, are not
// copied, and never deleted. Nor are holds and proofs copied: they are about the
// sink where they lie. Backups may be written to both sinks meanwhile; a
// retention of the destination should not run at the same time.
//
// An object that could not be copied is tried again a few times, with pauses.
// The error is nil if the destination has all that the source has. If some
// sets failed it is a [*SyncError], returned with the result, and wraps the
// context's error where that is why. Without a result nothing was done, as one
// of the sinks could not be listed.
func Sync(ctx context.Context, from, to remote.RemoteSink, opts *SyncOptions) (*SyncResult, error) {
	s := &syncer{from: from, to: to}
	if opts != nil {
		s.SyncOptions = *opts
	}
	switch {
	case s.Jobs < 0:
		return nil, errors.New("sync: SyncOptions.Jobs is negative")
	case s.Jobs == 0:
		s.Jobs = 4
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	s.slots = make(chan struct{}, s.Jobs)
	s.meter.call = s.Progress

	if err := s.scan(ctx); err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	s.meter.phase("comparing", s.compared())
	inParallel(s.Jobs, len(s.sets), func(i int) { s.compare(ctx, s.sets[i]) })
	if !s.DryRun {
		s.meter.phase("copying", s.uncopied())
		inParallel(s.Jobs, len(s.sets), func(i int) { s.carry(ctx, s.sets[i]) })
	}
	result := s.result()
	if s.Delete {
		s.meter.phase("deleting", amount{})
		result.Sets = append(result.Sets, s.clean(ctx)...)
	}
	s.meter.phase("done", amount{})
	return result, result.err()
}

// syncer is one run of Sync.
type syncer struct {
	SyncOptions
	from, to remote.RemoteSink

	source, dest *Inventory // what both held at the start
	sets         []*syncSet // of the source, each behind what it needs

	slots chan struct{} // as many as operations may be under way
	meter syncMeter
}

// syncSet is a set of the source and what becomes of it.
type syncSet struct {
	*Manifest            // as the source has it
	needs     []*syncSet // those of its parents and references that come before it

	prior   *Manifest     // as the destination had it, nil if it had none to use
	at      place         // where it lies in the destination, or will
	listed  bool          // a manifest lies there that must go first
	pending []syncObject  // what is to be copied, or compared
	outcome SyncedSet     // what was or is to be done
	ended   chan struct{} // closed once nothing more will be done
	copied  struct {
		sync.Mutex
		amount
	}
}

type syncObject struct {
	Object
	there bool // in this size, with bytes that nobody has looked at
}

// amount counts objects and their bytes.
type amount struct {
	objects int
	bytes   int64
}

func (a *amount) add(objects int, bytes int64) { a.objects, a.bytes = a.objects+objects, a.bytes+bytes }

// scan reads both sinks and looks up every set of the source in the
// destination.
func (s *syncer) scan(ctx context.Context) (err error) {
	s.meter.phase("scanning", amount{})
	opts := &ScanOptions{Trust: s.Trust}
	if s.source, err = Scan(ctx, s.from, opts); err != nil {
		return fmt.Errorf("the source: %w", err)
	}
	if s.dest, err = Scan(ctx, s.to, opts); err != nil {
		return fmt.Errorf("the destination: %w", err)
	}
	there := map[string]*Manifest{}
	for _, m := range s.dest.Sets {
		there[m.ID] = m
	}
	earlier := map[string]*syncSet{}
	for _, m := range inOrder(s.source.Sets) {
		set := &syncSet{Manifest: m, prior: there[m.ID], ended: make(chan struct{})}
		set.outcome = SyncedSet{ID: m.ID, Source: m.Source, Action: SyncCopied}
		for _, id := range m.needs() {
			if n := earlier[id]; n != nil {
				set.needs = append(set.needs, n)
			}
		}
		s.locate(set)
		s.sets = append(s.sets, set)
		earlier[m.ID] = set
	}
	return nil
}

// locate decides where a set lies in the destination, or will.
func (s *syncer) locate(set *syncSet) {
	set.at = place{"", set.ID}
	if s.ByMonth {
		set.at.prefix = set.Start.UTC().Format("2006/01/")
	}
	if set.prior != nil {
		set.at.prefix, set.listed = set.prior.prefix, true
		return
	}
	for _, d := range s.dest.Damaged {
		if d.ID != set.ID {
			continue
		}
		set.at.prefix, set.listed = d.Prefix, true
		set.outcome.Action, set.outcome.Reason = SyncRepaired, d.Err.Error()
		var damage *DamageError
		var seal *SealError
		if !errors.As(d.Err, &damage) && !errors.As(d.Err, &seal) {
			// It may be whole, and must not go for an error that may pass.
			set.outcome.fail(fmt.Errorf("the destination has a manifest that cannot be read, and that stays: %w", d.Err))
		}
		return
	}
	for _, stray := range s.dest.Strays {
		if stray.ID == set.ID {
			set.at.prefix, set.outcome.Reason = stray.Prefix, "begun before"
			return
		}
	}
}

// all calls f for 0 to n-1, each in a slot, until one fails, and returns the
// first error.
func (s *syncer) all(ctx context.Context, n int, f func(i int) error) error {
	var first error
	var once sync.Once
	var failed atomic.Bool
	fail := func(err error) {
		if err != nil {
			once.Do(func() { first = err })
			failed.Store(true)
		}
	}
	var running sync.WaitGroup
	for i := 0; i < n && !failed.Load(); i++ {
		if err := s.enter(ctx); err != nil {
			fail(err)
			break
		}
		running.Go(func() {
			defer s.leave()
			fail(f(i))
		})
	}
	running.Wait()
	return first
}

// one is all for a single call.
func (s *syncer) one(ctx context.Context, f func() error) error {
	return s.all(ctx, 1, func(int) error { return f() })
}

// enter takes a slot, which leave gives back.
func (s *syncer) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *syncer) leave() { <-s.slots }

// needs lists the sets without which this one cannot be restored.
func (m *Manifest) needs() (ids []string) {
	for _, p := range m.Parents {
		ids = append(ids, p.ID)
	}
	for _, r := range m.Refs {
		ids = append(ids, r.Set)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// inOrder returns sets so that each comes behind those that it needs, and
// otherwise as they were.
func inOrder(sets []*Manifest) []*Manifest {
	waiting := map[string]*Manifest{}
	for _, m := range sets {
		waiting[m.ID] = m
	}
	var out []*Manifest
	var visit func(m *Manifest)
	visit = func(m *Manifest) {
		if m == nil {
			return
		}
		delete(waiting, m.ID) // first, as references could go in a circle
		for _, id := range m.needs() {
			visit(waiting[id])
		}
		out = append(out, m)
	}
	for _, m := range sets {
		visit(waiting[m.ID])
	}
	return out
}
