package delta

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Column is a column of a key.
type Column struct {
	Name string
	// Output is the output function of its type (pg_type.typoutput), qualified
	// and quoted: pg_catalog.int8out.
	Output string
}

// Kind is how the column is hashed: domains as what they are made of.
func (c Column) Kind() string {
	switch c.output() {
	case "pg_catalog.int2out", "pg_catalog.int4out", "pg_catalog.int8out":
		return Integer
	case "pg_catalog.uuid_out":
		return UUID
	}
	return Text
}

func (c Column) output() string { return strings.ReplaceAll(c.Output, `"`, "") }

// Key is the columns whose values together name a row, in the order of the
// index. None of them is ever NULL. An empty one is a table without a key: of
// such a table it can only be told whether it changed.
type Key []Column

// Kinds are those of the columns.
func (k Key) Kinds() []string {
	kinds := make([]string, len(k))
	for i, c := range k {
		kinds[i] = c.Kind()
	}
	return kinds
}

// mostBuckets bounds what a table's sums take: 4 MiB stored.
const mostBuckets = 1 << 18

// Geometry is how the rows of a table are divided into buckets by their keys.
// Sums can be compared if their geometries are equal.
type Geometry struct {
	// Buckets is how many there are: a power of two, 1 to 2^18.
	Buckets int `json:"buckets"`
	// Shift is how many low bits of a single integer that is the key are
	// passed over, so that neighbours share a bucket. Otherwise 0: the bucket
	// is then chosen by the hash of the key.
	Shift int `json:"shift,omitempty"`
	// Kinds are how the columns of the key are hashed: each is Text, Integer or
	// UUID. None: there is no key.
	Kinds []string `json:"kinds,omitempty"`
}

// Choose returns the geometry for a table of so many rows: buckets of 64 to 128
// rows, up to the greatest number of buckets. min and max are the bounds of the
// key where [ByValue], and may be estimates.
func Choose(rows int64, key Key, min, max int64) Geometry {
	g := Geometry{Buckets: 1, Kinds: key.Kinds()}
	if len(key) == 0 {
		return g
	}
	for g.Buckets < mostBuckets && rows/int64(g.Buckets) > 128 {
		g.Buckets *= 2
	}
	if ByValue(key) && max > min {
		width := uint64(max) - uint64(min)
		g.Shift = bits.Len64(width / uint64(g.Buckets))
	}
	if g.Shift == 64 { // one bucket for all that a bigint can be
		g.Shift = 63
	}
	return g
}

// ByValue reports whether the key is a single integer, whose value chooses the
// bucket.
func ByValue(key Key) bool { return len(key) == 1 && key[0].Kind() == Integer }

// Equal reports whether sums of g and o can be compared.
func (g Geometry) Equal(o Geometry) bool {
	return g.Buckets == o.Buckets && g.Shift == o.Shift && slices.Equal(g.Kinds, o.Kinds)
}

// Check refuses what [Choose] does not return for a key of so many columns. A
// geometry that was read from a set is checked before anything else is done
// with it.
func (g Geometry) Check(columns int) error {
	switch {
	case g.Buckets < 1 || g.Buckets > mostBuckets || g.Buckets&(g.Buckets-1) != 0:
		return fmt.Errorf("%d buckets of keys: want a power of two up to %d", g.Buckets, mostBuckets)
	case len(g.Kinds) != columns:
		return fmt.Errorf("a key of %d columns is hashed as one of %d", columns, len(g.Kinds))
	case columns == 0 && g.Buckets > 1:
		return fmt.Errorf("%d buckets of keys for a table that has no key", g.Buckets)
	case g.Shift < 0 || g.Shift > 63 || g.Shift > 0 && !g.integer():
		return fmt.Errorf("buckets of keys cannot be shifted by %d", g.Shift)
	}
	for _, k := range g.Kinds {
		if k != Text && k != Integer && k != UUID {
			return fmt.Errorf("keys are hashed in a way %q that this version of pgcofre does not know: upgrade it", k)
		}
	}
	return nil
}

func (g Geometry) integer() bool { return len(g.Kinds) == 1 && g.Kinds[0] == Integer }

// Key returns the bucket of a key and its hash, the summand of [Sum.Keys]. The
// fields are those of COPY's text, unescaped, in the server's encoding. g has
// been checked.
func (g Geometry) Key(fields [][]byte) (bucket int, hash uint64, err error) {
	if len(fields) != len(g.Kinds) {
		return 0, 0, fmt.Errorf("a key has %d fields instead of %d", len(fields), len(g.Kinds))
	}
	for i, k := range g.Kinds {
		if fields[i] == nil {
			return 0, 0, errors.New("a key has a NULL")
		}
		if hash, err = hashField(k, hash, fields[i]); err != nil {
			return 0, 0, err
		}
	}
	chooses := hash
	if g.integer() {
		v, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, 0, err
		}
		chooses = uint64(v >> g.Shift)
	}
	return int(chooses & uint64(g.Buckets-1)), hash, nil
}
