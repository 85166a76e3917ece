package retention

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// Options changes how [Apply] and [Clean] work. The zero value, and nil, work.
type Options struct {
	// Jobs is how many requests the sink is sent at a time. Default: 4.
	Jobs int

	// DryRun has Clean end with the plan.
	DryRun bool

	// Trust are the public keys of those who may seal sets, holds and proofs;
	// see [manifest.ScanOptions]. Without a seal of theirs, sets are damaged
	// and stay, and holds and proofs do not count. Default: seals are not
	// looked at.
	Trust []ed25519.PublicKey

	// Cache is for the scan of Clean; see [manifest.ScanOptions].
	Cache string

	// Progress is called while something is deleted, from one goroutine at a
	// time. It must not block.
	Progress func(Progress)

	// Logger receives what an operator wants to know. nil discards.
	Logger *slog.Logger
}

// Progress is a snapshot of a run of [Apply].
type Progress struct {
	Path  string // of what was last dealt with
	Done  int    // sets, strays, proofs and the records of runs, which count as one, that were dealt with
	Total int
}

// Clean scans a sink, makes a plan of the policy, and applies it. The error is
// that of [Apply], joined with the [*RefusedError] of [Plan.Err], which keeps
// nothing else from being deleted. There is no result if the sink could not be
// scanned.
//
// It may run while backups are taken, while the sink is synced to others, and,
// without use, while another Clean runs. Nothing should be synced to the sink
// meanwhile: what is not complete yet can look like a leftover.
func Clean(ctx context.Context, sink remote.RemoteSink, policy RetentionPolicy, now time.Time, opts *Options) (*Result, error) {
	if opts == nil {
		opts = new(Options)
	}
	inv, err := manifest.Scan(ctx, sink, &manifest.ScanOptions{Trust: opts.Trust, RunsSince: time.Unix(0, 0), Cache: opts.Cache})
	if err != nil {
		return nil, fmt.Errorf("retention: %w", err)
	}
	plan := policy.Plan(inv, now)
	if opts.DryRun {
		return &Result{Plan: plan, DryRun: true}, plan.Err()
	}
	res, err := Apply(ctx, sink, plan, opts)
	return res, errors.Join(err, plan.Err())
}

// Apply deletes what a plan of [RetentionPolicy.Plan] says, from the sink that
// was scanned for it. It may be killed at any time and run again, with this
// plan or another.
//
// Of a set its manifest goes first, so that it is no set any more, then its
// seal, and then the objects that the manifest names. A set goes after all
// that need it, and stays if one of these does. It also stays if meanwhile it
// was held, or its manifest is not the one that was planned for, and if its
// folder holds what its manifest does not name: once the manifest is gone
// nobody could tell that from a leftover.
//
// Of a stray everything goes, if it is still silent; the age of strays is
// judged by the sink's clock as well, which is read off a small object
// "state/clock" that is put and deleted. Last, what no listing shows is swept;
// see [remote.Sweeper].
//
// What the store will not let go, or gives back after it was deleted, is
// reported as locked; that is no error. What else fails is tried again by the
// next run, not by this: the error is then an [*ApplyError], returned with the
// result, and wraps the context's error where that is why.
func Apply(ctx context.Context, sink remote.RemoteSink, plan *Plan, opts *Options) (*Result, error) {
	a := &applier{ctx: ctx, sink: sink, plan: plan, stay: map[string]bool{}}
	if opts != nil {
		a.Options = *opts
	}
	switch {
	case a.Jobs < 0:
		return nil, errors.New("retention: Options.Jobs is negative")
	case a.Jobs == 0:
		a.Jobs = 4
	}
	if a.Logger == nil {
		a.Logger = slog.New(slog.DiscardHandler)
	}
	a.slots = make(chan struct{}, a.Jobs)
	if err := a.collect(); err != nil {
		return nil, err
	}
	for _, wave := range a.waves() {
		a.each(wave, a.set)
	}
	now, err := a.storeClock()
	a.each(a.strays, func(o *Outcome) { a.stray(o, now, err) })
	a.each(a.proofs, a.proof)
	a.each(a.runs, a.deleteRuns)
	res := &Result{Plan: plan}
	if err == nil {
		res.Swept, err = a.sweep(now)
	}
	for _, o := range slices.Concat(a.sets, a.strays, a.proofs, a.runs) {
		res.Outcomes = append(res.Outcomes, *o)
	}
	return res, res.err(err)
}

// applier is one run of Apply.
type applier struct {
	Options
	ctx  context.Context
	sink remote.RemoteSink
	plan *Plan

	sets, strays, proofs, runs []*Outcome

	dependents map[string][]string // by ID, the sets that need it

	slots chan struct{} // as many as requests may be under way

	mu   sync.Mutex
	done int
	stay map[string]bool // by ID: is listed, and will be
}

