package backup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// change is what an incremental stores of a table instead of all rows: those
// written since the parent, which are in the table's ranges, and how to tell
// which of the parent's are gone.
type change struct {
	was    *manifest.TableName // its name in the parent, if another
	listed delta.Bitmap        // buckets that lost rows; empty: none
	kept   *pageRange          // the keys left in those buckets; nil: none is left
}

// decide finds out whether the run is an incremental, and of what in each table.
func (d *dump) decide(ctx context.Context) error {
	l := d.lineage
	if l == nil {
		return d.prepareTallies(ctx, nil)
	}
	why := l.promotion
	if why == nil {
		why = otherHistory(l.ancestry.chain[0], &d.info)
	}
	if why == nil {
		why = l.ancestry.states[l.ancestry.chain[0].ID].otherText(&d.info)
	}
	if why == nil {
		why = l.ancestry.states[l.ancestry.chain[0].ID].otherServer(&d.info)
	}
	if why != nil {
		d.promoted = why
		return d.prepareTallies(ctx, nil)
	}
	parent := l.ancestry.states[l.ancestry.chain[0].ID]
	if err := d.prepareTallies(ctx, parent); err != nil {
		return err
	}
	why, err := d.compare(ctx)
	if err != nil {
		return err
	}
	if why == nil {
		d.parent = l.ancestry.chain[0]
		return nil
	}
	d.promoted = why
	for _, t := range d.tables {
		t.change = nil
		if t.tally != nil {
			t.tally.parent = nil
		}
	}
	return nil
}

// since picks what was written between the parent's snapshot and this one. Both
// were read before.
func (d *dump) since() (since delta.Since, err error) {
	before, err := parseSnapshot(d.lineage.ancestry.chain[0].Database.Snapshot)
	if err != nil {
		return since, err
	}
	now, err := parseSnapshot(d.info.Snapshot)
	return delta.Since{XID: uint32(before.xmin), Next: uint32(now.xmax), Set: true}, err
}

// compare counts the tables that the parent has, too, and judges each.
func (d *dump) compare(ctx context.Context) (*promotion, error) {
	if d.uncounted != nil {
		return promote("%v", d.uncounted), nil
	}
	since, err := d.since()
	if err != nil {
		return nil, err
	}
	for _, t := range d.tables {
		if t.tally == nil || t.tally.parent == nil {
			continue
		}
		if err := d.lineage.ancestry.resolve(ctx, t.tally.parent); err != nil {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return promote("%v", err), nil
		}
		if t.tally.clock == nil { // which does not tell of every change
			t.tally.share = d.lineage.share(t)
		}
	}
	if err := d.work(ctx, "comparing", append(d.markTasks(), d.countTasks(since)...)); err != nil {
		return nil, err
	}
	for _, t := range d.tables {
		if t.tally == nil || t.tally.parent == nil {
			continue
		}
		t.change, err = t.tally.judge()
		var history *delta.HistoryError
		if errors.As(err, &history) {
			return promote("table %s: %v: %s is of another history, as after a failover that lost transactions, or of a copy of the database",
				pgsession.QuoteIdent(t.Schema, t.Name), err, d.lineage.ancestry.chain[0].ID), nil
		}
		if err != nil {
			return nil, err
		}
		t.planChange(since)
	}
	return nil, nil
}

// share is the part of a table's buckets whose content this run records. Each
// table has its own turn, so that small ones do not all have the same.
func (l *lineage) share(t *tableDump) delta.Share {
	n, buckets := l.proveWithin(), t.tally.table.Geometry.Buckets
	turn := (len(l.ancestry.chain) + int(t.OID%uint32(n))) % n
	return delta.Share{First: (turn*buckets + n - 1) / n, Last: ((turn+1)*buckets+n-1)/n - 1}
}

// judge tells what changed in a table; nil if all of its rows are to be stored.
func (r *tally) judge() (*change, error) {
	if r.unchanged() {
		return r.changed(nil), nil
	}
	if r.key == nil {
		return nil, delta.CheckHistory(r.parent.sums, r.counts)
	}
	compare := delta.Compare
	if r.clock != nil {
		compare = delta.CompareKeys
	}
	listed, err := compare(r.parent.sums, r.counts)
	if err != nil {
		return nil, err
	}
	if 2*r.counts.Changed.Total().Rows >= r.rows() {
		return nil, nil
	}
	return r.changed(listed), nil
}

func (r *tally) changed(listed delta.Bitmap) *change {
	c := &change{listed: listed}
	if r.parent.Schema != r.table.Schema || r.parent.Name != r.table.Name {
		c.was = &manifest.TableName{Schema: r.parent.Schema, Name: r.parent.Name}
	}
	return c
}

// planChange makes the ranges of a table whose changes alone are stored.
func (t *tableDump) planChange(since delta.Since) {
	if t.change == nil {
		return
	}
	since = t.tally.since(since)
	file := t.Entry.File.String()
	stem := strings.TrimSuffix(file, ".dat")
	for _, r := range t.tally.ranges {
		if r.changed == 0 {
			continue
		}
		if n := len(t.ranges); n > 0 {
			file = fmt.Sprintf("%s.%d.dat", stem, n+1)
		}
		t.ranges = append(t.ranges, &pageRange{file: file, sql: t.tally.table.ChangedSQL(since, r.Range)})
	}
	switch {
	case t.keptRows() == 0:
	case t.tally.clock != nil: // which may not tell that they changed
		t.ranges = append(t.ranges, &pageRange{file: stem + ".rest.dat", sql: t.tally.table.RowsSQL(since, t.change.listed)})
	default:
		t.change.kept = &pageRange{file: stem + ".keys", sql: t.tally.table.KeptSQL(since, t.change.listed)}
	}
}

// keptRows is how many keys the listed buckets have left of the parent's.
func (t *tableDump) keptRows() (n int64) {
	for i, b := range t.tally.counts.Kept {
		if t.change.listed.Has(i) {
			n += b.Rows
		}
	}
	return n
}

// checkChange holds what was copied against what was counted.
func (t *tableDump) checkChange() error {
	want := t.tally.counts.Changed.Total().Rows
	if t.tally.clock != nil {
		want += t.keptRows()
	}
	if got := t.digest().Rows; got != want {
		return fmt.Errorf("%d changed rows were copied, but the table has %d in the same snapshot", got, want)
	}
	if k := t.change.kept; k != nil && k.digest.Rows != t.keptRows() {
		return fmt.Errorf("%d keys were copied, but the table has %d in the same snapshot", k.digest.Rows, t.keptRows())
	}
	return nil
}

// describe fills in what contents.json says of the change.
func (t *tableDump) describeChange(m *manifest.Table) {
	r := t.tally
	m.Rows, m.Digest = r.rows(), ""
	m.Key = r.key
	if r.key != nil {
		m.Keys = fmt.Sprintf("%016x", r.counts.All().Total().Keys)
	}
	if s := r.share; s.First <= s.Last {
		m.Proof = &manifest.TableProof{From: s.First, To: s.Last + 1, Rows: r.counts.ContentRows, Sum: fmt.Sprintf("%016x", r.counts.Content)}
	}
	m.Delta = &manifest.Delta{Was: t.change.was, Rows: t.digest().Rows, Digest: t.digest().String(), Listed: t.change.listed}
	if r.clock != nil {
		m.Delta.Clock = r.clock.Columns
	}
	if k := t.change.kept; k != nil {
		m.Delta.Kept, m.Delta.KeptRows, m.Delta.KeptDigest = k.object, k.digest.Rows, k.digest.String()
	}
}
