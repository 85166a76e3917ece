package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// mostLayers is how many sets a chain may have, so that a set's place in it fits
// beside a flag in 16 bits.
const mostLayers = 1<<15 - 1

// mergedTable is a table of the point, and where its rows are. A layer is a set's
// place in the chain; the rows that all others replace are in layer 0, whichever
// set they are from.
type mergedTable struct {
	*manifest.Table
	at     manifest.TableName // what it was called in the set that was read last
	rows   []input            // objects with rows, oldest first
	kept   []input            // objects with keys of buckets that lost rows
	listed []uint16           // by bucket: the newest layer that lists it, 0: none; nil: none at all
	whole  string             // the digest of all rows, where that is known
	found  int64              // rows in the objects
	raw    int64              // bytes in the objects with rows
	keys   int64              // keys that changed or were kept, at most
	clock  []string           // columns by which some rows were taken for written

	passes  int64
	strands []*strand // of one pass after the other
}

// input is an object of the chain.
type input struct {
	set   *manifest.Manifest
	name  string
	raw   int64
	layer uint16
}

func (t *mergedTable) quoted() string { return pgsession.QuoteIdent(t.Schema, t.Name) }

// readTables reads what each set says of the point's tables, from the point
// back, until the sets are found that have all of their rows. It holds one
// contents.json beside the point's, and keeps of it what changed.
func (c *consolidation) readTables(ctx context.Context) error {
	var open []*mergedTable
	for i := range c.contents.Tables {
		t := &c.contents.Tables[i]
		open = append(open, &mergedTable{Table: t, at: manifest.TableName{Schema: t.Schema, Name: t.Name}})
	}
	c.tables = slices.Clone(open)
	contents := c.contents
	for layer := len(c.chain.Sets) - 1; len(open) > 0; layer-- {
		set := c.chain.Sets[layer]
		if contents == nil {
			var err error
			if contents, err = set.Contents(ctx); err != nil {
				return err
			}
		}
		byName := map[manifest.TableName]*manifest.Table{}
		for i := range contents.Tables {
			t := &contents.Tables[i]
			byName[manifest.TableName{Schema: t.Schema, Name: t.Name}] = t
		}
		var deeper []*mergedTable
		for _, t := range open {
			more, err := t.read(set.Manifest, uint16(layer), byName[t.at])
			if err != nil {
				return &manifest.DamageError{Set: set.ID, Object: manifest.ContentsName,
					Err: fmt.Errorf("table %s: %w", pgsession.QuoteIdent(t.at.Schema, t.at.Name), err)}
			}
			if more {
				deeper = append(deeper, t)
			}
		}
		open, contents = deeper, nil
	}
	for _, t := range c.tables {
		slices.Reverse(t.rows)
	}
	return nil
}

// read takes in what a set says of the table, and tells whether older rows are
// in the sets that it builds on.
func (t *mergedTable) read(set *manifest.Manifest, layer uint16, in *manifest.Table) (more bool, err error) {
	switch {
	case in == nil:
		return false, errors.New("it is not there, though a later set builds on it")
	case !slices.Equal(in.Columns, t.Columns):
		return false, errors.New("it has other columns than in the set that builds on it")
	case in.Delta != nil && layer == 0:
		return false, errors.New("a full set has its changes alone")
	}
	d := in.Delta
	if d == nil {
		if t.keys == 0 && t.listed == nil {
			t.whole = in.Digest
		}
		return false, t.addRows(set, 0, in.Rows, in.Objects)
	}
	t.at = manifest.TableName{Schema: in.Schema, Name: in.Name}
	if d.Was != nil {
		t.at = *d.Was
	}
	if len(d.Clock) > 0 {
		t.clock = d.Clock
	}
	if d.Rows == 0 && len(d.Listed) == 0 {
		return true, nil
	}
	if t.Key == nil || !slices.Equal(in.Key.Columns, t.Key.Columns) || !geometryOf(in.Key).Equal(geometryOf(t.Key)) {
		return false, errors.New("it has another key than in the set that builds on it")
	}
	t.keys += d.Rows
	if err := t.addRows(set, layer, d.Rows, in.Objects); err != nil {
		return false, err
	}
	return true, t.addListed(set, layer, d)
}

func (t *mergedTable) addRows(set *manifest.Manifest, layer uint16, rows int64, objects []string) error {
	t.found += rows
	for _, name := range slices.Backward(objects) {
		obj, ok := set.Object(name)
		if !ok {
			return fmt.Errorf("it has rows in %s, which the manifest does not list", name)
		}
		t.raw += obj.Raw
		t.rows = append(t.rows, input{set, name, obj.Raw, layer})
	}
	return nil
}

// addListed notes the buckets that a set lists, where no later one does.
func (t *mergedTable) addListed(set *manifest.Manifest, layer uint16, d *manifest.Delta) error {
	newest := false
	for b := range t.Key.Buckets {
		if !delta.Bitmap(d.Listed).Has(b) {
			continue
		}
		if t.listed == nil {
			t.listed = make([]uint16, t.Key.Buckets)
		}
		if t.listed[b] == 0 {
			t.listed[b], newest = layer, true
		}
	}
	if d.Kept == "" || !newest {
		return nil
	}
	obj, ok := set.Object(d.Kept)
	if !ok {
		return fmt.Errorf("it has keys in %s, which the manifest does not list", d.Kept)
	}
	t.keys += d.KeptRows
	t.kept = append(t.kept, input{set, d.Kept, obj.Raw, layer})
	return nil
}
