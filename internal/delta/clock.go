package delta

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Clock picks the rows whose clock, the latest of some columns, is not before
// the mark, and those that have none. What is written without moving the clock
// it does not pick.
type Clock struct {
	Columns []string // timestamps, with or without time zone, or dates
	Mark    string   // a timestamp with time zone, as text
}

// latest is a row's clock.
func (c *Clock) latest() string {
	columns := make([]string, len(c.Columns))
	for i, name := range c.Columns {
		columns[i] = "pg_catalog.timestamptz(" + pgsession.QuoteIdent(name) + ")"
	}
	return "GREATEST(" + strings.Join(columns, ", ") + ")"
}

func (c *Clock) condition() string {
	return fmt.Sprintf("(%[1]s IS NULL OR %[1]s >= '%[2]s'::pg_catalog.timestamptz)", c.latest(), strings.ReplaceAll(c.Mark, "'", "''"))
}

// MarkSQL is a query for the mark from which the next run is to pick rows: the
// greatest clock of the table's rows, but none after $1, the time at which the
// running transactions were looked at, less $2, the age of the oldest of them,
// as its rows may have the time when it began. Clocks that are ahead of the
// server's, or infinite, do not move the mark, and are picked each time.
func (t Table) MarkSQL(c *Clock) string {
	return fmt.Sprintf(`SELECT (LEAST(pg_catalog.max(c) FILTER (WHERE pg_catalog.isfinite(c)), $1::pg_catalog.timestamptz) - $2::pg_catalog.interval)::pg_catalog.text
FROM (SELECT %s AS c FROM ONLY %s OFFSET 0) s`, c.latest(), t.name())
}

// RowsSQL is the COPY of the rows that [Since] does not pick and that are in
// listed buckets: what [Table.KeptSQL] copies the keys of.
func (t Table) RowsSQL(since Since, listed Bitmap) string {
	return t.keptSQL(t.Columns, since, listed)
}

// CompareKeys says which buckets are to be listed where rows are picked by their
// [Clock]. Rows may then be missing from a bucket, or be there, that the clock
// does not tell of: it is listed if its keys are not those of the parent's
// without those of the rows that were picked.
func CompareKeys(parent Sums, now *Counts) (Bitmap, error) {
	if err := checkBuckets(parent, now); err != nil {
		return nil, err
	}
	var listed Bitmap
	for i, p := range parent {
		kept, changed := now.Kept[i], now.Changed[i]
		missing := p.Rows - kept.Rows
		if missing == 0 && kept.Keys == p.Keys || missing > 0 && changed.Rows == missing && changed.Keys == p.Keys-kept.Keys {
			continue
		}
		listed = listed.set(i, len(parent))
	}
	return listed, nil
}
