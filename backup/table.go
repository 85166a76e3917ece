package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

const (
	leastRange = 64 << 20
	mostRange  = 256 << 20
)

// tableDump is one table's share of a run.
type tableDump struct {
	*pgschema.TableData
	ranges []*pageRange
	count  int64   // rows by count(*), of a table that was cut; else -1
	tally  *tally  // nil: its rows are not counted by keys
	change *change // nil: all rows are stored
}

// pageRange is one object of a table: the whole of it, or of some of its pages.
type pageRange struct {
	file   string
	sql    string // its COPY
	object string
	digest codec.Digest
}

// plan makes the tasks of everything that is copied: exports first, lest a
// query that fails does so after hours, then the heaviest first, so that none
// is left to run alone at the end.
func (d *dump) plan() []*task {
	size := d.rangeSize()
	var tasks []*task
	for _, t := range d.tables {
		if t.change == nil {
			t.cut(d.schema, d.info.Version, size, d.OneObject)
		}
		for _, r := range t.objects() {
			tasks = append(tasks, &task{
				weight: t.Bytes / int64(len(t.objects())),
				run:    func(ctx context.Context, c *connection, k *task) error { return d.copyRange(ctx, c, k, t, r) },
			})
		}
		if t.tally == nil && len(t.ranges) > 1 {
			tasks = append(tasks, &task{run: func(ctx context.Context, c *connection, _ *task) error {
				return d.countRows(ctx, c, t)
			}})
		}
	}
	if d.parent == nil {
		tasks = append(tasks, d.markTasks()...)
	}
	tasks = append(tasks, d.countTasks(delta.Since{})...)
	tasks = append(tasks, d.planBlobs()...)
	slices.SortStableFunc(tasks, func(a, b *task) int { return cmp.Compare(b.weight, a.weight) })
	return append(d.planExports(), tasks...)
}

// objects are all that is copied of the table.
func (t *tableDump) objects() []*pageRange {
	if t.change != nil && t.change.kept != nil {
		return append(slices.Clip(t.ranges), t.change.kept)
	}
	return t.ranges
}

func (d *dump) rangeSize() int64 {
	if d.RangeSize > 0 {
		return d.RangeSize
	}
	var total int64
	for _, t := range d.schema.Tables {
		total += t.Bytes
	}
	return min(max(total/int64(8*d.jobs()), leastRange), mostRange)
}

// cut divides the table into page ranges where that is worth it and safe: a
// heap, on a server whose TID range scans read only the pages asked for (14).
func (t *tableDump) cut(s *pgschema.Schema, version int, size int64, one bool) {
	n := min((t.Bytes+size/2)/size, t.Pages)
	if one || !t.Heap || t.Filter != "" || version < 140000 || n < 2 {
		t.ranges = []*pageRange{{file: t.Entry.File.String(), sql: t.copySQL("")}}
		return
	}
	for i, entry := range s.Split(t.TableData, int(n)) {
		pages := fmt.Sprintf("ctid >= '(%d,0)'", t.Pages*int64(i)/n)
		if int64(i) < n-1 {
			pages += fmt.Sprintf(" AND ctid < '(%d,0)'", t.Pages*int64(i+1)/n)
		}
		t.ranges = append(t.ranges, &pageRange{file: entry.File.String(), sql: t.copySQL(pages)})
	}
}

func (t *tableDump) relation() pgsession.Relation {
	return pgsession.Relation{OID: t.OID, Schema: t.Schema, Name: t.Name}
}

// copySQL is the COPY of all rows, or of those in some pages. FROM ONLY, because
// a query, unlike the plain form, would read the table's inheritance children as
// well.
func (t *tableDump) copySQL(pages string) string {
	table := pgsession.QuoteIdent(t.Schema, t.Name)
	cols := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cols[i] = pgsession.QuoteIdent(c)
	}
	list := strings.Join(cols, ", ")
	switch {
	case t.Filter != "":
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s %s) TO STDOUT", list, table, t.Filter)
	case pages != "":
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE %s) TO STDOUT", list, table, pages)
	case list == "":
		return fmt.Sprintf("COPY %s TO STDOUT", table)
	}
	return fmt.Sprintf("COPY %s (%s) TO STDOUT", table, list)
}

