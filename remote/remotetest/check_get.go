package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
)

func (s *suite) missingObject() error {
	if err := s.putAll("there/x", "there-x"); err != nil {
		return err
	}
	for _, name := range []string{"nothing", "there", "ther", "there/y", "there/x/y", "nothing/x", "there-"} {
		if err := s.absent(name); err != nil {
			return err
		}
		if _, err := remote.GetRange(s.ctx, s.sink, s.dir+name, 0, 0); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("range read of %q, which is not there, is not fs.ErrNotExist: %w", s.dir+name, orNil(err))
		}
		if err := s.sink.Delete(s.ctx, s.dir+name); err != nil {
			return fmt.Errorf("delete of what is not there: %w", err)
		}
	}
	return s.lists("", "there-x", "there/x")
}

func (s *suite) delete() error {
	if err := s.putAll("a", "a-b", "ab", "b/c", "b/d", "c/d/e"); err != nil {
		return err
	}
	left := []string{"a", "a-b", "ab", "b/c", "b/d", "c/d/e"}
	for len(left) > 0 {
		if err := s.sink.Delete(s.ctx, s.dir+left[0]); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		if err := s.absent(left[0]); err != nil {
			return fmt.Errorf("after Delete: %w", err)
		}
		left = left[1:]
		if err := s.lists("", left...); err != nil {
			return fmt.Errorf("after Delete: %w", err)
		}
	}
	// What was a folder may be an object now.
	if err := s.putAll("b", "c/d"); err != nil {
		return err
	}
	return s.lists("", "b", "c/d")
}

func (s *suite) refusedNames() error {
	for _, name := range []string{
		"", ".", "..", "/", "/etc/x", "../x", "x/../y", "x/..", "./x", "x/./y", "x//y", "x/", ".x", "x/.y",
		"nul\x00x", "new\nline", `x\y`, "\xff\xfe", strings.Repeat("n", remote.MaxName+1),
	} {
		rc, err := s.sink.Get(s.ctx, name)
		if err == nil {
			rc.Close()
		}
		calls := map[string]error{"Get": err}
		_, calls["Put"] = s.sink.Put(s.ctx, name, strings.NewReader("x"), nil)
		_, calls["Stat"] = remote.Stat(s.ctx, s.sink, name)
		_, calls["GetRange"] = remote.GetRange(s.ctx, s.sink, name, 0, 1)
		calls["Delete"] = s.sink.Delete(s.ctx, name)
		if e, ok := s.sink.(remote.ExclusivePutter); ok {
			_, calls["PutExclusive"] = e.PutExclusive(s.ctx, name, strings.NewReader("x"), nil)
		}
		for call, err := range calls {
			if !errors.Is(err, fs.ErrInvalid) {
				return fmt.Errorf("%s of %.20q, a name that CheckName refuses, is not fs.ErrInvalid: %w", call, name, orNil(err))
			}
		}
	}
	return nil
}

// doneContext calls everything with a context that is done already.
func (s *suite) doneContext() error {
	data := content(11, 100)
	if _, err := s.put("there", data); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	name := s.dir + "there"
	calls := map[string]error{"Delete": s.sink.Delete(ctx, name)}
	_, calls["Put"] = s.sink.Put(ctx, name, strings.NewReader("other"), nil)
	_, calls["Put of a new object"] = s.sink.Put(ctx, s.dir+"new", strings.NewReader("other"), nil)
	_, calls["Stat"] = remote.Stat(ctx, s.sink, name)
	calls["Get"] = readRange(ctx, s.sink, name)
	for _, err := range s.sink.List(ctx, s.dir) {
		calls["List"] = err
	}
	for _, err := range remote.ListLevel(ctx, s.sink, s.dir) {
		calls["ListLevel"] = err
	}
	for _, call := range []string{"Put", "Put of a new object", "Get", "Stat", "List", "ListLevel", "Delete"} {
		if err := calls[call]; !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s with a cancelled context does not give the context's error: %w", call, orNil(err))
		}
	}
	if err := s.absent("new"); err != nil {
		return err
	}
	return s.holds("there", data)
}

// readRange reads a whole object by GetRange.
func readRange(ctx context.Context, sink remote.RemoteSink, name string) error {
	rc, err := remote.GetRange(ctx, sink, name, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, rc)
	return errors.Join(err, rc.Close())
}

// cancelledGet cancels the context while an object is read.
func (s *suite) cancelledGet() error {
	if _, err := s.put("x", content(12, 9<<20)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	rc, err := s.sink.Get(ctx, s.dir+"x")
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	defer rc.Close()
	if _, err := io.ReadFull(rc, make([]byte, 1000)); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, rc); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("reading on after the context was cancelled does not give the context's error: %w", orNil(err))
	}
	return nil
}

func (s *suite) ranges() error {
	const size = 100_000
	data := content(13, size)
	if _, err := s.put("x", data); err != nil {
		return err
	}
	if _, err := s.put("empty", nil); err != nil {
		return err
	}
	for _, r := range []struct{ offset, length, want int64 }{
		{0, -1, size}, {0, size, size}, {0, 1, 1}, {0, 0, 0}, {1, 10, 10}, {777, 64 << 10, 64 << 10},
		{size - 1, 1, 1}, {size - 1, -1, 1}, {size - 10, 20, 10}, {0, size + 1, size}, {5, 1 << 40, size - 5},
		{size, 1, 0}, {size, -1, 0}, {size, 0, 0}, {size + 1, 5, 0}, {1 << 40, -1, 0},
	} {
		rc, err := remote.GetRange(s.ctx, s.sink, s.dir+"x", r.offset, r.length)
		if err != nil {
			return fmt.Errorf("range read of %d bytes from %d, of %d: %w", r.length, r.offset, size, err)
		}
		got, err := io.ReadAll(rc)
		if err = errors.Join(err, rc.Close()); err != nil {
			return fmt.Errorf("range read of %d bytes from %d, read: %w", r.length, r.offset, err)
		}
		from := min(r.offset, size)
		if !bytes.Equal(got, data[from:from+r.want]) {
			return fmt.Errorf("range read of %d bytes from %d, of %d, gives %d bytes that are not the %d wanted", r.length, r.offset, size, len(got), r.want)
		}
	}
	if err := readRange(s.ctx, s.sink, s.dir+"empty"); err != nil {
		return fmt.Errorf("range read of an empty object: %w", err)
	}
	for _, r := range [][2]int64{{-1, 5}, {0, -2}} {
		if _, err := remote.GetRange(s.ctx, s.sink, s.dir+"x", r[0], r[1]); !errors.Is(err, fs.ErrInvalid) {
			return fmt.Errorf("range read of %d bytes from %d is not fs.ErrInvalid: %w", r[1], r[0], orNil(err))
		}
	}
	return nil
}
