package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
)

// GetRange opens length bytes of an object from offset, or all from offset on
// if length is -1, as [RangeGetter] has it. From a sink without that it reads
// the object from its start and discards what comes before offset.
func GetRange(ctx context.Context, sink RemoteSink, name string, offset, length int64) (io.ReadCloser, error) {
	if g, ok := sink.(RangeGetter); ok {
		return g.GetRange(ctx, name, offset, length)
	}
	if err := CheckRange(offset, length); err != nil {
		return nil, &Error{Op: "get", Name: name, Err: err}
	}
	rc, err := sink.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, rc, offset); err != nil && err != io.EOF {
		return nil, errors.Join(err, rc.Close())
	}
	return cutRange(rc, length), nil
}

// CheckRange tells whether offset and length are a range that [RangeGetter]
// accepts. Errors wrap [io/fs.ErrInvalid].
func CheckRange(offset, length int64) error {
	if offset < 0 || length < -1 {
		return fmt.Errorf("%w: range of %d bytes from %d", fs.ErrInvalid, length, offset)
	}
	return nil
}

// cutRange ends rc after length bytes; -1 leaves it as it is. Closing the
// result closes rc.
func cutRange(rc io.ReadCloser, length int64) io.ReadCloser {
	if length < 0 {
		return rc
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(rc, length), rc}
}

// Stat describes one object. From a sink that is no [Stater] it takes the
// listing's word. A missing object's error wraps [io/fs.ErrNotExist].
func Stat(ctx context.Context, sink RemoteSink, name string) (Object, error) {
	if s, ok := sink.(Stater); ok {
		return s.Stat(ctx, name)
	}
	if err := CheckName(name); err != nil {
		return Object{}, &Error{Op: "stat", Name: name, Err: err}
	}
	// In byte order a name comes before all that it is a prefix of.
	for obj, err := range sink.List(ctx, name) {
		if err != nil {
			return Object{}, err
		}
		if obj.Name == name {
			return obj, nil
		}
		break
	}
	return Object{}, &Error{Op: "stat", Name: name, Err: fs.ErrNotExist}
}

// ListLevel lists one level, as [LevelLister] has it. From a sink without that
// it lists all that is below and skips it.
func ListLevel(ctx context.Context, sink RemoteSink, prefix string) iter.Seq2[Object, error] {
	if l, ok := sink.(LevelLister); ok {
		return l.ListLevel(ctx, prefix)
	}
	return func(yield func(Object, error) bool) {
		folder := ""
		for obj, err := range sink.List(ctx, prefix) {
			if err != nil {
				yield(Object{}, err)
				return
			}
			if !strings.HasPrefix(obj.Name, prefix) {
				yield(Object{}, &Error{Op: "list", Name: prefix, Err: fmt.Errorf("the sink gives %q, which does not begin so", obj.Name)})
				return
			}
			if folder != "" && strings.HasPrefix(obj.Name, folder) {
				continue
			}
			if i := strings.IndexByte(obj.Name[len(prefix):], '/'); i >= 0 {
				folder = obj.Name[:len(prefix)+i+1]
				obj = Object{Name: folder}
			}
			if !yield(obj, nil) {
				return
			}
		}
	}
}
