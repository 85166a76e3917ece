package delta

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// changedBit marks, in what SumsSQL numbers groups by, those of changed rows.
const changedBit = mostBuckets

// Counts is what one snapshot shows of a table.
type Counts struct {
	Kept, Changed Sums // of the rows that Since did not pick, and of those it did
	// Content is the sum modulo 2^64 of [Hash], with seed 0, of the
	// [RecordText] of all rows in the Share; ContentRows is how many those are.
	Content     uint64
	ContentRows int64
}

// NewCounts returns those of an empty table.
func NewCounts(g Geometry) *Counts {
	return &Counts{Kept: make(Sums, g.Buckets), Changed: make(Sums, g.Buckets)}
}

// All is the sums of all rows, changed or not: what the next backup compares
// with.
func (c *Counts) All() Sums {
	all := append(Sums(nil), c.Kept...)
	for i, s := range c.Changed {
		all[i].add(s)
	}
	return all
}

// Merge adds the rows of o, which is of the same geometry.
func (c *Counts) Merge(o *Counts) {
	for i := range o.Kept {
		c.Kept[i].add(o.Kept[i])
		c.Changed[i].add(o.Changed[i])
	}
	c.Content += o.Content
	c.ContentRows += o.ContentRows
}

// Read runs a query of [Table.SumsSQL] and adds what it returns. After an error
// nothing was added.
func (c *Counts) Read(ctx context.Context, conn *pgx.Conn, sql string) error {
	type group struct {
		number     int
		sum        Sum
		content    uint64
		hasContent bool
	}
	var groups []group
	rows := conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil)
	var bad error
	for rows.NextRow() {
		v := rows.Values()
		number, err := strconv.Atoi(string(v[0]))
		if bucket := number &^ changedBit; err != nil || number < 0 || bucket >= len(c.Kept) {
			bad = fmt.Errorf("a row belongs to bucket %q of %d: is a key column NULL?", v[0], len(c.Kept))
			continue
		}
		groups = append(groups, group{
			number:     number,
			sum:        Sum{Rows: int64(wrap(v[1])), Keys: wrap(v[2]), Versions: uint32(wrap(v[3]))},
			content:    wrap(v[4]),
			hasContent: v[4] != nil,
		})
	}
	if _, err := rows.Close(); err != nil || bad != nil {
		return fmt.Errorf("summing up the rows of a table: %w", errors.Join(err, bad))
	}
	for _, g := range groups {
		sums := c.Kept
		if g.number&changedBit != 0 {
			sums = c.Changed
		}
		sums[g.number&^changedBit].add(g.sum)
		if g.hasContent {
			c.Content += g.content
			c.ContentRows += g.sum.Rows
		}
	}
	return nil
}

// wrap reads a whole number modulo 2^64.
func wrap(text []byte) (v uint64) {
	for _, d := range text {
		if d != '-' {
			v = v*10 + uint64(d-'0')
		}
	}
	if len(text) > 0 && text[0] == '-' {
		return -v
	}
	return v
}
