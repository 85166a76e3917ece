package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// cleanupTime bounds how long a failed run removes what it had put.
const cleanupTime = time.Minute

// readBackJobs is how many objects are read back at a time.
const readBackJobs = 4

// Run takes one backup of src into sink and returns its manifest.
//
// The set is committed, and visible, exactly when the manifest is not nil: the
// error then is nil or a [*SuspectError]. On any other error the run has
// removed what it put; what it could not remove has no manifest, and every
// reader passes over it.
//
// Cancelling ctx ends the run, its server backends included.
func Run(ctx context.Context, sink remote.RemoteSink, src Source, opts *Options) (*manifest.Manifest, error) {
	o, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	name := src.SourceName()
	if name == "" {
		return nil, errors.New("backup: the source has no name")
	}
	all, err := manifest.Scan(ctx, sink)
	if err != nil {
		return nil, fmt.Errorf("reading what the sink holds: %w", err)
	}
	w := &Writer{sink: sink, opts: o, source: name, history: all.Source(name), progress: newMeter(o.Progress, o.Now)}
	m, err := run(ctx, w, src)
	if err != nil {
		w.remove(ctx)
		return nil, err
	}
	o.Logger.Info("backup committed", "set", m.ID, "source", m.Source, "objects", len(m.Objects),
		"raw", m.RawSize(), "stored", m.StoredSize(), "took", m.End.Sub(m.Start))
	if len(m.Suspect) > 0 {
		return m, &SuspectError{Set: m.ID, Reasons: m.Suspect}
	}
	return m, nil
}

func run(ctx context.Context, w *Writer, src Source) (*manifest.Manifest, error) {
	if err := src.Backup(ctx, w); err != nil {
		return nil, err
	}
	if !w.begun {
		return nil, errors.New("backup: the source produced no set")
	}
	w.progress.phase("reading back")
	if err := w.readBack(ctx); err != nil {
		return nil, err
	}
	m := w.set
	slices.SortFunc(m.Objects, func(a, b manifest.Object) int { return strings.Compare(a.Name, b.Name) })
	m.End = w.opts.Now().UTC()
	m.Suspect = suspicions(&m, w.history, w.opts)
	data, err := m.Encode()
	if err != nil {
		return nil, err
	}
	w.touched = append(w.touched, m.ID+"/"+manifest.Name)
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	if _, err := w.sink.Put(ctx, m.ID+"/"+manifest.Name, bytes.NewReader(data), nil); err != nil {
		return nil, fmt.Errorf("committing %s: %w", m.ID, err)
	}
	w.progress.finish()
	return &m, nil
}

// readBack reads every stored byte again, so that no set counts as good whose
// bytes the sink does not give back.
func (w *Writer) readBack(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readBackJobs)
	for _, obj := range w.set.Objects {
		g.Go(func() error {
			if err := readBackObject(ctx, w.sink, w.set.ID+"/"+obj.Name, obj); err != nil {
				return fmt.Errorf("reading back %s/%s: %w", w.set.ID, obj.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func readBackObject(ctx context.Context, sink remote.RemoteSink, name string, want manifest.Object) error {
	r, err := sink.Get(ctx, name)
	if err != nil {
		return err
	}
	defer r.Close()
	h := sha256.New()
	n, err := io.Copy(h, r)
	switch {
	case err != nil:
		return err
	case n != want.Size:
		return fmt.Errorf("the sink gives back %d bytes of %d", n, want.Size)
	case hex.EncodeToString(h.Sum(nil)) != want.SHA256:
		return errors.New("the sink gives back other bytes than were stored")
	}
	return nil
}

// remove deletes what a failed run put: the manifest first, lest a half-removed
// set be listed, then the objects.
func (w *Writer) remove(ctx context.Context) {
	if len(w.touched) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	slices.Reverse(w.touched)
	var left int
	for _, name := range w.touched {
		if err := w.sink.Delete(ctx, name); err != nil {
			left++
			w.opts.Logger.Warn("could not remove an object of the failed run", "object", name, "err", err)
		}
	}
	w.opts.Logger.Info("removed what the failed run had put", "set", w.set.ID, "objects", len(w.touched)-left, "left", left)
}

// producer names the library and its version, for the manifest.
func producer() string {
	const path = "github.com/assist-move-assist/pgcofre"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "pgcofre"
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == path && m.Version != "" {
			return "pgcofre " + m.Version
		}
	}
	return "pgcofre"
}
