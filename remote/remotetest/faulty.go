package remotetest

import (
	"context"
	"io"
	"iter"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Faulty is a sink with faults to order, for tests of what uses a sink. Each
// hook may fail, wait (see [Hang]), or spoil what passes through (see
// [FailAfter], [FlipBit] and [io.LimitReader]); a nil hook does nothing. Hooks are
// called from the goroutine of the method, several at a time where the sink is
// so used. Set them before that.
//
// It offers the four methods of [remote.RemoteSink] only: what the sink below
// has beyond them falls back to these, and so meets the same faults.
type Faulty struct {
	remote.RemoteSink

	// OnPut is called before an object is stored, and returns the content to
	// store in place of r. An error ends the Put with nothing stored.
	OnPut func(ctx context.Context, name string, r io.Reader) (io.Reader, error)

	// AfterPut is called with what the sink answered to a Put, and returns the
	// answer to give instead: a wrong size, or the loss of a reply.
	AfterPut func(ctx context.Context, name string, obj remote.Object, err error) (remote.Object, error)

	// OnGet is called with an object's content and returns the content to give
	// instead. An error ends the Get.
	OnGet func(ctx context.Context, name string, r io.Reader) (io.Reader, error)

	// OnList is called with a listing and returns the one to give instead.
	OnList func(ctx context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error]

	// OnDelete is called before an object is deleted. An error ends the Delete
	// with nothing deleted.
	OnDelete func(ctx context.Context, name string) error
}

var _ remote.RemoteSink = (*Faulty)(nil)

// Put stores an object between OnPut and AfterPut.
func (f *Faulty) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (obj remote.Object, err error) {
	if f.OnPut != nil {
		if r, err = f.OnPut(ctx, name, r); err != nil {
			return remote.Object{}, err
		}
	}
	obj, err = f.RemoteSink.Put(ctx, name, r, opts)
	if f.AfterPut != nil {
		obj, err = f.AfterPut(ctx, name, obj, err)
	}
	return obj, err
}

// Get opens an object, its content passed through OnGet.
func (f *Faulty) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	rc, err := f.RemoteSink.Get(ctx, name)
	if err != nil || f.OnGet == nil {
		return rc, err
	}
	r, err := f.OnGet(ctx, name, rc)
	if err != nil {
		rc.Close()
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{r, rc}, nil
}

// List lists objects, passed through OnList.
func (f *Faulty) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	objects := f.RemoteSink.List(ctx, prefix)
	if f.OnList != nil {
		objects = f.OnList(ctx, prefix, objects)
	}
	return objects
}

// Delete deletes an object unless OnDelete fails.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	if f.OnDelete != nil {
		if err := f.OnDelete(ctx, name); err != nil {
			return err
		}
	}
	return f.RemoteSink.Delete(ctx, name)
}

// Hang waits until ctx is done and returns its error.
func Hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// FailAfter returns a reader that gives the first n bytes of r and then err.
func FailAfter(r io.Reader, n int64, err error) io.Reader {
	return io.MultiReader(io.LimitReader(r, n), failing{err})
}

// failing is a reader that fails at once.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FlipBit returns a reader of r in which one bit of the byte at offset differs.
func FlipBit(r io.Reader, offset int64) io.Reader {
	return &flipper{r: r, left: offset}
}

type flipper struct {
	r    io.Reader
	left int64 // bytes before the one to spoil; below 0 once it passed
}

func (f *flipper) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if f.left >= 0 && f.left < int64(n) {
		p[f.left] ^= 0x10
	}
	f.left -= int64(n)
	return n, err
}
