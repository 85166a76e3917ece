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
// The set is committed, and visible, when the manifest is not nil: the error
// then is nil or a [*SuspectError]. On any other error the run has removed what
// it put; what it could not remove has no manifest, and every reader passes
// over it. One case alone is open, and the error says so: the sink failed to
// store the manifest, or said that it did, and then to remove it. The set is
// then left whole, listed or not.
//
// Cancelling ctx ends the run, its server backends included.
func Run(ctx context.Context, sink remote.RemoteSink, src Source, opts *Options) (*manifest.Manifest, error) {
	o, err := opts.resolve()
	if err != nil {
		return nil, err
	}
	if sink == nil || src == nil {
		return nil, errors.New("backup: Run needs a sink and a source, and one is nil")
	}
	name := src.SourceName()
	if name == "" {
		return nil, errors.New("backup: the source has no name")
	}
	all, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		return nil, fmt.Errorf("reading what the sink holds: %w", err)
	}
	w := &Writer{sink: sink, opts: o, source: name, history: all.Source(name), progress: newMeter(o.Progress, o.Now)}
	m, err := run(ctx, w, src)
	if err != nil {
		if left := w.remove(ctx); left != nil {
			err = errors.Join(err, left)
		}
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
	if err := w.commit(ctx, &m); err != nil {
		return nil, fmt.Errorf("committing %s: %w", m.ID, err)
	}
	w.progress.finish()
	return &m, nil
}

// commit stores the manifest, which is what makes the set one. What the sink
// gives back counts, not what it replied: a reply can be lost.
func (w *Writer) commit(ctx context.Context, m *manifest.Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	sum := sha256.Sum256(data)
	name, want := m.ID+"/"+manifest.Name, manifest.Object{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
	w.committing = true
	_, err = w.retry(ctx, name, func() (manifest.Object, error) {
		_, err := w.sink.Put(ctx, name, bytes.NewReader(data), nil)
		if back := readBackObject(ctx, w.sink, name, want); back == nil {
			return want, nil
		} else if err == nil {
			err = back
		}
		return want, &sinkError{err}
	})
	return err
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
	n, err := io.Copy(h, io.LimitReader(r, want.Size+1))
	switch {
	case err != nil:
		return err
	case n > want.Size:
		return fmt.Errorf("the sink gives back more than the %d bytes stored", want.Size)
	case n != want.Size:
		return fmt.Errorf("the sink gives back %d bytes of %d", n, want.Size)
	case hex.EncodeToString(h.Sum(nil)) != want.SHA256:
		return errors.New("the sink gives back other bytes than were stored")
	}
	return nil
}

// remove deletes what a failed run put: the manifest first, and nothing else if
// that fails, lest a half-removed set be listed. Its error tells of that alone.
func (w *Writer) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if w.committing {
		if err := w.sink.Delete(ctx, w.set.ID+"/"+manifest.Name); err != nil {
			return fmt.Errorf("set %s is left as it is, and may be listed: removing its manifest: %w", w.set.ID, err)
		}
	}
	var left int
	for name := range w.touched {
		if err := w.sink.Delete(ctx, name); err != nil {
			left++
			w.opts.Logger.Warn("could not remove an object of the failed run", "object", name, "err", err)
		}
	}
	if len(w.touched) > 0 {
		w.opts.Logger.Info("removed what the failed run had put", "set", w.set.ID, "objects", len(w.touched)-left, "left", left)
	}
	return nil
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
