package proof

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Buckets is a table with its key as package delta needs them, for statements on
// the database that key was read from; nil where it has none.
func Buckets(t manifest.Table, key *pgschema.Key) (delta.Table, error) {
	b := delta.Table{Schema: t.Schema, Name: t.Name, Columns: t.Columns, Geometry: delta.Geometry{Buckets: 1}}
	if key == nil {
		return b, nil
	}
	var names []string
	for _, c := range key.Columns {
		b.Key = append(b.Key, delta.Column{Name: c.Name, Output: c.Output})
		names = append(names, c.Name)
	}
	b.Geometry = delta.Geometry{Buckets: t.Key.Buckets, Shift: t.Key.Shift, Kinds: t.Key.Kinds}
	if err := b.Geometry.Check(len(t.Key.Columns)); err != nil {
		return b, err
	}
	if !slices.Equal(names, t.Key.Columns) || !slices.Equal(b.Key.Kinds(), t.Key.Kinds) {
		return b, fmt.Errorf("its key %s has the columns %q (%q), that of the backup %q (%q)", t.Key.Index, names, b.Key.Kinds(), t.Key.Columns, t.Key.Kinds)
	}
	return b, nil
}

// CheckRows holds a table of the database against what an incremental set says
// of it: how many rows it has, the sum of their keys and the content of some. It
// returns what differs, "" if nothing does.
func CheckRows(ctx context.Context, conn *pgx.Conn, t manifest.Table) (problem string, err error) {
	var key *pgschema.Key
	if t.Key != nil {
		if key, err = pgschema.TableKey(ctx, conn, t.Schema, t.Name, t.Key.Index); err != nil {
			return "", err
		}
	}
	return CheckKeyed(ctx, conn, t, key)
}

// CheckKeyed is CheckRows for a table that may have the columns of the key alone,
// and not its index.
func CheckKeyed(ctx context.Context, conn *pgx.Conn, t manifest.Table, key *pgschema.Key) (problem string, err error) {
	table := pgsession.QuoteIdent(t.Schema, t.Name)
	b, err := Buckets(t, key)
	if err != nil {
		return "", fmt.Errorf("table %s: %w", table, err)
	}
	share := delta.Share{First: 0, Last: -1}
	if t.Proof != nil {
		share = delta.Share{First: t.Proof.From, Last: t.Proof.To - 1}
	}
	counts := delta.NewCounts(b.Geometry)
	_, err = conn.Exec(ctx, delta.WorkMem)
	if err == nil {
		err = counts.Read(ctx, conn, b.SumsSQL(delta.Since{}, delta.Range{}, share))
	}
	if err == nil {
		_, err = conn.Exec(ctx, "RESET work_mem")
	}
	if err != nil {
		return "", fmt.Errorf("counting the rows of table %s by keys: %w", table, err)
	}
	return different(t, counts), nil
}

// different tells how counts differ from what a set says of a table.
func different(t manifest.Table, c *delta.Counts) string {
	total, p := c.Kept.Total(), t.Proof
	switch {
	case total.Rows != t.Rows:
		return fmt.Sprintf("%d rows, the backup has %d", total.Rows, t.Rows)
	case t.Keys != "" && fmt.Sprintf("%016x", total.Keys) != t.Keys:
		return fmt.Sprintf("the keys of the %d rows are not those of the backup's", t.Rows)
	case p == nil:
		return ""
	case c.ContentRows != p.Rows:
		return fmt.Sprintf("%d rows in buckets %d to %d, the backup has %d", c.ContentRows, p.From, p.To-1, p.Rows)
	case fmt.Sprintf("%016x", c.Content) != p.Sum:
		return fmt.Sprintf("the content of the %d rows in buckets %d to %d differs from the backup's", p.Rows, p.From, p.To-1)
	}
	return ""
}
