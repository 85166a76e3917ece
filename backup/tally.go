package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// tally is what a run finds out about a table's rows by buckets of keys: for the
// next incremental, and against the tally of the parent, if that has one.
type tally struct {
	table  delta.Table
	shape  *pgschema.Shape
	key    *manifest.Key // nil: all rows are one bucket
	parent *tableState   // nil: the parent has none that can be compared
	share  delta.Share   // buckets whose content is hashed
	clock  *delta.Clock  // by which rows are picked; nil: by transactions
	mark   string        // where the next run picks from, by the clock
	ranges []*countedRange

	mu     sync.Mutex
	counts *delta.Counts
}

// countedRange is a part of a table that is counted at a time.
type countedRange struct {
	delta.Range
	changed int64 // rows written since the parent
}

// prepareTallies chooses the tables whose rows are counted by buckets, and how.
// Others are stored whole each time: those whose rows' text may change
// though nobody writes them, whose rows are not all in the backup, that are
// loaded through their partition root, and that are no heaps.
func (d *dump) prepareTallies(ctx context.Context, parent *state) error {
	if !d.recording() {
		return nil
	}
	return d.s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		if err := delta.CheckHash(ctx, conn); err != nil {
			var unlike *delta.HashError
			if errors.As(err, &unlike) {
				d.uncounted = err
				return nil
			}
			return err
		}
		shapes, err := pgschema.Shapes(ctx, conn, d.schema.Tables)
		if err != nil {
			return err
		}
		known := map[uint32]*tableState{}
		if parent != nil {
			for i := range parent.Tables {
				known[parent.Tables[i].OID] = &parent.Tables[i]
			}
		}
		for _, t := range d.tables {
			shape := shapes[t.OID]
			if shape == nil || shape.Volatile || !t.Heap || t.Filter != "" || t.RootName != "" {
				continue
			}
			t.tally = newTally(t, shape)
		}
		if err := d.setClocks(ctx, conn); err != nil {
			return err
		}
		for _, t := range d.tables {
			if t.tally != nil && t.tally.comparable(known[t.OID]) {
				t.tally.inherit(known[t.OID])
			}
		}
		return d.chooseGeometries(ctx, conn)
	})
}

// recording tells whether incrementals are to build on the set.
func (d *dump) recording() bool {
	o := d.w.opts
	return !d.NoState && o.Purpose == manifest.Backup && (len(o.Recipients) == 0 || o.StateKey != nil)
}

func newTally(t *tableDump, shape *pgschema.Shape) *tally {
	r := &tally{shape: shape, share: delta.Share{First: 0, Last: -1}}
	r.table = delta.Table{Schema: t.Schema, Name: t.Name, Columns: t.Columns, Geometry: geometryOf(nil)}
	r.counts = delta.NewCounts(r.table.Geometry)
	if shape.Key == nil {
		return r
	}
	r.key = &manifest.Key{Index: shape.Key.Index}
	for _, c := range shape.Key.Columns {
		r.table.Key = append(r.table.Key, delta.Column{Name: c.Name, Output: c.Output})
		r.key.Columns = append(r.key.Columns, c.Name)
	}
	return r
}

// comparable tells whether the parent's record is of the same sort of rows, and
// of changes.
func (r *tally) comparable(p *tableState) bool {
	if p == nil || p.Shape != r.shape.Fingerprint {
		return false
	}
	if r.clock == nil {
		return p.Clock == nil
	}
	return p.Mark != "" && slices.Equal(p.Clock, r.clock.Columns)
}

// inherit makes the tally one that is compared with the parent's.
func (r *tally) inherit(p *tableState) {
	r.parent = p
	if r.clock != nil {
		r.clock.Mark = p.Mark
	}
	r.setGeometry(p.geometry())
}

func (r *tally) setGeometry(g delta.Geometry) {
	r.table.Geometry = g
	r.counts = delta.NewCounts(g)
	if r.key != nil {
		r.key.Buckets, r.key.Shift, r.key.Kinds = g.Buckets, g.Shift, g.Kinds
	}
}

