package remotetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Mem is a sink in memory, for tests. It may be used by several goroutines at
// a time.
type Mem struct {
	// Now is the store's clock. Default: time.Now. Set it before the first use.
	Now func() time.Time

	mu      sync.Mutex
	objects map[string]stored
	version int
}

type stored struct {
	remote.Object
	data []byte // never changed
}

var (
	_ remote.RemoteSink      = (*Mem)(nil)
	_ remote.RangeGetter     = (*Mem)(nil)
	_ remote.Stater          = (*Mem)(nil)
	_ remote.ExclusivePutter = (*Mem)(nil)
)

// NewMem returns an empty sink.
func NewMem() *Mem {
	return &Mem{Now: time.Now, objects: map[string]stored{}}
}

// String names the sink in errors.
func (m *Mem) String() string { return "memory" }

// Put stores an object.
func (m *Mem) Put(ctx context.Context, name string, r io.Reader, _ *remote.PutOptions) (remote.Object, error) {
	return m.put(ctx, name, r, false)
}

// PutExclusive stores an object unless there is one.
func (m *Mem) PutExclusive(ctx context.Context, name string, r io.Reader, _ *remote.PutOptions) (remote.Object, error) {
	return m.put(ctx, name, r, true)
}

func (m *Mem) put(ctx context.Context, name string, r io.Reader, exclusive bool) (remote.Object, error) {
	if err := check(ctx, name); err != nil {
		return remote.Object{}, fail("put", name, err)
	}
	var data bytes.Buffer
	_, err := data.ReadFrom(ctxReader{ctx, r})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return remote.Object{}, fail("put", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.objects[name]; ok && exclusive {
		return remote.Object{}, fail("put", name, fs.ErrExist)
	}
	m.version++
	obj := remote.Object{Name: name, Size: int64(data.Len()), ModTime: m.Now(), Version: strconv.Itoa(m.version)}
	m.objects[name] = stored{obj, data.Bytes()}
	return obj, nil
}

// Get opens an object.
func (m *Mem) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return m.GetRange(ctx, name, 0, -1)
}

// GetRange opens a part of an object.
func (m *Mem) GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	err := remote.CheckRange(offset, length)
	var s stored
	if err == nil {
		s, err = m.find(ctx, name)
	}
	if err != nil {
		return nil, fail("get", name, err)
	}
	data := s.data[min(offset, s.Size):]
	if length >= 0 {
		data = data[:min(length, int64(len(data)))]
	}
	return io.NopCloser(ctxReader{ctx, bytes.NewReader(data)}), nil
}

// Stat describes an object.
func (m *Mem) Stat(ctx context.Context, name string) (remote.Object, error) {
	s, err := m.find(ctx, name)
	if err != nil {
		return remote.Object{}, fail("stat", name, err)
	}
	return s.Object, nil
}

func (m *Mem) find(ctx context.Context, name string) (stored, error) {
	if err := check(ctx, name); err != nil {
		return stored{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.objects[name]
	if !ok {
		return stored{}, fs.ErrNotExist
	}
	return s, nil
}

// List lists the objects that are there when the iteration starts.
func (m *Mem) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return func(yield func(remote.Object, error) bool) {
		if err := remote.CheckPrefix(prefix); err != nil {
			yield(remote.Object{}, fail("list", prefix, err))
			return
		}
		m.mu.Lock()
		all := maps.Clone(m.objects)
		m.mu.Unlock()
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if err := ctx.Err(); err != nil {
				yield(remote.Object{}, fail("list", prefix, err))
				return
			}
			if strings.HasPrefix(name, prefix) && !yield(all[name].Object, nil) {
				return
			}
		}
	}
}

// Delete removes an object.
func (m *Mem) Delete(ctx context.Context, name string) error {
	if err := check(ctx, name); err != nil {
		return fail("delete", name, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, name)
	return nil
}

func check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return remote.CheckName(name)
}

func fail(op, name string, err error) error {
	return &remote.Error{Op: op, Sink: "memory", Name: name, Err: err}
}

// ctxReader fails once its context is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, fmt.Errorf("read: %w", err)
	}
	return r.r.Read(p)
}
