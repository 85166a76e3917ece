package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/remote"
)

// putAttempts is how often an object is tried before the run fails.
const putAttempts = 4

// Writer is what a [Source] writes one set through. Its methods may be called
// from several goroutines.
type Writer struct {
	sinks     []*destination
	opts      *resolved
	history   *manifest.Inventory
	source    string
	runRecord *manifest.Run // as it begins
	progress  *meter

	mu       sync.Mutex
	begun    bool
	set      manifest.Manifest
	touched  map[string]bool // every object that a Put was started for, by full name
	listed   int             // bytes that the manifest takes at least to list them
	warnings []string

	rows      int64  // of tables, which are stored
	promotion string // why an Incremental takes a full backup
}

// Description is what a source knows of the set that it writes.
type Description struct {
	Database *manifest.Database // nil for what is no database
	DataTime time.Time          // the moment that the data is of; that of Run's start by default
	Scope    manifest.Scope     // manifest.Whole by default
	Suspect  []string           // reasons why nobody should rely on the set; none by default
	Warnings []string           // for the log; nothing that names data is stored
}

// History is what the sink already holds of this source, damaged sets and
// leftovers included. The caller must not change it.
func (w *Writer) History() *manifest.Inventory { return w.history }

// Compression is how objects are stored: "zstd", "gzip" or "none", with the
// level behind a colon where one was asked for.
func (w *Writer) Compression() string { return w.opts.compression.String() }

// Begin names the set and must be called once, before the first Put. parents
// are the sets that this one builds upon, nearest first.
func (w *Writer) Begin(kind manifest.Kind, parents ...*manifest.Manifest) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.begun {
		return errors.New("backup: Writer.Begin called twice")
	}
	start := w.runRecord.Start.UTC()
	w.begun = true
	w.touched = map[string]bool{}
	w.set = manifest.Manifest{
		Format: manifest.FormatVersion, ID: manifest.NewID(kind, start), Source: w.source,
		Kind: kind, Scope: manifest.Whole, Purpose: w.opts.Purpose, Start: start, End: start, DataTime: start,
		Producer: manifest.Producer(),
	}
	for _, p := range parents {
		sum, err := p.SHA256()
		if err != nil {
			return err
		}
		w.set.Parents = append(w.set.Parents, manifest.Parent{ID: p.ID, SHA256: sum})
	}
	// A name that no manifest can hold must not show only after all was copied.
	if _, err := w.set.Encode(); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// ID is the set's name, once Begin was called.
func (w *Writer) ID() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.set.ID
}

// Describe records what the manifest says of the set besides its objects. The
// last call wins, warnings add up.
func (w *Writer) Describe(d Description) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set.Database = d.Database
	w.set.DataTime = w.set.Start
	if !d.DataTime.IsZero() {
		w.set.DataTime = d.DataTime
	}
	w.set.Scope = manifest.Whole
	if d.Scope != "" {
		w.set.Scope = d.Scope
	}
	w.set.Suspect = d.Suspect
	for _, text := range d.Warnings {
		w.opts.Logger.Warn(text)
	}
	w.warnings = append(w.warnings, d.Warnings...)
}

// retryable marks an error of produce after which it may be called again.
type retryable struct{ err error }

func (r *retryable) Error() string { return r.err.Error() }
func (r *retryable) Unwrap() error { return r.err }

// Retryable marks an error that a produce function returns as one that may
// pass when it is called again from the start.
func Retryable(err error) error { return &retryable{err} }

// Put streams what produce writes into one object of the set, compressed,
// encrypted and hashed on the way to all sinks; nothing is kept on disk. The
// stored name is name with the suffixes of compression and encryption. The
// archive's own tables of contents (names that end in ".toc", and "toc.dat")
// are not compressed, because that is where pg_restore looks for them.
//
// produce is called again from the start, after a pause, when a sink failed
// or when it returned a [Retryable] error; it must then write the same again.
// The object is stored when Put returns nil.
func (w *Writer) Put(ctx context.Context, name string, produce func(io.Writer) error) (manifest.Object, error) {
	return w.put(ctx, name, func() {}, produce)
}

// put is Put that calls produced when all is compressed and only the sinks have
// still to store it.
func (w *Writer) put(ctx context.Context, name string, produced func(), produce func(io.Writer) error) (manifest.Object, error) {
	s := &stream{produce: produce, produced: produced, compression: w.opts.compression, recipients: w.opts.Recipients}
	if name == "toc.dat" || strings.HasSuffix(name, ".toc") {
		s.compression = codec.Compression{Algorithm: codec.None}
	}
	if name == "state.json" && w.opts.StateKey != nil {
		s.recipients = w.opts.forState
	}
	name += s.compression.Ext()
	if len(s.recipients) > 0 {
		name += codec.AgeExt
	}
	var err error
	if s.name, err = w.reserve(name); err != nil {
		return manifest.Object{}, err
	}
	obj, err := w.deliver(ctx, s)
	if err != nil {
		return manifest.Object{}, fmt.Errorf("storing %s: %w", s.name, err)
	}
	obj.Name = name
	for _, d := range s.last {
		d.note(obj)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set.Objects = append(w.set.Objects, obj)
	return obj, nil
}

// retry makes several attempts to store an object, with growing pauses, as long
// as it can help.
func (w *Writer) retry(ctx context.Context, full string, attempt func() error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := attempt()
		if err != nil && (ctx.Err() != nil || !mayPass(err)) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	},
		backoff.WithBackOff(backoff.NewExponentialBackOff()), backoff.WithMaxTries(putAttempts),
		backoff.WithMaxElapsedTime(0), // however long a large object took
		backoff.WithNotify(func(err error, pause time.Duration) {
			w.opts.Logger.Warn("object failed, trying again", "object", full, "pause", pause, "err", err)
		}))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		err = permanent.Unwrap()
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		err = cause
	}
	return err
}

// leastListed is what an object takes in a manifest besides its name, in
// bytes, with sizes of one digit.
const leastListed = 147

// reserve checks an object's name and notes it for the cleanup of a failed run.
func (w *Writer) reserve(name string) (full string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.begun {
		return "", errors.New("backup: Writer.Put called before Begin")
	}
	full = w.set.ID + "/" + name
	if err := remote.CheckName(full); err != nil {
		return "", err
	}
	if name == manifest.Name || w.touched[full] {
		return "", fmt.Errorf("backup: object %s put twice", full)
	}
	if w.listed += leastListed + len(name); w.listed > manifest.MaxSize {
		return "", fmt.Errorf("backup: more than the %d objects that a manifest has room for", len(w.touched))
	}
	w.touched[full] = true
	return full, nil
}

// sinkError is a failure of the sink, not of what was to be stored.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// mayPass tells whether trying again can help.
func mayPass(err error) bool {
	var again *retryable
	if errors.As(err, &again) {
		return true
	}
	var sink *sinkError
	return errors.As(err, &sink) && !remote.IsLasting(err)
}
