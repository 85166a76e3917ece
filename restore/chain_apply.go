package restore

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// changes brings the changes of a chain to a table that has the rows of the
// chain's base and, for speed, the index of the key, but nothing else yet that a
// row which is not the last could be at odds with.
//
// Each set's changes are applied after those before it: rows that have a key of
// one that was written go, then those that were written come. What was deleted
// goes at the very end, in one pass over the table. Until then there may be rows
// too many, which harm nobody: a row that comes later with the same key takes
// their place.
//
// It runs in a transaction of the caller's, and needs the memory of one row.
type changes struct {
	feed
	*proof.Layers
	table string // quoted
	copy  string // takes rows
	key   *pgschema.Key
	keyed delta.Table // with the key

	last []int // by bucket, the number of the last change that lists it, from 1; nil: none lists any
}

// Temporary tables of a transaction.
const (
	writtenKeys = "pg_temp.pgcofre_written" // keys of the rows that one set has
	leftKeys    = "pg_temp.pgcofre_left"    // text of the keys of all rows that belong into buckets that lost some
)

func (c *changes) apply(ctx context.Context) error {
	if len(c.Changes) == 0 {
		return nil
	}
	var err error
	if c.keyed, err = proof.Buckets(c.Table, c.key); err != nil {
		return err
	}
	c.findListed()
	if err := c.makeTables(ctx); err != nil {
		return err
	}
	for i, layer := range c.Changes {
		if err := c.change(ctx, i+1, layer); err != nil {
			return err
		}
	}
	if c.last == nil {
		return c.exec(ctx, "DROP TABLE "+writtenKeys)
	}
	if err := c.purge(ctx); err != nil {
		return err
	}
	return c.exec(ctx, "DROP TABLE "+writtenKeys+", "+leftKeys)
}

// findListed notes which change says of each bucket, as the last, what is left
// in it.
func (c *changes) findListed() {
	for i, layer := range c.Changes {
		for bucket := range c.Key.Buckets {
			if delta.Bitmap(layer.Delta.Listed).Has(bucket) {
				if c.last == nil {
					c.last = make([]int, c.Key.Buckets)
				}
				c.last[bucket] = i + 1
			}
		}
	}
}

// listedUntil are the buckets whose last listing is by a change up to a number.
func (c *changes) listedUntil(number int) delta.Bitmap {
	listed := make(delta.Bitmap, (len(c.last)+7)/8)
	for bucket, last := range c.last {
		if last > 0 && last <= number {
			listed[bucket/8] |= 1 << (bucket % 8)
		}
	}
	return listed
}

// makeTables makes the temporary tables.
func (c *changes) makeTables(ctx context.Context) error {
	const made = " USING heap ON COMMIT DROP"
	// With the default of 4 MB joins would write most of what they read to disk.
	if err := c.exec(ctx, "SET LOCAL work_mem = '64MB'"); err != nil {
		return err
	}
	var columns []string
	for i, name := range c.Columns {
		if c.isKey()[i] {
			columns = append(columns, quoteName(name))
		}
	}
	sql := "CREATE TEMPORARY TABLE " + writtenKeys + made + " AS SELECT " + strings.Join(columns, ", ") + " FROM ONLY " + c.table + " WITH NO DATA"
	if err := c.exec(ctx, sql); err != nil || c.last == nil {
		return err
	}
	columns = nil
	for i := range c.key.Columns {
		columns = append(columns, fmt.Sprintf(`k%d pg_catalog.text COLLATE pg_catalog."C"`, i+1))
	}
	return c.exec(ctx, "CREATE TEMPORARY TABLE "+leftKeys+" ("+strings.Join(columns, ", ")+")"+made)
}

// isKey tells of each column whether it is part of the key.
func (c *changes) isKey() []bool {
	is := make([]bool, len(c.Columns))
	for i, name := range c.Columns {
		is[i] = slices.Contains(c.Key.Columns, name)
	}
	return is
}

