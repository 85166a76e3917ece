package backup

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"github.com/cenkalti/backoff/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/remote"
)

// stream is one object on its way: produce -> codec -> a pipe to each sink.
type stream struct {
	name        string // in the sink
	compression codec.Compression
	recipients  []age.Recipient
	produce     func(io.Writer) error
	produced    func() // all is compressed, only the sinks have still to store it

	last []*delivery // of the last attempt that the sinks alone can have failed
}

// delivery is what one sink made of one attempt.
type delivery struct {
	to  *destination
	obj remote.Object
	err error // a *sinkError, or nil
}

// note records an object that was delivered.
func (d *delivery) note(obj manifest.Object) {
	d.to.mu.Lock()
	defer d.to.mu.Unlock()
	if d.err == nil && !d.obj.Checked {
		d.to.unproven = append(d.to.unproven, obj)
	}
}

// deliver stores an object in every sink that is whole, and gives up those
// which fail to the end while others do not. All get the same bytes: an object
// that is encrypted again has others, so an attempt is one for all.
func (w *Writer) deliver(ctx context.Context, s *stream) (obj manifest.Object, err error) {
	err = w.retry(ctx, s.name, func() error {
		obj, err = w.attempt(ctx, s)
		if err != nil {
			return err
		}
		return w.settle(s, false)
	})
	if err != nil && ctx.Err() == nil && len(s.last) > 0 {
		err = w.settle(s, true)
	}
	return obj, err
}

// settle gives up the sinks that failed an attempt which others did not: in
// the end all of them, before that those alone where trying again cannot help.
func (w *Writer) settle(s *stream, end bool) error {
	var failed []error
	var stored bool
	for _, d := range s.last {
		stored = stored || d.err == nil
	}
	for _, d := range s.last {
		switch {
		case d.err == nil || d.to.failed() != nil: // stored, or given up already
		case stored && (end || !mayPass(d.err)):
			w.drop(d.to, fmt.Errorf("storing %s: %w", s.name, d.err))
		default:
			failed = append(failed, d.err)
		}
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// attempt streams an object to every sink that is whole. Its error is the
// producer's; those of the sinks are in s.last.
func (w *Writer) attempt(ctx context.Context, s *stream) (manifest.Object, error) {
	s.last = nil
	ds := w.whole()
	if len(ds) == 0 {
		return manifest.Object{}, backoff.Permanent(w.dropped())
	}
	f := make(fan, 0, len(ds))
	var sinks sync.WaitGroup
	deliveries := make([]*delivery, len(ds))
	for i, d := range ds {
		pr, pw := io.Pipe()
		b := &branch{pipe: pw, alive: &d.alive}
		f = append(f, b)
		deliveries[i] = &delivery{to: d}
		sinks.Go(func() {
			obj, err := d.sink.Put(d.ctx, s.name, pr, nil)
			pr.CloseWithError(errSinkStopped)
			deliveries[i].obj, deliveries[i].err = obj, err
			b.end()
		})
	}
	out := gatherers.Get().(*bufio.Writer)
	out.Reset(w.limited(ctx, f))
	stats, err := s.encode(out)
	if err == nil {
		err = out.Flush()
	}
	out.Reset(nil)
	gatherers.Put(out)
	if err == nil {
		s.produced()
	}
	f.close(err)
	sinks.Wait()
	if err != nil && !errors.Is(err, errSinkStopped) {
		return manifest.Object{}, err // the sinks' own errors only follow from it
	}
	for _, d := range deliveries {
		switch {
		case d.err != nil:
			d.err = &sinkError{d.err}
		case err != nil:
			d.err = &sinkError{errors.New("the sink reports success but did not read the object to its end")}
		case d.obj.Size != stats.Stored:
			d.err = &sinkError{fmt.Errorf("the sink stored %d bytes of %d", d.obj.Size, stats.Stored)}
		}
	}
	s.last = deliveries
	return manifest.Object{Size: stats.Stored, Raw: stats.Raw, SHA256: hex.EncodeToString(stats.SHA256[:])}, nil
}

func (s *stream) encode(dst io.Writer) (codec.Stats, error) {
	enc, err := codec.NewWriter(dst, s.compression, s.recipients...)
	if err != nil {
		return codec.Stats{}, err
	}
	err = s.produce(enc)
	if cerr := enc.Close(); err == nil {
		err = cerr
	}
	return enc.Stats(), err
}

// gatherers hold what is gathered before the sinks are woken for it: the
// compressor gives some 10 KiB at a time, and each would cost a switch from one
// goroutine to the other and back.
var gatherers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 128<<10) }}

// errSinkStopped ends a producer whose sinks no longer read.
var errSinkStopped = errors.New("the sink stopped reading")

// fan writes to several pipes. One whose reader stopped is left out, until
// none is left.
type fan []*branch

// branch is the pipe to one sink.
type branch struct {
	pipe    *io.PipeWriter
	stopped bool // its reader
	alive   *pulse

	mu     sync.Mutex
	closed bool // the sink has all, and is waited for
	ended  bool // it was stored, or failed
}

func (f fan) Write(p []byte) (int, error) {
	left := 0
	for _, b := range f {
		if b.stopped {
			continue
		}
		b.alive.await()
		_, err := b.pipe.Write(p)
		b.alive.done()
		if b.stopped = err != nil; !b.stopped {
			left++
		}
	}
	if left == 0 {
		return 0, errSinkStopped
	}
	return len(p), nil
}

// close ends all streams, well if err is nil.
func (f fan) close(err error) {
	for _, b := range f {
		b.mu.Lock()
		if b.closed = !b.ended; b.closed {
			b.alive.await()
		}
		b.mu.Unlock()
		b.pipe.CloseWithError(err)
	}
}

// end tells that the sink is done with the object.
func (b *branch) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended = true; b.closed {
		b.alive.done()
	}
}