// chooseGeometries divides the keys of tables that the parent does not have into
// buckets, by what the server thinks how many there are. A bad estimate costs
// space or time, nothing else.
func (d *dump) chooseGeometries(ctx context.Context, conn *pgx.Conn) error {
	var oids []uint32
	batch := &pgx.Batch{}
	fresh := map[uint32]*tableDump{}
	for _, t := range d.tables {
		if t.tally == nil || t.tally.parent != nil || t.tally.key == nil {
			continue
		}
		oids = append(oids, t.OID)
		fresh[t.OID] = t
	}
	rows := map[uint32]int64{}
	var oid uint32
	var n int64
	found, err := conn.Query(ctx, "SELECT oid, reltuples::pg_catalog.int8 FROM pg_catalog.pg_class WHERE oid = ANY ($1)", oids)
	if err == nil {
		_, err = pgx.ForEachRow(found, []any{&oid, &n}, func() error {
			rows[oid] = n
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("reading the estimates of tables' rows: %w", err)
	}
	for _, oid := range oids {
		t := fresh[oid]
		n := rows[oid]
		if n <= 0 { // never analyzed
			n = t.Pages * rowsPerPage
		}
		key := t.tally.table.Key
		if !delta.ByValue(key) || t.Pages == 0 {
			t.tally.setGeometry(delta.Choose(n, key, 0, 0))
			continue
		}
		column := pgsession.QuoteIdent(key[0].Name)
		batch.Queue("SELECT pg_catalog.min(" + column + ")::pg_catalog.int8, pg_catalog.max(" + column + ")::pg_catalog.int8 FROM ONLY " + pgsession.QuoteIdent(t.Schema, t.Name)).
			QueryRow(func(row pgx.Row) error {
				var lo, hi *int64
				if err := row.Scan(&lo, &hi); err != nil {
					return fmt.Errorf("reading the keys of table %s: %w", pgsession.QuoteIdent(t.Schema, t.Name), err)
				}
				if lo == nil || hi == nil {
					lo, hi = new(int64), new(int64)
				}
				t.tally.setGeometry(delta.Choose(n, key, *lo, *hi))
				return nil
			})
	}
	return conn.SendBatch(ctx, batch).Close()
}

// rowsPerPage is how many rows a page has where nobody counted: many.
const rowsPerPage = 100

// countTasks are the tasks that count the tables' rows where that was not done
// yet; a table that has no page has none.
func (d *dump) countTasks(since delta.Since) []*task {
	size := d.rangeSize()
	var tasks []*task
	for _, t := range d.tables {
		if t.tally == nil || t.tally.ranges != nil || t.Pages == 0 {
			continue
		}
		n := max(1, min((t.Bytes+size/2)/size, t.Pages))
		if d.info.Version < 140000 {
			n = 1
		}
		for i := range n {
			r := &countedRange{Range: delta.Range{From: t.Pages * i / n, To: t.Pages * (i + 1) / n}}
			if i == n-1 {
				r.To = 0 // however many there are
			}
			t.tally.ranges = append(t.tally.ranges, r)
			tasks = append(tasks, &task{weight: t.Bytes / n / countWeight, run: func(ctx context.Context, c *connection, k *task) error {
				return d.countRange(ctx, c, k, t, r, t.tally.since(since))
			}})
		}
	}
	return tasks
}

// countWeight is how many bytes are counted in the time in which one is copied.
const countWeight = 8

// countRange counts the rows of a range by buckets.
func (d *dump) countRange(ctx context.Context, c *connection, k *task, t *tableDump, r *countedRange, since delta.Since) error {
	table := pgsession.QuoteIdent(t.Schema, t.Name)
	d.w.progress.start(k)
	var counts *delta.Counts
	err := d.w.retry(ctx, table, func() error {
		counts = delta.NewCounts(t.tally.table.Geometry)
		conn, err := c.locked(ctx, t.relation())
		if err == nil {
			_, err = conn.Exec(ctx, delta.WorkMem)
		}
		if err == nil {
			err = counts.Read(ctx, conn, t.tally.table.SumsSQL(since, r.Range, t.tally.share))
		}
		if err != nil {
			return c.broken(ctx, fmt.Errorf("counting the rows of table %s by keys: %w", table, err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.changed = counts.Changed.Total().Rows
	t.tally.mu.Lock()
	defer t.tally.mu.Unlock()
	t.tally.counts.Merge(counts)
	d.w.progress.done(k, 0)
	return nil
}

// since is what picks the table's changed rows.
func (r *tally) since(snapshot delta.Since) delta.Since {
	if r.clock == nil || !snapshot.Set {
		return snapshot
	}
	return delta.Since{Set: r.parent != nil, Clock: r.clock}
}

// rows is how many rows the table has.
func (r *tally) rows() int64 { return r.counts.Kept.Total().Rows + r.counts.Changed.Total().Rows }

// unchanged tells whether the table has the rows that the parent's had.
func (r *tally) unchanged() bool {
	return r.parent != nil && r.counts.Changed.Total().Rows == 0 && slices.Equal(r.counts.Kept, r.parent.sums)
}

// state is the tally as the next incremental reads it. Where nothing changed it
// refers to the set that has the same.
func (t *tableDump) state(parent *manifest.Manifest) (s tableState, err error) {
	r := t.tally
	s = tableState{OID: t.OID, Schema: t.Schema, Name: t.Name, Shape: r.shape.Fingerprint, Key: r.key, Mark: r.mark}
	if r.clock != nil {
		s.Clock = r.clock.Columns
	}
	if r.unchanged() {
		if s.In = r.parent.In; s.In == "" {
			s.In = parent.ID
		}
		return s, nil
	}
	s.Sums, err = r.counts.All().AppendBinary(nil)
	return s, err
}
