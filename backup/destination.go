package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// readBackJobs is how many objects are read back from a sink at a time.
const readBackJobs = 4

// destination is one sink of a run, as far as it came.
type destination struct {
	sink remote.RemoteSink
	name string

	mu         sync.Mutex
	err        error             // why it gets no manifest; nil while it may
	unproven   []manifest.Object // stored, but the store did not check what it holds
	committing bool              // it may hold the manifest

	ctx    context.Context // of all that is asked of it; ends when it is given up
	cancel context.CancelCauseFunc
	alive  pulse
}

// newDestination names a sink for messages: by its String, which holds no
// credential, or by its place in the list.
func newDestination(sink remote.RemoteSink, n int) *destination {
	if s, ok := sink.(fmt.Stringer); ok {
		return &destination{sink: sink, name: s.String()}
	}
	return &destination{sink: sink, name: fmt.Sprintf("sink %d", n+1)}
}

func (d *destination) failed() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// drop gives a sink up for this run. The first reason counts.
func (d *destination) drop(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
	}
	d.cancel(err)
}

// whole are the sinks that hold everything put so far.
func (w *Writer) whole() (ds []*destination) {
	for _, d := range w.sinks {
		if d.failed() == nil {
			ds = append(ds, d)
		}
	}
	return ds
}

// dropped says why no sink is whole.
func (w *Writer) dropped() error {
	var errs []error
	for _, d := range w.sinks {
		if err := d.failed(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.name, err))
		}
	}
	return errors.Join(errs...)
}

// drop gives a sink up for this run, and says so.
func (w *Writer) drop(d *destination, err error) {
	if d.failed() == nil {
		w.opts.Logger.Warn("this sink gets no copy of the backup", "sink", d.name, "err", err)
	}
	d.drop(err)
}

// onEach does something with every sink that is whole, at the same time, and
// gives up those where it fails. It fails where none is left.
func (w *Writer) onEach(ctx context.Context, do func(ctx context.Context, d *destination) error) error {
	ds := w.whole()
	errs := make([]error, len(ds))
	var g errgroup.Group
	for i, d := range ds {
		g.Go(func() error {
			d.alive.await()
			defer d.alive.done()
			errs[i] = do(d.ctx, d)
			return nil
		})
	}
	g.Wait()
	if ctx.Err() != nil && errors.Join(errs...) != nil {
		return context.Cause(ctx)
	}
	if len(ds) == 1 {
		return errs[0]
	}
	for i, d := range ds {
		if errs[i] != nil {
			w.drop(d, errs[i])
		}
	}
	if len(w.whole()) == 0 {
		return w.dropped()
	}
	return nil
}

// readBack reads every stored byte again, unless the store is known to have
// checked it, so that no set counts as good whose bytes a sink does not give
// back.
func (w *Writer) readBack(ctx context.Context, d *destination) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readBackJobs)
	for _, obj := range d.unproven {
		g.Go(func() error {
			name := w.set.ID + "/" + obj.Name
			if err := w.readBackObject(ctx, d, name, obj); err != nil {
				return fmt.Errorf("reading back %s: %w", name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (w *Writer) readBackObject(ctx context.Context, d *destination, name string, want manifest.Object) error {
	r, err := d.sink.Get(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := want.CheckStored(io.TeeReader(r, w.limited(ctx, &d.alive))); err != nil {
		return fmt.Errorf("what the sink gives back: %w", err)
	}
	return nil
}

// limited is dst, no faster than Options.Rate allows for all together.
func (w *Writer) limited(ctx context.Context, dst io.Writer) io.Writer {
	if w.opts.limit == nil {
		return dst
	}
	return &limitedWriter{ctx, dst, w.opts.limit}
}
