package backup

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// recordStart stores in a sink that the run is at work, and so finds out whether
// the sink takes objects.
func (w *Writer) recordStart(ctx context.Context, d *destination) error {
	if err := w.putRecord(ctx, d, w.runRecord); err != nil {
		return fmt.Errorf("the sink cannot be written to: %w", err)
	}
	return nil
}

func (w *Writer) putRecord(ctx context.Context, d *destination, r *manifest.Run) error {
	return w.retry(ctx, r.ID, func() error {
		if err := r.Put(ctx, d.sink, w.opts.Seal); err != nil {
			return &sinkError{err}
		}
		return nil
	})
}

// recordEnd stores in every sink what came of the run: of a failed one there is
// no result. It returns a warning for each sink of a committed set that did not
// take it. One that was given up, or that failed the run, is asked once.
func (w *Writer) recordEnd(ctx context.Context, res *Result, err error) (warnings []string) {
	record := w.ended(ctx, res, err)
	ctx, cancel := atEnd(ctx)
	defer cancel()
	var mu sync.Mutex
	var sinks sync.WaitGroup
	for _, d := range w.sinks {
		sinks.Go(func() {
			if err := w.recordEndIn(ctx, d, record); err != nil {
				w.opts.Logger.Warn("the record of the run still says that it is at work", "record", record.ID, "sink", d.name, "err", err)
				mu.Lock()
				defer mu.Unlock()
				if d.failed() == nil {
					warnings = append(warnings, fmt.Sprintf("the record of the run in %s still says that it is at work: %v", d.name, err))
				}
			}
		})
	}
	sinks.Wait()
	return warnings
}

func (w *Writer) recordEndIn(ctx context.Context, d *destination, record *manifest.Run) error {
	if d.failed() == nil && record.Class != sinkClass {
		return w.putRecord(ctx, d, record)
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeAtEnd)
	defer cancel()
	return record.Put(ctx, d.sink, w.opts.Seal)
}

// ended is the record of the run as it ends.
func (w *Writer) ended(ctx context.Context, res *Result, err error) *manifest.Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := *w.runRecord
	r.End = w.opts.Now().UTC()
	r.Phase, r.Rows = w.progress.reached()
	r.Warnings = len(w.warnings)
	if w.begun {
		r.Kind, r.Set, r.Raw, r.Stored = w.set.Kind, w.set.ID, w.set.RawSize(), w.set.StoredSize()
	}
	switch {
	case res != nil:
		r.Phase, r.Copies, r.Warnings = "", res.Committed(), len(res.Warnings)
		r.Outcome = manifest.Done
		if !res.Good() {
			r.Outcome = manifest.Suspect
		}
	case errors.Is(err, ErrBusy):
		r.Outcome = manifest.Busy
	case ctx.Err() != nil:
		r.Outcome = manifest.Cancelled
	default:
		r.Outcome = manifest.Failed
	}
	if err != nil {
		r.Class = classOf(err)
		if len(w.opts.Recipients) == 0 {
			r.Message = err.Error()
		}
	}
	return &r
}

// sinkClass is the class of what a sink failed to do.
const sinkClass = "sink"

// classOf names the sort of an error without a word of what it is about.
func classOf(err error) string {
	for _, class := range []struct {
		name string
		is   bool
	}{
		{"copies", isA[*CopiesError](err)},
		{"suspect", isA[*SuspectError](err)},
		{"busy", errors.Is(err, ErrBusy)},
		{"lost", errors.Is(err, ErrLost)},
		{"cancelled", errors.Is(err, context.Canceled)},
		{"deadline", errors.Is(err, context.DeadlineExceeded)},
		{"doctor", isA[*DoctorError](err)},
		{"lock", isA[*LockError](err)},
		{"blocking", isA[*BlockingError](err)},
		{"unsupported", isA[*UnsupportedError](err)},
		{sinkClass, isA[*sinkError](err) || isA[*remote.Error](err)},
		{"connect", isA[*pgconn.ConnectError](err)},
	} {
		if class.is {
			return class.name
		}
	}
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return "other"
}

func isA[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}
