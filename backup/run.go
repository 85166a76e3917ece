package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// cleanupTime bounds how long a failed run removes what it had put, and any run
// stores its record, and cleanupTimeAtEnd how long one does whose caller no
// longer waits for it.
const (
	cleanupTime      = time.Minute
	cleanupTimeAtEnd = 5 * time.Second
)

// cleanupJobs is how many objects are removed from a sink at a time.
const cleanupJobs = 4

// Run takes one backup of src into sink, and into those of Options.Copies.
//
// The set is committed, and visible, when the result is not nil: the error
// then is nil, a [*SuspectError], a [*CopiesError] or both. On any other error
// the run has removed what it put; what it could not remove has no manifest,
// and every reader passes over it. One case alone is open, and the error says
// so: the sink failed to store the manifest, or said that it did, and then to
// remove it. The set is then left whole, listed or not.
//
// The history of the source is what the first sink holds that can be read.
//
// Every sink gets a record of the run before anything else, which is how Run
// finds out that it may write there, and at the end, whatever that was, what
// came of it: see [manifest.Run]. It says what went wrong in words only if there
// are no Recipients, as these may name tables. Where it cannot be stored in the
// end, that is a warning.
//
// Cancelling ctx ends the run, its server backends included; what it put is
// then removed as far as that takes five seconds.
func Run(ctx context.Context, sink remote.RemoteSink, src Source, opts *Options) (*Result, error) {
	o, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	if sink == nil || src == nil || slices.Contains(o.Copies, nil) {
		return nil, errors.New("backup: Run needs a sink and a source, and one is nil")
	}
	name := src.SourceName()
	if name == "" {
		return nil, errors.New("backup: the source has no name")
	}
	record, err := manifest.NewRun(name, o.Now())
	if err != nil {
		return nil, fmt.Errorf("backup: %w", err)
	}
	w := &Writer{opts: o, source: name, runRecord: record, progress: newMeter(o.Progress, o.Now)}
	for i, s := range append([]remote.RemoteSink{sink}, o.Copies...) {
		w.sinks = append(w.sinks, newDestination(s, i))
	}
	for _, d := range w.sinks {
		d.ctx, d.cancel = context.WithCancelCause(ctx)
		defer d.cancel(nil)
	}
	defer w.watch()()
	m, err := run(ctx, w, src)
	if err != nil {
		return nil, w.abandon(ctx, err)
	}
	o.Logger.Info("backup committed", "set", m.ID, "source", m.Source, "objects", len(m.Objects), "sinks", len(w.whole()),
		"raw", m.RawSize(), "stored", m.StoredSize(), "took", m.End.Sub(m.Start))
	r, err := w.result(m)
	r.Warnings = append(r.Warnings, w.recordEnd(ctx, r, err)...)
	return r, err
}

