package gcs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"

	"cloud.google.com/go/storage"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Get opens an object; see [remote.RemoteSink]. When all of it is read, its
// CRC32C is compared with the store's.
func (s *Sink) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.GetRange(ctx, name, 0, -1)
}

// GetRange opens a part of an object; see [remote.RangeGetter].
func (s *Sink) GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	rc, err := s.get(ctx, name, offset, length)
	if err != nil {
		return nil, s.fail(ctx, "get", name, err)
	}
	return rc, nil
}

func (s *Sink) get(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if err := s.check(ctx, name); err != nil {
		return nil, err
	}
	if err := remote.CheckRange(offset, length); err != nil {
		return nil, err
	}
	p := s.patience()
	if length == 0 { // the SDK would open all of it
		if _, err := s.stat(ctx, name); err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	r := &reader{s: s, name: name, p: p, ctx: ctx, want: -1}
	own, cancel := context.WithCancel(ctx)
	r.cancel = cancel
	src, err := s.object(name, p).NewRangeReader(httptrace.WithClientTrace(own, r.trace(own)), offset, length)
	switch {
	case status(err) == http.StatusRequestedRangeNotSatisfiable:
		cancel()
		return io.NopCloser(bytes.NewReader(nil)), nil // begins at the end or later
	case errors.Is(err, storage.ErrObjectNotExist):
		err = s.orMissing(ctx, err)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	r.src = src
	if src.Attrs.Size >= 0 {
		r.want = src.Attrs.Size - offset
		if length >= 0 {
			r.want = min(r.want, length)
		}
	}
	return r, nil
}

// reader reads an object through the SDK's reader. That asks for what is left,
// in the same generation, when a connection breaks: at once, and as often as it
// takes. The trace makes it pause between, and give up in the end.
type reader struct {
	s      *Sink
	name   string
	p      *patience
	ctx    context.Context // the caller's
	cancel context.CancelFunc
	src    *storage.Reader
	seen   int64 // bytes
	want   int64 // bytes; -1: not known
	broken bool  // it was given up
}

// trace notices each request that the SDK sends for the reader, from within
// the SDK's Read. ctx is the requests'.
func (r *reader) trace(ctx context.Context) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GetConn: func(string) {
		switch {
		case r.src == nil: // opening, of which the SDK takes care
		case r.p.lasts():
			r.p.pause(ctx)
		default:
			r.broken = true
			r.cancel()
		}
	}}
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.read(p)
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, r.s.fail(r.ctx, "get", r.name, err)
}

func (r *reader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.src.Read(p)
	r.seen += int64(n)
	if n > 0 {
		r.p.progress()
	}
	switch {
	case err == io.EOF && r.want >= 0 && r.seen != r.want:
		return n, fmt.Errorf("%w: %d bytes came of %d", io.ErrUnexpectedEOF, r.seen, r.want)
	case errors.Is(err, storage.ErrObjectNotExist):
		return n, &explained{text: "it was replaced or deleted while it was read", err: err}
	case err != nil && r.ctx.Err() == nil && (r.broken || retryable(err)):
		return n, &explained{text: "the connection broke again and again: " + explain(err).Error(), err: err}
	}
	return n, err
}

// Close ends the download.
func (r *reader) Close() error {
	r.cancel()
	return r.src.Close()
}
