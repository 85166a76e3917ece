package gcs

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"time"

	"cloud.google.com/go/storage"

	"github.com/assist-move-assist/pgcofre/remote"
)

// small is up to which size an object is read before it is sent, in bytes:
// then one request carries it, with a checksum that the store compares before
// it shows the object.
const small = 1 << 20

// tokenKey is the metadata by which a Put that may not be repeated knows that
// the object which it finds in its way is its own: the reply was lost.
const tokenKey = "pgcofre-put"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Put stores an object; see [remote.RemoteSink]. An object of less than 1 MiB
// is sent in one request, a larger one in parts.
//
// The size and the CRC32C that the store returns are compared with those of
// what was read. If they differ, the object is deleted and Put fails.
func (s *Sink) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	obj, err := s.put(ctx, name, r, opts, false)
	return obj, s.fail(ctx, "put", name, err)
}

// PutExclusive stores an object if there is none of the name; see
// [remote.ExclusivePutter].
func (s *Sink) PutExclusive(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	obj, err := s.put(ctx, name, r, opts, true)
	return obj, s.fail(ctx, "put", name, err)
}

func (s *Sink) put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions, exclusive bool) (remote.Object, error) {
	if err := s.check(ctx, name); err != nil {
		return remote.Object{}, err
	}
	p := s.patience()
	o := s.object(name, p)
	src := &source{ctx: ctx, r: r}
	attrs := s.attrs(o, opts, exclusive)
	target := o
	if exclusive {
		target = o.If(storage.Conditions{DoesNotExist: true})
	}
	stored, err := s.send(ctx, target, attrs, src, p)
	if err != nil && !src.failed {
		stored, err = s.refused(ctx, o, attrs.Metadata[tokenKey], err)
	}
	if err != nil {
		return remote.Object{}, err
	}
	obj := describe(name, stored)
	if err := src.compare(stored); err != nil {
		return remote.Object{}, errors.Join(err, remove(ctx, o, stored.Generation))
	}
	// A sum of zero may be one that the store did not send.
	obj.Checked = src.size == 0 || src.sum != 0 && stored.CRC32C == src.sum
	return obj, nil
}

// attrs are what an object is stored with.
func (s *Sink) attrs(o *storage.ObjectHandle, opts *remote.PutOptions, exclusive bool) storage.ObjectAttrs {
	attrs := storage.ObjectAttrs{
		Name:         o.ObjectName(),
		ContentType:  "application/octet-stream", // the store's default; without it the SDK would guess
		StorageClass: s.opts.StorageClass,
		KMSKeyName:   s.opts.KMSKey,
	}
	if opts != nil && opts.ContentType != "" {
		attrs.ContentType = opts.ContentType
	}
	if lock := s.opts.Lock; lock != nil {
		if until := lock.Until(); !until.IsZero() {
			attrs.Retention = &storage.ObjectRetention{Mode: cmp.Or(lock.Mode, "Unlocked"), RetainUntil: until}
		}
	}
	if exclusive || attrs.Retention != nil {
		attrs.Metadata = map[string]string{tokenKey: rand.Text()}
	}
	return attrs
}

// send uploads all of src. When it fails nothing becomes visible: the writer is
// closed, which publishes what it was given, only after src ended well, and
// given up by its context otherwise.
func (s *Sink) send(ctx context.Context, o *storage.ObjectHandle, attrs storage.ObjectAttrs, src *source, p *patience) (*storage.ObjectAttrs, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	head, err := src.head()
	if err != nil {
		return nil, err
	}
	w := o.NewWriter(ctx)
	w.ObjectAttrs = attrs
	w.ChunkRetryDeadline = 24 * time.Hour // patience decides
	w.ProgressFunc = func(int64) { p.progress() }
	if src.ended {
		w.ChunkSize = roundUp(len(head) + 1)
		w.CRC32C, w.SendCRC32C = src.sum, true
	} else {
		w.ChunkSize = s.parts.take(s.opts.PartSize)
		defer s.parts.give(w.ChunkSize)
	}
	_, err = w.Write(head)
	if err == nil && !src.ended {
		_, err = io.CopyBuffer(w, src, make([]byte, 64<<10)) // head can go
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, err
	}
	return w.Attrs(), nil
}

// refused looks into why the store refused an object. If it holds it, the Put
// was done at the first attempt, and refused at the second because of that.
func (s *Sink) refused(ctx context.Context, o *storage.ObjectHandle, token string, err error) (*storage.ObjectAttrs, error) {
	answer := status(err)
	if token != "" && (answer == http.StatusPreconditionFailed || answer == http.StatusForbidden) {
		if found, _ := o.Attrs(ctx); found != nil && found.Metadata[tokenKey] == token {
			return found, nil
		}
	}
	switch answer {
	case http.StatusPreconditionFailed:
		err = &explained{text: "there is such an object already", is: fs.ErrExist, err: err}
	case http.StatusNotFound:
		if other := s.bucketMissing(ctx); other != nil {
			err = other
		}
	}
	return nil, err
}

// remove deletes what turned out wrong, also when ctx is done.
func remove(ctx context.Context, o *storage.ObjectHandle, generation int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if err := o.Generation(generation).Delete(ctx); err != nil && !errors.Is(err, storage.ErrObjectNotExist) {
		return fmt.Errorf("it could not be deleted: %w", err)
	}
	return nil
}

// source is what a Put reads, with its checksum.
type source struct {
	ctx    context.Context
	r      io.Reader
	size   int64
	sum    uint32 // CRC32C
	ended  bool   // r came to its end
	failed bool   // r failed, or the context is done
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		s.failed = true
		return 0, err
	}
	n, err := s.r.Read(p)
	s.size += int64(n)
	s.sum = crc32.Update(s.sum, castagnoli, p[:n])
	switch {
	case err == io.EOF:
		s.ended = true
	case err != nil:
		s.failed = true
		err = &sourceError{err}
	}
	return n, err
}

// head reads the beginning: all if that is less than small.
func (s *source) head() ([]byte, error) {
	buf := make([]byte, 0, 64<<10)
	for {
		n, err := s.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, s.ctx.Err()
		case err != nil:
			return nil, err
		case len(buf) == small:
			return buf, nil
		case len(buf) == cap(buf):
			buf = append(make([]byte, 0, 2*cap(buf)), buf...)
		}
	}
}

// compare tells whether the store holds what was read.
func (s *source) compare(stored *storage.ObjectAttrs) error {
	if stored.Size != s.size {
		return fmt.Errorf("the store holds %d bytes of the %d sent", stored.Size, s.size)
	}
	if stored.CRC32C != s.sum && stored.CRC32C != 0 {
		return fmt.Errorf("the store holds %d bytes with the CRC32C %08x instead of %08x", stored.Size, stored.CRC32C, s.sum)
	}
	return nil
}
