package remotetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/assist-move-assist/pgcofre/remote"
)

func (s *suite) roundTrip() error {
	for i, size := range []int{0, 1, 511, 4096, 1<<20 + 1} {
		name := fmt.Sprintf("%d.bin", size)
		data := content(uint64(i), size)
		opts := &remote.PutOptions{ContentType: "application/octet-stream"}
		obj, err := s.sink.Put(s.ctx, s.dir+name, bytes.NewReader(data), opts)
		if err != nil {
			return fmt.Errorf("put: %w", err)
		}
		if obj.Name != s.dir+name || obj.Size != int64(size) {
			return fmt.Errorf("put of %q, %d bytes, answers name %q and %d bytes", s.dir+name, size, obj.Name, obj.Size)
		}
		for range 2 {
			if err := s.holds(name, data); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *suite) overwrite() error {
	former, err := s.put("x", content(1, 1000))
	if err != nil {
		return err
	}
	if err := s.putAll("x-2"); err != nil {
		return err
	}
	for i, size := range []int{1000, 1000, 0, 70000} {
		data := content(uint64(2+i), size)
		obj, err := s.put("x", data)
		if err != nil {
			return err
		}
		if err := s.holds("x", data); err != nil {
			return err
		}
		stat, err := remote.Stat(s.ctx, s.sink, s.dir+"x")
		if err != nil {
			return fmt.Errorf("stat: %w", err)
		}
		if obj.Version != stat.Version {
			return fmt.Errorf("put answers version %q, Stat %q", obj.Version, stat.Version)
		}
		if obj.Version != "" && obj.Version == former.Version {
			return fmt.Errorf("version %q stays when the content changes", obj.Version)
		}
		former = obj
	}
	return s.lists("", "x", "x-2")
}

// oddReaders checks that Put takes readers as io.Reader allows them to be.
func (s *suite) oddReaders() error {
	data := content(3, 300_000)
	for name, r := range map[string]io.Reader{
		"bytewise": &oddReader{data: data[:5000], step: 1},
		"pauses":   &oddReader{data: data, step: 7919, pauses: true},
		"with-eof": &oddReader{data: data, step: 8192, early: true},
		"one-read": &oddReader{data: data[:100], step: 100, early: true},
	} {
		want := data
		if o := r.(*oddReader); len(o.data) < len(data) {
			want = o.data
		}
		if _, err := s.sink.Put(s.ctx, s.dir+name, r, nil); err != nil {
			return fmt.Errorf("put: %w", err)
		}
		if err := s.holds(name, want); err != nil {
			return err
		}
	}
	return nil
}

// oddReader gives data in steps.
type oddReader struct {
	data   []byte
	step   int
	pauses bool // a Read of 0 bytes before each step
	early  bool // io.EOF comes with the last bytes
	paused bool
}

func (r *oddReader) Read(p []byte) (int, error) {
	if r.pauses && !r.paused {
		r.paused = true
		return 0, nil
	}
	r.paused = false
	n := copy(p, r.data[:min(r.step, len(r.data))])
	r.data = r.data[n:]
	if len(r.data) == 0 && (n == 0 || r.early) {
		return n, io.EOF
	}
	return n, nil
}

var errReader = errors.New("this reader fails")

// failingReader checks that a reader's failure leaves nothing, and what was
// there where something was.
func (s *suite) failingReader() error {
	former := content(4, 2000)
	if _, err := s.put("there", former); err != nil {
		return err
	}
	// Object stores upload in parts: fail in the first, at its border, later.
	data := content(5, 9<<20)
	for _, n := range []int64{0, 1, 100_000, 5 << 20, 8<<20 + 1} {
		for _, name := range []string{"there", "new"} {
			_, err := s.sink.Put(s.ctx, s.dir+name, FailAfter(bytes.NewReader(data), n, errReader), nil)
			if !errors.Is(err, errReader) {
				return fmt.Errorf("put of %q from a reader that fails after %d bytes does not give the reader's error: %w", s.dir+name, n, orNil(err))
			}
		}
		if err := s.absent("new"); err != nil {
			return fmt.Errorf("after a reader failed at byte %d: %w", n, err)
		}
		if err := s.holds("there", former); err != nil {
			return fmt.Errorf("after a reader failed at byte %d: %w", n, err)
		}
	}
	return s.lists("", "there")
}

// allOrNothing checks from inside a Put that its object is not there yet.
func (s *suite) allOrNothing() error {
	former := content(6, 3000)
	if _, err := s.put("there", former); err != nil {
		return err
	}
	large := content(7, 9<<20)
	for _, at := range []int64{0, 1, 6 << 20} {
		data := large[:max(at+at/2, 1000)]
		var seen error
		look := func() error {
			seen = errors.Join(s.absent("new"), s.holds("there", former))
			return io.EOF
		}
		for _, name := range []string{"new", "there"} {
			r := io.MultiReader(
				bytes.NewReader(data[:at]),
				readFunc(func([]byte) (int, error) { return 0, look() }),
				bytes.NewReader(data[at:]))
			if _, err := s.sink.Put(s.ctx, s.dir+name, r, nil); err != nil {
				return fmt.Errorf("put: %w", err)
			}
			if seen != nil {
				return fmt.Errorf("while Put of %q has read %d bytes: %w", s.dir+name, at, seen)
			}
			if err := s.holds(name, data); err != nil {
				return err
			}
			if err := s.sink.Delete(s.ctx, s.dir+"new"); err != nil {
				return fmt.Errorf("delete: %w", err)
			}
			if _, err := s.put("there", former); err != nil {
				return err
			}
		}
	}
	return nil
}

// readFunc is a function as a reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func (s *suite) largeObject() error {
	source := io.LimitReader(rand.NewChaCha8([32]byte{8}), s.large)
	sent := sha256.New()
	name := s.dir + "large"
	obj, err := s.sink.Put(s.ctx, name, io.TeeReader(source, sent), nil)
	if err != nil {
		return fmt.Errorf("put: %w", err)
	}
	if obj.Size != s.large {
		return fmt.Errorf("put of %d bytes answers %d bytes", s.large, obj.Size)
	}
	rc, err := s.sink.Get(s.ctx, name)
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	defer rc.Close()
	received := sha256.New()
	n, err := io.Copy(received, rc)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if n != s.large || !bytes.Equal(sent.Sum(nil), received.Sum(nil)) {
		return fmt.Errorf("%d bytes were stored, and %d bytes with another hash come back", s.large, n)
	}
	return s.sink.Delete(s.ctx, name)
}

// cancelledPut cancels the context while the reader is read.
func (s *suite) cancelledPut() error {
	former := content(9, 2000)
	if _, err := s.put("there", former); err != nil {
		return err
	}
	data := content(10, 9<<20)
	for _, n := range []int64{0, 1, 6 << 20, int64(len(data))} {
		for _, name := range []string{"there", "new"} {
			ctx, cancel := context.WithCancel(s.ctx)
			r := io.MultiReader(
				bytes.NewReader(data[:n]),
				readFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF }),
				bytes.NewReader(data[n:]))
			_, err := s.sink.Put(ctx, s.dir+name, r, nil)
			cancel()
			if !errors.Is(err, context.Canceled) {
				return fmt.Errorf("put cancelled after %d bytes does not give the context's error: %w", n, orNil(err))
			}
		}
		if err := s.absent("new"); err != nil {
			return fmt.Errorf("after a Put was cancelled at byte %d: %w", n, err)
		}
		if err := s.holds("there", former); err != nil {
			return fmt.Errorf("after a Put was cancelled at byte %d: %w", n, err)
		}
	}
	return s.lists("", "there")
}
