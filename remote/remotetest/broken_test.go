package remotetest_test

import (
	"bytes"
	"context"
	"io"
	"iter"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

type (
	object  = remote.Object
	listing = iter.Seq2[remote.Object, error]
)

// broken is a sink whose methods a defect replaces.
type broken struct {
	*remotetest.Mem
	put       func(ctx context.Context, name string, r io.Reader) (object, error)
	get       func(ctx context.Context, name string) (io.ReadCloser, error)
	getRange  func(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error)
	stat      func(ctx context.Context, name string) (object, error)
	list      func(ctx context.Context, prefix string) listing
	listLevel func(ctx context.Context, prefix string) listing
	delete    func(ctx context.Context, name string) error
	exclusive func(ctx context.Context, name string, r io.Reader) (object, error)
	sweep     func(ctx context.Context) error
}

func (b *broken) Put(ctx context.Context, name string, r io.Reader, _ *remote.PutOptions) (object, error) {
	if b.put != nil {
		return b.put(ctx, name, r)
	}
	return b.Mem.Put(ctx, name, r, nil)
}

func (b *broken) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if b.get != nil {
		return b.get(ctx, name)
	}
	return b.Mem.Get(ctx, name)
}

func (b *broken) GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	if b.getRange != nil {
		return b.getRange(ctx, name, offset, length)
	}
	return b.Mem.GetRange(ctx, name, offset, length)
}

func (b *broken) Stat(ctx context.Context, name string) (object, error) {
	if b.stat != nil {
		return b.stat(ctx, name)
	}
	return b.Mem.Stat(ctx, name)
}

func (b *broken) List(ctx context.Context, prefix string) listing {
	if b.list != nil {
		return b.list(ctx, prefix)
	}
	return b.Mem.List(ctx, prefix)
}

func (b *broken) ListLevel(ctx context.Context, prefix string) listing {
	if b.listLevel != nil {
		return b.listLevel(ctx, prefix)
	}
	return remote.ListLevel(ctx, b.Mem, prefix)
}

func (b *broken) Delete(ctx context.Context, name string) error {
	if b.delete != nil {
		return b.delete(ctx, name)
	}
	return b.Mem.Delete(ctx, name)
}

func (b *broken) PutExclusive(ctx context.Context, name string, r io.Reader, _ *remote.PutOptions) (object, error) {
	if b.exclusive != nil {
		return b.exclusive(ctx, name, r)
	}
	return b.Mem.PutExclusive(ctx, name, r, nil)
}

func (b *broken) Sweep(ctx context.Context, _ time.Time) (int, error) {
	if b.sweep != nil {
		return 0, b.sweep(ctx)
	}
	return 0, nil
}

// spoilt passes what each Get gives through f.
func (b *broken) spoilt(f func(name string, r io.Reader) io.Reader) {
	b.getRange = func(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
		rc, err := b.Mem.GetRange(ctx, name, offset, length)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(f(name, rc)), nil
	}
	b.get = func(ctx context.Context, name string) (io.ReadCloser, error) { return b.getRange(ctx, name, 0, -1) }
}

// relisted passes what each List gives, as a whole, through f.
func (b *broken) relisted(f func([]object) []object) {
	b.list = func(ctx context.Context, prefix string) listing {
		return func(yield func(object, error) bool) {
			var all []object
			for obj, err := range b.Mem.List(ctx, prefix) {
				if err != nil {
					yield(object{}, err)
					return
				}
				all = append(all, obj)
			}
			for _, obj := range f(all) {
				if !yield(obj, nil) {
					return
				}
			}
		}
	}
}

// described passes what each Put answers through f.
func (b *broken) described(f func(object) object) {
	b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
		obj, err := b.Mem.Put(ctx, name, r, nil)
		return f(obj), err
	}
}

// putOr stores data unless err says that it could not be had.
func (b *broken) putOr(ctx context.Context, name string, data []byte, err error) (object, error) {
	if err != nil {
		return object{}, err
	}
	return b.Mem.Put(ctx, name, bytes.NewReader(data), nil)
}
