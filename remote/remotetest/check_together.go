package remotetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// together runs f n times at a time, and returns what failed.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (s *suite) exclusivePut() error {
	e, ok := s.sink.(remote.ExclusivePutter)
	if !ok {
		return nil
	}
	name := s.dir + "x"
	if _, err := e.PutExclusive(s.ctx, name, FailAfter(bytes.NewReader(content(14, 500)), 300, errReader), nil); !errors.Is(err, errReader) {
		return fmt.Errorf("exclusive put from a reader that fails does not give the reader's error: %w", orNil(err))
	}
	if err := s.absent("x"); err != nil {
		return fmt.Errorf("after a reader failed: %w", err)
	}
	first := content(15, 500)
	obj, err := e.PutExclusive(s.ctx, name, bytes.NewReader(first), nil)
	if err != nil {
		return fmt.Errorf("exclusive put: %w", err)
	}
	if obj.Name != name || obj.Size != int64(len(first)) {
		return fmt.Errorf("exclusive put of %q, %d bytes, answers name %q and %d bytes", name, len(first), obj.Name, obj.Size)
	}
	if _, err := e.PutExclusive(s.ctx, name, bytes.NewReader(content(16, 600)), nil); !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("exclusive put of what is there is not fs.ErrExist: %w", orNil(err))
	}
	if err := s.holds("x", first); err != nil {
		return err
	}
	if err := s.lists("", "x"); err != nil {
		return err
	}
	if _, err := s.put("x", content(17, 700)); err != nil {
		return err
	}

	// Of many at a time one wins, and its content is there.
	const n = 8
	var won [n]bool
	err = together(n, func(i int) error {
		_, err := e.PutExclusive(s.ctx, s.dir+"race", bytes.NewReader(content(uint64(i), 5000)), nil)
		won[i] = err == nil
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("exclusive put, %d at a time: %w", n, err)
	}
	winner := -1
	for i := range n {
		if won[i] && winner >= 0 {
			return fmt.Errorf("exclusive put of one name succeeds more than once of %d at a time", n)
		}
		if won[i] {
			winner = i
		}
	}
	if winner < 0 {
		return fmt.Errorf("exclusive put of one name succeeds for none of %d at a time", n)
	}
	return s.holds("race", content(uint64(winner), 5000))
}

// concurrentUse overwrites one object, and stores, lists and deletes others,
// while readers look on.
func (s *suite) concurrentUse() error {
	const workers, rounds = 8, 5
	versions := make([][]byte, workers)
	for i := range versions {
		versions[i] = content(uint64(i), 40_000+i)
	}
	if _, err := s.put("shared", versions[0]); err != nil {
		return err
	}
	err := together(workers, func(i int) error {
		own := fmt.Sprintf("own-%d", i)
		for round := range rounds {
			if _, err := s.put(own, versions[(i+round)%workers]); err != nil {
				return err
			}
			if err := s.holds(own, versions[(i+round)%workers]); err != nil {
				return err
			}
			if _, err := s.put("shared", versions[i]); err != nil {
				return err
			}
			got, err := s.get("shared")
			if err != nil {
				return err
			}
			if k := len(got) - 40_000; k < 0 || k >= workers || !bytes.Equal(got, versions[k]) {
				return fmt.Errorf("get of an object being overwritten gives %d bytes that are not the content of one Put", len(got))
			}
			names, err := s.names("")
			if err != nil {
				return err
			}
			for j := 1; j < len(names); j++ {
				if names[j-1] >= names[j] {
					return fmt.Errorf("list gives %q before %q while others store and delete", names[j-1], names[j])
				}
			}
			if err := s.sink.Delete(s.ctx, s.dir+own); err != nil {
				return fmt.Errorf("delete: %w", err)
			}
			if err := s.absent(own); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.lists("", "shared")
}

// concurrentFolder stores and deletes the only objects of a folder, which
// comes and goes with them in sinks that have folders.
func (s *suite) concurrentFolder() error {
	return together(4, func(i int) error {
		name := fmt.Sprintf("folder/sub/%d", i)
		for round := range 20 {
			data := content(uint64(round), 10)
			if _, err := s.put(name, data); err != nil {
				return err
			}
			if err := s.holds(name, data); err != nil {
				return err
			}
			if err := s.sink.Delete(s.ctx, s.dir+name); err != nil {
				return fmt.Errorf("delete: %w", err)
			}
		}
		return nil
	})
}

// sweep checks that sweeping leaves what was stored alone.
func (s *suite) sweep() error {
	sw, ok := s.sink.(remote.Sweeper)
	if !ok {
		return nil
	}
	data := content(18, 1000)
	if _, err := s.put("x", data); err != nil {
		return err
	}
	// A Put at work is younger than this, and stays.
	r := io.MultiReader(bytes.NewReader(data), readFunc(func([]byte) (int, error) {
		if _, err := sw.Sweep(s.ctx, time.Now().AddDate(0, 0, -2)); err != nil {
			return 0, fmt.Errorf("sweep: %w", err)
		}
		return 0, io.EOF
	}))
	if _, err := s.sink.Put(s.ctx, s.dir+"y", r, nil); err != nil {
		return fmt.Errorf("put during a Sweep: %w", err)
	}
	for range 2 {
		if _, err := sw.Sweep(s.ctx, time.Now().AddDate(0, 0, 2)); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
	}
	if err := s.holds("x", data); err != nil {
		return err
	}
	return s.holds("y", data)
}