func (d *dump) copyRange(ctx context.Context, c *connection, k *task, t *tableDump, r *pageRange) error {
	obj, err := d.w.put(ctx, r.file, c.release, func(out io.Writer) error {
		d.w.progress.start(k)
		conn, err := c.locked(ctx, t.relation())
		if err != nil {
			return c.broken(ctx, err)
		}
		r.digest = codec.Digest{}
		counted := &countingWriter{w: out, meter: d.w.progress, task: k}
		rows := codec.NewRowWriter(counted, &r.digest)
		tag, err := conn.PgConn().CopyTo(ctx, rows, r.sql)
		if err == nil && tag.RowsAffected() != r.digest.Rows {
			err = fmt.Errorf("the server sent %d rows and says %d", r.digest.Rows, tag.RowsAffected())
		}
		switch {
		case errors.Is(err, errSinkStopped):
			return err
		case err != nil:
			return c.broken(ctx, fmt.Errorf("copying table %s: %w", pgsession.QuoteIdent(t.Schema, t.Name), widthError(err)))
		}
		counted.flush()
		return rows.Close()
	})
	if err != nil {
		return err
	}
	r.object = obj.Name
	d.w.progress.done(k, r.digest.Rows)
	return nil
}

// widthError adds the way out to an error of the server's for a row that is too
// wide for it. Every row is at most 1 GB, in what it allocates for one value
// (MaxAllocSize in memutils.h; the check in mcxt.c has no SQLSTATE of its own)
// and in the message that it sends (stringinfo.c), and COPY's text of a bytea
// has twice its bytes. pg_dump fails at such rows, too.
func widthError(err error) error {
	const out = "split the value, store it as a large object, or leave the rows out with Dumper.ExcludeTableData"
	var pgErr *pgconn.PgError
	switch {
	case !errors.As(err, &pgErr):
		return err
	case pgErr.Code == "54000" || pgErr.Code == "XX000" && strings.HasPrefix(pgErr.Message, "invalid memory alloc request size"):
		return fmt.Errorf("%w; a row is damaged, or wider as COPY's text than the 1 GB that a server can send, as with a bytea of 512 MB: %s", err, out)
	case pgErr.Code == "53200":
		return fmt.Errorf("%w; the server has too little memory for a row: give it more, %s", err, out)
	}
	return err
}

// countRows counts a table that was cut, in the same snapshot, so that a
// range that was lost cannot pass.
func (d *dump) countRows(ctx context.Context, c *connection, t *tableDump) error {
	table := pgsession.QuoteIdent(t.Schema, t.Name)
	return d.w.retry(ctx, table, func() error {
		conn, err := c.locked(ctx, t.relation())
		if err == nil {
			err = conn.QueryRow(ctx, "SELECT pg_catalog.count(*) FROM ONLY "+table).Scan(&t.count)
		}
		if err != nil {
			return c.broken(ctx, fmt.Errorf("counting table %s: %w", table, err))
		}
		return nil
	})
}

// digest is the table's: the sum over its ranges.
func (t *tableDump) digest() codec.Digest {
	var sum codec.Digest
	for _, r := range t.ranges {
		sum.Merge(r.digest)
	}
	return sum
}

func (d *dump) checkCounts() error {
	for _, t := range d.tables {
		if err := t.check(); err != nil {
			return fmt.Errorf("table %s: %w", pgsession.QuoteIdent(t.Schema, t.Name), err)
		}
	}
	return nil
}

func (t *tableDump) check() error {
	if t.change != nil {
		return t.checkChange()
	}
	want := t.count
	if t.tally != nil {
		want = t.tally.rows()
	}
	if got := t.digest().Rows; want >= 0 && got != want {
		return fmt.Errorf("its %d objects hold %d rows, but the table has %d in the same snapshot", len(t.ranges), got, want)
	}
	return nil
}

// countingWriter tells the meter of every mebibyte that passes.
type countingWriter struct {
	w       io.Writer
	meter   *meter
	task    *task
	pending int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.pending += int64(n); c.pending >= 1<<20 {
		c.flush()
	}
	return n, err
}

func (c *countingWriter) flush() {
	c.meter.add(c.task, c.pending)
	c.pending = 0
}
