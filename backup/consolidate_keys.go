package backup

import (
	"context"
	"errors"
	"io"
	"math/bits"

	"github.com/assist-move-assist/pgcofre/internal/delta"
)

// keyRoom is how many keys there is room for in memory: 20 MiB.
const keyRoom = 1 << 21

// keptMark marks a key that the newest listing of its bucket has. The other bits
// of a mark are the newest layer in which the row was written, 0 for none.
const keptMark = 1 << 15

// keySet remembers keys by their hashes, with a mark for each. A row whose hash
// is another's by chance would be lost, or kept: the sums that are checked in the
// end tell. It may be read by several goroutines.
type keySet struct {
	hashes []uint64
	marks  []uint16 // 0: the place is free
	free   int      // how many may still be taken: never all, lest a search go round for ever
	shift  int
}

// places is the room that so many keys are given: a power of two, of which they
// take three quarters at most.
func places(keys int64) int64 { return 1 << bits.Len64(uint64(max(keys+keys/3, 8)-1)) }

// newKeySet makes room for some keys.
func newKeySet(keys int64) *keySet {
	n := places(keys)
	return &keySet{hashes: make([]uint64, n), marks: make([]uint16, n), free: int(n - n/8), shift: 64 - bits.Len64(uint64(n-1))}
}

// clear forgets all keys.
func (s *keySet) clear() {
	clear(s.marks)
	s.free = len(s.marks) - len(s.marks)/8
}

// place is where a hash is, or would be.
func (s *keySet) place(hash uint64) int {
	for i := int(hash * 0x9e3779b97f4a7c15 >> s.shift); ; i = (i + 1) & (len(s.marks) - 1) {
		if s.marks[i] == 0 || s.hashes[i] == hash {
			return i
		}
	}
}

// mark returns the mark of a key, 0 for one that is not here. A nil set has none.
func (s *keySet) mark(hash uint64) uint16 {
	if s == nil {
		return 0
	}
	return s.marks[s.place(hash)]
}

// written notes that a row was written in a layer.
func (s *keySet) written(hash uint64, layer uint16) {
	i := s.take(hash)
	s.marks[i] = s.marks[i]&keptMark | max(s.marks[i]&^keptMark, layer)
}

// keep notes that the newest listing of its bucket has the key.
func (s *keySet) keep(hash uint64) { s.marks[s.take(hash)] |= keptMark }

// take is the place of a hash, which is its own from now on.
func (s *keySet) take(hash uint64) int {
	i := s.place(hash)
	if s.marks[i] != 0 {
		return i
	}
	if s.free == 0 { // hashes that are no longer spread by chance
		s.grow()
		i = s.place(hash)
	}
	s.free--
	s.hashes[i] = hash
	return i
}

func (s *keySet) grow() {
	old := *s
	*s = *newKeySet(int64(len(old.marks)))
	for i, m := range old.marks {
		if m != 0 {
			at := s.take(old.hashes[i])
			s.marks[at] = m
		}
	}
}

// keyShare is one pass over a table: the keys whose hashes are in one of several
// equal ranges.
type keyShare struct{ pass, passes uint64 }

func (s keyShare) has(hash uint64) bool {
	part, _ := bits.Mul64(hash, s.passes)
	return part == s.pass
}

// readKeys reads into an empty set which keys of the share were written in which
// layer, and which are kept.
func (c *consolidation) readKeys(ctx context.Context, t *mergedTable, s keyShare, set *keySet) error {
	job := &slot{jobs: c.jobs}
	if err := job.hold(ctx); err != nil {
		return err
	}
	defer job.release()
	geometry := geometryOf(t.Key)
	read := func(inputs []input, columns []string, note func(bucket int, hash uint64, layer uint16)) error {
		for _, in := range inputs {
			if in.layer == 0 {
				continue
			}
			err := c.w.retry(ctx, in.set.Path(in.name), func() error {
				return c.eachKey(ctx, in, columns, t.Key.Columns, geometry, func(bucket int, hash uint64) {
					if s.has(hash) {
						note(bucket, hash, in.layer)
					}
				})
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	err := read(t.rows, t.Columns, func(_ int, hash uint64, layer uint16) { set.written(hash, layer) })
	if err != nil {
		return err
	}
	return read(t.kept, t.Key.Columns, func(bucket int, hash uint64, layer uint16) {
		if t.listed[bucket] == layer {
			set.keep(hash)
		}
	})
}

// eachKey calls each with every key of an object.
func (c *consolidation) eachKey(ctx context.Context, in input, columns, key []string, geometry delta.Geometry, each func(bucket int, hash uint64)) error {
	fields, err := newFieldReader(columns, key)
	if err != nil {
		return err
	}
	rows := &cursor{c: c, inputs: []input{in}}
	defer rows.close()
	for {
		row, _, err := rows.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		values, err := fields.read(row[:len(row)-1])
		if err != nil {
			return in.damage(err)
		}
		bucket, hash, err := geometry.Key(values)
		if err != nil {
			return in.damage(err)
		}
		each(bucket, hash)
	}
}