// collect finds what is to be deleted.
func (a *applier) collect() error {
	a.dependents = map[string][]string{}
	for _, d := range a.plan.Decisions {
		o := &Outcome{Decision: d}
		if d.set != nil {
			a.stay[d.ID] = !d.Delete
			for _, id := range needs(d.set) {
				a.dependents[id] = append(a.dependents[id], d.ID)
			}
		}
		switch {
		case !d.Delete:
		case d.set != nil:
			a.sets = append(a.sets, o)
		case d.stray != nil:
			a.strays = append(a.strays, o)
		case d.proof != nil:
			a.proofs = append(a.proofs, o)
		case d.runs != nil:
			a.runs = append(a.runs, o)
		default:
			return fmt.Errorf("retention: nothing is known of %s %s: only what RetentionPolicy.Plan returned can be applied", d.Subject, d.ID)
		}
	}
	return nil
}

// waves splits the sets so that those of one wave are needed by none of it,
// nor of a later one.
func (a *applier) waves() (waves [][]*Outcome) {
	depth := map[string]int{}
	var measure func(id string) int
	measure = func(id string) int {
		if d, ok := depth[id]; ok {
			return d
		}
		depth[id] = 0 // as references could go in a circle
		most := 0
		for _, child := range a.dependents[id] {
			most = max(most, 1+measure(child))
		}
		depth[id] = most
		return most
	}
	for _, o := range a.sets {
		n := measure(o.ID)
		for len(waves) <= n {
			waves = append(waves, nil)
		}
		waves[n] = append(waves[n], o)
	}
	return waves
}

// each deals with several things at a time.
func (a *applier) each(list []*Outcome, deal func(*Outcome)) {
	var g errgroup.Group
	g.SetLimit(a.Jobs)
	for _, o := range list {
		g.Go(func() error {
			deal(o)
			a.report(o)
			return nil
		})
	}
	g.Wait()
}

// report tells what became of something.
func (a *applier) report(o *Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done++
	switch {
	case o.Action == Failed:
		a.Logger.Warn("could not delete", "what", o.Subject, "path", o.Path, "err", o.Err)
	case o.Action == Deleted:
		a.Logger.Info("deleted", "what", o.Subject, "path", o.Path, "reason", strings.Join(o.Reasons, "; "))
	default:
		a.Logger.Warn("not deleted", "what", o.Subject, "path", o.Path, "reason", o.Reason)
	}
	if o.listed {
		a.stay[o.ID] = true
	}
	if a.Progress != nil {
		a.Progress(Progress{o.Path, a.done, len(a.sets) + len(a.strays) + len(a.proofs) + len(a.runs)})
	}
}

// do sends the sink one request, once it may.
func (a *applier) do(request func() error) error {
	if a.ctx.Err() != nil {
		return context.Cause(a.ctx)
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		return request()
	case <-a.ctx.Done():
		return context.Cause(a.ctx)
	}
}

// clockName is the object that the sink's clock is read off.
const clockName = "state/clock"

// storeClock returns what the sink's clock says, or the plan's if that is
// behind: a machine whose clock is ahead must not delete what runs are writing.
func (a *applier) storeClock() (now time.Time, err error) {
	_, sweeper := a.sink.(remote.Sweeper)
	if a.plan.grace == 0 || len(a.strays) == 0 && !sweeper {
		return a.plan.Now, nil
	}
	err = a.do(func() error {
		obj, err := a.sink.Put(a.ctx, clockName, strings.NewReader("pgcofre\n"), nil)
		if err == nil {
			now = obj.ModTime
			err = a.sink.Delete(a.ctx, clockName)
		}
		return err
	})
	switch {
	case err != nil:
		return now, fmt.Errorf("reading the sink's clock off an object: %w", err)
	case now.IsZero():
		return now, errors.New("the sink does not tell the time of an object: set RetentionPolicy.Grace below 0 to leave leftovers alone")
	case a.plan.Now.Before(now):
		now = a.plan.Now
	}
	return now, nil
}

// sweep removes what no listing shows.
func (a *applier) sweep(now time.Time) (removed int, err error) {
	sweeper, ok := a.sink.(remote.Sweeper)
	if !ok || a.plan.grace == 0 {
		return 0, nil
	}
	err = a.do(func() (err error) {
		removed, err = sweeper.Sweep(a.ctx, now.Add(-a.plan.grace))
		return err
	})
	if err != nil {
		err = fmt.Errorf("sweeping: %w", err)
	}
	return removed, err
}