// start finds out which sinks can be used, before a database is asked for
// anything, and reads what is there already.
func (w *Writer) start(ctx context.Context) error {
	if err := w.onEach(ctx, w.recordStart); err != nil {
		return err
	}
	for _, d := range w.whole() {
		all, err := manifest.Scan(ctx, d.sink, &manifest.ScanOptions{Trust: w.opts.Trust})
		if err == nil {
			w.history = all.Source(w.source)
			break
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.drop(d, fmt.Errorf("reading what the sink holds: %w", err))
	}
	if n := len(w.whole()); n < w.opts.MinCopies {
		return fmt.Errorf("backup: %d of %d sinks can be used, %d are wanted: %w", n, len(w.sinks), w.opts.MinCopies, w.dropped())
	}
	return nil
}

func run(ctx context.Context, w *Writer, src Source) (*manifest.Manifest, error) {
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	if err := src.Backup(ctx, w); err != nil {
		return nil, err
	}
	if !w.begun {
		return nil, errors.New("backup: the source produced no set")
	}
	w.progress.phase("reading back")
	if err := w.onEach(ctx, w.readBack); err != nil {
		return nil, err
	}
	w.progress.phase("committing")
	m := w.set
	slices.SortFunc(m.Objects, func(a, b manifest.Object) int { return strings.Compare(a.Name, b.Name) })
	m.End = w.opts.Now().UTC()
	m.Suspect = append(m.Suspect, suspicions(&m, w.history, w.opts)...)
	if err := w.commit(ctx, &m); err != nil {
		return nil, fmt.Errorf("committing %s: %w", m.ID, err)
	}
	w.progress.finish()
	return &m, nil
}

// commit stores the seal and then the manifest, which is what makes the set
// one.
func (w *Writer) commit(ctx context.Context, m *manifest.Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	var seal []byte
	if w.opts.Seal != nil {
		if seal, err = manifest.Sign(w.opts.Seal, data); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return w.onEach(ctx, func(ctx context.Context, d *destination) error {
		if seal != nil {
			if err := w.putSmall(ctx, d, m.ID+"/"+manifest.SealName, seal); err != nil {
				return err
			}
		}
		d.committing = true
		return w.putSmall(ctx, d, m.ID+"/"+manifest.Name, data)
	})
}

// putSmall stores a whole object in one sink. What the sink gives back counts,
// not what it replied: a reply can be lost.
func (w *Writer) putSmall(ctx context.Context, d *destination, name string, data []byte) error {
	sum := sha256.Sum256(data)
	want := manifest.Object{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	return w.retry(ctx, name, func() error {
		_, err := d.sink.Put(ctx, name, bytes.NewReader(data), nil)
		if back := w.readBackObject(ctx, d, name, want); back == nil {
			return nil
		} else if err == nil {
			err = back
		}
		return &sinkError{err}
	})
}

// abandon removes what a failed run put, and records that it failed.
func (w *Writer) abandon(ctx context.Context, err error) error {
	var recording sync.WaitGroup
	recording.Go(func() { w.recordEnd(ctx, nil, err) })
	left := w.remove(ctx)
	recording.Wait()
	if left != nil {
		err = errors.Join(err, left)
	}
	return err
}

// atEnd is a context for what a run still has to do when ctx may be done.
func atEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	patience := cleanupTime
	if ctx.Err() != nil {
		patience = cleanupTimeAtEnd
	}
	return context.WithTimeout(context.WithoutCancel(ctx), patience)
}

// remove deletes what a failed run put. Its error tells of sets alone that
// may be listed.
func (w *Writer) remove(ctx context.Context) error {
	ctx, cancel := atEnd(ctx)
	defer cancel()
	errs := make([]error, len(w.sinks))
	var g errgroup.Group
	for i, d := range w.sinks {
		g.Go(func() error {
			errs[i] = w.removeFrom(ctx, d)
			return nil
		})
	}
	g.Wait()
	return errors.Join(errs...)
}

// removeFrom deletes the manifest first, and nothing else if that fails, lest
// a half-removed set be listed. A sink that fails to delete an object is not
// asked for the others: it may take as long over each.
func (w *Writer) removeFrom(ctx context.Context, d *destination) error {
	if d.committing {
		if err := d.sink.Delete(ctx, w.set.ID+"/"+manifest.Name); err != nil {
			return fmt.Errorf("set %s is left as it is, and may be listed: removing its manifest: %w", w.set.ID, err)
		}
	}
	names := slices.Collect(maps.Keys(w.touched))
	if d.committing && w.opts.Seal != nil {
		names = append(names, w.set.ID+"/"+manifest.SealName)
	}
	if len(names) == 0 {
		return nil
	}
	var removed atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cleanupJobs)
	for _, name := range names {
		g.Go(func() error {
			err := d.sink.Delete(ctx, name)
			if err == nil {
				removed.Add(1)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		w.opts.Logger.Warn("could not remove all that the failed run had put", "set", w.set.ID, "sink", d.name, "err", err)
	}
	w.opts.Logger.Info("removed what the failed run had put", "set", w.set.ID, "sink", d.name,
		"objects", removed.Load(), "left", int64(len(names))-removed.Load())
	return nil
}
