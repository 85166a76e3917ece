package backup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Watermark has incrementals take a table's rows for changed by clocks in the
// rows themselves, instead of by the transactions that wrote them. It is for
// tables whose rows are all written anew without a change of theirs, as a job
// that replaces everything each night does. It needs more and sees less: the role
// needs pg_read_all_stats, because rows of a transaction that still runs have the
// time when it began; a standby cannot tell; and a row that is changed while its
// clocks stay is missed until the next full backup. Rows that are missing or that
// appear behind the mark are found, as keys are counted for all rows, and cost
// the rows that share their buckets.
type Watermark struct {
	Schema  string // "public" when empty
	Table   string
	Columns []string // timestamps, with or without time zone, or dates; the latest counts
}

func (w Watermark) schema() string {
	if w.Schema == "" {
		return "public"
	}
	return w.Schema
}

func (w Watermark) String() string { return pgsession.QuoteIdent(w.schema(), w.Table) }

// checkWatermarks finds what is wrong with them by themselves.
func (i *Incremental) checkWatermarks() error {
	seen := map[string]bool{}
	for _, w := range i.Watermarks {
		switch {
		case w.Table == "" || len(w.Columns) == 0:
			return errors.New("backup: a watermark needs a table and at least one column")
		case seen[w.String()]:
			return fmt.Errorf("backup: table %s has two watermarks", w)
		}
		seen[w.String()] = true
	}
	return nil
}

// running is what was running before the snapshot.
type running struct {
	at       time.Time // when it was looked at
	age      time.Duration
	prepared bool // a prepared transaction, whose beginning nobody knows
}

// lookAtRunning asks how old the oldest running transaction is, before the
// snapshot is taken: one that runs when it is taken was there already, or began
// later than this.
func lookAtRunning(ctx context.Context, conn *pgx.Conn) (*running, error) {
	r := &running{}
	var sees, standby bool
	var age float64
	err := conn.QueryRow(ctx, `
		SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'), pg_catalog.pg_is_in_recovery(), pg_catalog.clock_timestamp(),
			(SELECT COALESCE(GREATEST(pg_catalog.max(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - xact_start)), 0), 0)::pg_catalog.float8
				FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid()),
			EXISTS (SELECT FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database())`).
		Scan(&sees, &standby, &r.at, &age, &r.prepared)
	switch {
	case err != nil:
		return nil, fmt.Errorf("looking at the running transactions: %w", err)
	case standby:
		return nil, errors.New("backup: watermarks cannot be used on a standby, which does not see the transactions that run on its primary: back up from the primary, or leave the watermarks out")
	case !sees:
		return nil, errors.New("backup: watermarks need to see the transactions of all users: GRANT pg_read_all_stats to the role that backs up, or leave the watermarks out")
	}
	r.age = time.Duration(age * float64(time.Second))
	return r, nil
}

// setClocks gives the tables with watermarks their clocks, after looking
// whether these are any.
func (d *dump) setClocks(ctx context.Context, conn *pgx.Conn) error {
	if d.lineage == nil {
		return nil
	}
	for _, w := range d.lineage.Watermarks {
		var t *tableDump
		for _, other := range d.tables {
			if other.Schema == w.schema() && other.Name == w.Table {
				t = other
			}
		}
		if t == nil {
			return fmt.Errorf("backup: the watermark's table %s is not among those that are backed up", w)
		}
		types := map[string]string{}
		var name, typ string
		rows, err := conn.Query(ctx, `SELECT attname, pg_catalog.format_type(atttypid, NULL) FROM pg_catalog.pg_attribute
			WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`, t.OID)
		if err == nil {
			_, err = pgx.ForEachRow(rows, []any{&name, &typ}, func() error {
				types[name] = typ
				return nil
			})
		}
		if err != nil {
			return fmt.Errorf("reading the columns of table %s: %w", w, err)
		}
		for _, c := range w.Columns {
			switch {
			case types[c] == "":
				return fmt.Errorf("backup: table %s has no column %s for its watermark", w, pgsession.QuoteIdent(c))
			case !slices.Contains([]string{"timestamp with time zone", "timestamp without time zone", "date"}, types[c]):
				return fmt.Errorf("backup: column %s of table %s is a %s: a watermark needs a timestamp or a date", pgsession.QuoteIdent(c), w, types[c])
			}
		}
		if t.tally != nil && t.tally.key != nil {
			t.tally.clock = &delta.Clock{Columns: w.Columns}
		}
	}
	return nil
}

// markTasks find the marks from which the next run is to pick rows by clocks.
func (d *dump) markTasks() []*task {
	var tasks []*task
	for _, t := range d.tables {
		if t.tally == nil || t.tally.clock == nil {
			continue
		}
		tasks = append(tasks, &task{weight: t.Bytes / countWeight, run: func(ctx context.Context, c *connection, k *task) error {
			return d.findMark(ctx, c, k, t)
		}})
	}
	return tasks
}

// findMark finds a table's mark. While a transaction is prepared, of which
// nobody knows when it began, the mark stays where it was, or there is none.
func (d *dump) findMark(ctx context.Context, c *connection, k *task, t *tableDump) error {
	d.w.progress.start(k)
	defer d.w.progress.done(k, 0)
	r := d.running
	if r.prepared {
		if p := t.tally.parent; p != nil {
			t.tally.mark = p.Mark
		}
		return nil
	}
	table := pgsession.QuoteIdent(t.Schema, t.Name)
	return d.w.retry(ctx, table, func() error {
		conn, err := c.locked(ctx, t.relation())
		if err == nil {
			err = conn.QueryRow(ctx, t.tally.table.MarkSQL(t.tally.clock), r.at, r.age).Scan(&t.tally.mark)
		}
		if err != nil {
			return c.broken(ctx, fmt.Errorf("finding the watermark of table %s: %w", table, err))
		}
		return nil
	})
}