// change applies one set's changes, all but the deletions.
func (c *changes) change(ctx context.Context, number int, layer proof.Layer) error {
	if len(layer.Objects) > 0 {
		if err := c.replace(ctx, layer); err != nil {
			return err
		}
		if c.last != nil {
			if err := c.exec(ctx, fmt.Sprintf("INSERT INTO %s SELECT %s FROM %s k WHERE %s",
				leftKeys, strings.Join(c.texts("k"), ", "), writtenKeys, c.keyed.ListedSQL(c.listedUntil(number)))); err != nil {
				return err
			}
		}
		if err := c.exec(ctx, "TRUNCATE "+writtenKeys); err != nil {
			return err
		}
	}
	kept := layer.Delta.Kept
	if kept == "" || !slices.Contains(c.last, number) {
		return nil
	}
	d, err := c.feed.rows(ctx, layer.Set, kept, "COPY "+leftKeys+" FROM STDIN", func(src io.Reader) io.Reader {
		return newBucketReader(src, c.keyed.Geometry, func(bucket int) bool { return c.last[bucket] == number })
	})
	if err == nil {
		err = c.check(layer, "kept keys", kept, d, layer.Delta.KeptDigest)
	}
	return err
}

// replace puts the rows that a set has in the place of those of the same keys.
func (c *changes) replace(ctx context.Context, layer proof.Layer) error {
	for _, object := range layer.Objects {
		if _, err := c.feed.rows(ctx, layer.Set, object, "COPY "+writtenKeys+" FROM STDIN", func(src io.Reader) io.Reader {
			return newKeyReader(src, c.isKey())
		}); err != nil {
			return err
		}
	}
	var same []string
	for _, k := range c.key.Columns {
		same = append(same, fmt.Sprintf("r.%[1]s %[2]s k.%[1]s", quoteName(k.Name), k.Equal))
	}
	if err := c.exec(ctx, "DELETE FROM ONLY "+c.table+" r USING "+writtenKeys+" k WHERE "+strings.Join(same, " AND ")); err != nil {
		return err
	}
	var sum codec.Digest
	for _, object := range layer.Objects {
		d, err := c.feed.rows(ctx, layer.Set, object, c.copy, nil)
		if err != nil {
			return err
		}
		sum.Merge(d)
	}
	return c.check(layer, "changed rows", strings.Join(layer.Objects, ", "), sum, layer.Delta.Digest)
}

// purge deletes what is in a bucket that lost rows, and does not belong there.
func (c *changes) purge(ctx context.Context) error {
	var same []string
	for i, text := range c.texts("r") {
		same = append(same, fmt.Sprintf("k.k%d OPERATOR(pg_catalog.=) %s", i+1, text))
	}
	return c.exec(ctx, fmt.Sprintf("DELETE FROM ONLY %s r WHERE %s AND NOT EXISTS (SELECT FROM %s k WHERE %s)",
		c.table, c.keyed.ListedSQL(c.listedUntil(len(c.Changes))), leftKeys, strings.Join(same, " AND ")))
}

// texts are expressions for the text of a row's key, column by column, as COPY
// writes it.
func (c *changes) texts(row string) (list []string) {
	for _, k := range c.key.Columns {
		list = append(list, fmt.Sprintf(`pg_catalog.textin(%s(%s.%s)) COLLATE pg_catalog."C"`, k.Output, row, quoteName(k.Name)))
	}
	return list
}

// check compares what was sent with what a set recorded.
func (c *changes) check(layer proof.Layer, what, objects string, got codec.Digest, recorded string) error {
	want, err := codec.ParseDigest(recorded)
	if err == nil && !got.Equal(want) {
		err = fmt.Errorf("table %s: it has %d %s whose digest is not that of the %d that were backed up", c.table, got.Rows, what, want.Rows)
	}
	if err != nil {
		return &proof.DamageError{Set: layer.Set.ID, Object: objects, Err: err}
	}
	return nil
}

func (c *changes) exec(ctx context.Context, sql string) error {
	if _, err := c.conn.Exec(ctx, sql); err != nil {
		return entryError(c.entry, sql, err)
	}
	return nil
}
