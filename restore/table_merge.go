package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// merge is one group of rows that becomes the backup's. Two rows are the same if
// the output functions of their types give the same text for every column, which
// is also what digests are made of: equality by operators would take 1.0 for
// 1.00, and a json has none.
type merge struct {
	*rowGroup
	diff string // the temporary table of what differs
	TableCount
}

func (m *merge) changes() bool { return m.Inserted+m.Overwritten+m.Removed > 0 }

// stage downloads the rows that are to be merged into temporary tables of the
// session. Nothing of the user's has changed by then, and no lock is held.
func (a *tableApply) stage(ctx context.Context) error {
	a.meter.phase("loading")
	for _, u := range a.units {
		if u.Action != MergeTable {
			continue
		}
		for _, g := range u.groups {
			a.loads++
			g.staged = fmt.Sprintf("pg_temp.pgcofre_rows_%d", a.loads)
			sql := fmt.Sprintf("CREATE TEMPORARY TABLE %s AS SELECT %s FROM %s WITH NO DATA", g.staged, columnList("", g.Columns), g.from())
			if err := a.exec(ctx, "making a temporary table", sql); err != nil {
				return err
			}
			err := pgx.BeginFunc(ctx, a.conn, func(pgx.Tx) error {
				return a.load(ctx, g, func(part rowPart) (string, error) {
					list := ""
					if len(part.columns) > 0 {
						list = " (" + columnList("", part.columns) + ")"
					}
					return "COPY " + g.staged + list + " FROM STDIN", nil
				})
			})
			if err != nil {
				return err
			}
			if err := a.exec(ctx, "analyzing a temporary table", "ANALYZE "+g.staged); err != nil {
				return err
			}
		}
	}
	return nil
}

// load sends all objects of a group to the server, and compares what was sent
// with the digest of the backup.
func (a *tableApply) load(ctx context.Context, g *rowGroup, into func(rowPart) (string, error)) error {
	var sum codec.Digest
	for _, part := range g.parts {
		sql, err := into(part)
		if err != nil {
			return err
		}
		d, err := a.copyObject(ctx, part, sql)
		if err != nil {
			return err
		}
		sum.Merge(d)
	}
	if g.layers != nil {
		return a.layer(ctx, g, sum, into)
	}
	if !sum.Equal(g.Want) {
		return &proof.DamageError{Set: a.Set, Object: "the objects of table " + g.Table(),
			Err: fmt.Errorf("%d rows were read whose digest is not that of the %d rows that were backed up", sum.Rows, g.Want.Rows)}
	}
	return nil
}

func (a *tableApply) copyObject(ctx context.Context, part rowPart, sql string) (codec.Digest, error) {
	d, err := feed{a.conn, a.meter, part.entry}.rows(ctx, part.set, part.object, sql, nil)
	if err == nil {
		a.meter.addRows(d.Rows)
	}
	return d, err
}

// from is what the group's live rows are read from.
func (g *rowGroup) from() string {
	if g.Inherit {
		return g.Table()
	}
	return "ONLY " + g.Table()
}

// columnList lists columns, each with a prefix.
func columnList(prefix string, columns []string) string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = prefix + quoteName(c)
	}
	return strings.Join(list, ", ")
}

// compare finds out, within the locks, what differs.
func (a *tableApply) compare(ctx context.Context) (merges []*merge, err error) {
	a.result.Tables = nil
	for _, u := range a.units {
		total := TableCount{Schema: u.Schema, Name: u.Name, Action: u.Action}
		for _, g := range u.groups {
			if u.Action != MergeTable {
				total.Inserted += g.Want.Rows
				continue
			}
			m := &merge{rowGroup: g, diff: strings.Replace(g.staged, "rows", "diff", 1)}
			if err := a.difference(ctx, m); err != nil {
				return nil, err
			}
			merges = append(merges, m)
			total.Inserted += m.Inserted
			total.Overwritten += m.Overwritten
			total.Removed += m.Removed
			total.Unchanged += m.Unchanged
		}
		a.result.Tables = append(a.result.Tables, total)
	}
	return merges, nil
}

// difference lists the rows that only one of the two has: by the text of whole
// rows, in which each is as often as in the table. Where no key tells rows
// apart, equal ones are numbered for that.
func (a *tableApply) difference(ctx context.Context, m *merge) error {
	key, err := a.key(ctx, m.rowGroup)
	if err != nil {
		return err
	}
	line := "ROW(" + columnList("", m.Columns) + `)::pg_catalog.text COLLATE pg_catalog."C"`
	keyText, number, using := "NULL::pg_catalog.text", "", "line"
	if len(key) > 0 {
		keyText = "ROW(" + columnList("", key) + ")::pg_catalog.text"
	} else {
		number, using = ", pg_catalog.row_number() OVER (PARTITION BY "+line+") AS number", "line, number"
	}
	err = a.exec(ctx, "comparing rows of table "+m.Table(), fmt.Sprintf(`
		CREATE TEMPORARY TABLE %s ON COMMIT DROP AS
		SELECT l.rel, l.place, b.place AS fresh, COALESCE(l.key, b.key) AS key
		FROM (SELECT tableoid AS rel, ctid AS place, %s AS key, %s AS line%s FROM %s) l
			FULL JOIN (SELECT ctid AS place, %[2]s AS key, %[3]s AS line%[4]s FROM %[6]s) b USING (%[7]s)
		WHERE l.place IS NULL OR b.place IS NULL`, m.diff, keyText, line, number, m.from(), m.staged, using))
	if err != nil {
		return err
	}
	var gone, fresh int64
	err = a.conn.QueryRow(ctx, fmt.Sprintf(`
		SELECT pg_catalog.count(place), pg_catalog.count(fresh), (SELECT pg_catalog.count(*) FROM (
			SELECT FROM %[1]s WHERE key IS NOT NULL GROUP BY key HAVING pg_catalog.count(place) > 0 AND pg_catalog.count(fresh) > 0) both_have)
		FROM %[1]s`, m.diff)).Scan(&gone, &fresh, &m.Overwritten)
	if err != nil {
		return fmt.Errorf("comparing rows of table %s: %w", m.Table(), err)
	}
	m.Inserted, m.Removed, m.Unchanged = fresh-m.Overwritten, gone-m.Overwritten, m.Want.Rows-fresh
	return nil
}

// key is the columns of the primary key, or of another one without NULLs; none
// where the rows may be equal.
func (a *tableApply) key(ctx context.Context, g *rowGroup) (columns []string, err error) {
	err = a.conn.QueryRow(ctx, `
		SELECT COALESCE((SELECT ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k(num, place)
				JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num WHERE k.place <= i.indnkeyatts ORDER BY k.place)
			FROM pg_catalog.pg_index i
			WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
			  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = i.indrelid
				AND a.attnum = ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts - 1]) AND (NOT a.attnotnull OR a.attname <> ALL ($2)))
			ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1), '{}')`, g.Table(), g.Columns).Scan(&columns)
	if err != nil {
		return nil, fmt.Errorf("looking for a key of table %s: %w", g.Table(), err)
	}
	return columns, nil
}

// mergeAll deletes and inserts. A changed row is deleted and inserted as well:
// when all that must go is gone, what stays is in the backup, and nothing that
// comes can be at odds with it in a unique key, as rows that swap values would.
func (a *tableApply) mergeAll(ctx context.Context, merges []*merge) error {
	aside, err := a.setAside(ctx)
	if err != nil {
		return err
	}
	for _, m := range merges {
		if err := a.merge(ctx, m); err != nil {
			return err
		}
	}
	return a.putBack(ctx, aside)
}

func (a *tableApply) merge(ctx context.Context, m *merge) error {
	if !m.changes() {
		return nil
	}
	tag, err := a.conn.Exec(ctx, fmt.Sprintf("DELETE FROM %s x USING %s d WHERE x.ctid = d.place AND x.tableoid = d.rel", m.from(), m.diff))
	if sqlState(err) == invalidColumnReference {
		return fmt.Errorf("deleting from table %s, which publications do not allow (take it out of them, or give it a replica identity with the columns that they use): %w", m.Table(), detailed(err))
	} else if err != nil {
		return fmt.Errorf("deleting from table %s: %w", m.Table(), detailed(err))
	}
	if want := m.Removed + m.Overwritten; tag.RowsAffected() != want {
		return fmt.Errorf("table %s: %d rows were deleted in the place of %d", m.Table(), tag.RowsAffected(), want)
	}
	list := ""
	if len(m.Columns) > 0 {
		list = " (" + columnList("", m.Columns) + ")"
	}
	tag, err = a.conn.Exec(ctx, fmt.Sprintf("INSERT INTO %s%s OVERRIDING SYSTEM VALUE SELECT %s FROM %s b JOIN %s d ON d.fresh = b.ctid ORDER BY d.fresh",
		m.Table(), list, columnList("b.", m.Columns), m.staged, m.diff))
	if err != nil {
		return fmt.Errorf("inserting into table %s (where rows are missing that it refers to, restore the other table as well): %w", m.Table(), detailed(err))
	}
	if want := m.Inserted + m.Overwritten; tag.RowsAffected() != want {
		return fmt.Errorf("table %s: %d rows were inserted in the place of %d", m.Table(), tag.RowsAffected(), want)
	}
	return nil
}

// SQLSTATE invalid_column_reference: that of a publication whose columns or
// filter need more than the replica identity has, and of one that leaves out
// generated columns that it has.
const invalidColumnReference = "42P10"

// detailed adds what PostgreSQL says beyond the message: the key that is missing.
func detailed(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Detail != "" {
		return fmt.Errorf("%w: %s", err, pg.Detail)
	}
	return err
}

// ownedSequence is a sequence of a merged table whose state is not the backup's.
type ownedSequence struct {
	name   string // quoted
	last   int64
	called bool
}

// sequences finds those that must be set.
func (a *tableApply) sequences(ctx context.Context) (out []ownedSequence, err error) {
	var oids []int64
	for _, u := range a.units {
		for _, t := range u.tables {
			if u.Action == MergeTable {
				oids = append(oids, int64(t.OID))
			}
		}
	}
	owned, err := collect[struct{ Schema, Name string }](ctx, a.conn, "the sequences of the tables", `
		SELECT n.nspname::pg_catalog.text, s.relname::pg_catalog.text FROM pg_catalog.pg_depend d
			JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
		WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = d.classid AND d.deptype IN ('a', 'i')
		  AND d.refobjid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])`, oids)
	if err != nil {
		return nil, err
	}
	for _, s := range owned {
		for _, want := range a.contents.Sequences {
			if want.Schema != s.Schema || want.Name != s.Name {
				continue
			}
			last, called, err := proof.Sequence(ctx, a.conn, s.Schema, s.Name)
			if err != nil {
				return nil, err
			}
			if last != want.Last || called != want.Called {
				out = append(out, ownedSequence{pgsession.QuoteIdent(s.Schema, s.Name), want.Last, want.Called})
			}
		}
	}
	return out, nil
}

// reset sets a sequence. setval alone would stay if the transaction did not:
// RESTART gives the sequence a new file, and what is set there goes with it.
func (s ownedSequence) reset(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "ALTER SEQUENCE "+s.name+" RESTART")
	if err == nil {
		_, err = conn.Exec(ctx, fmt.Sprintf("SELECT pg_catalog.setval(%s, %d, %t)", pgsession.QuoteLiteral(s.name), s.last, s.called))
	}
	if err != nil {
		return fmt.Errorf("setting sequence %s: %w", s.name, err)
	}
	return nil
}

// prove holds the rows and the definitions against what they must be.
func (a *tableApply) prove(ctx context.Context, constraints string, rebuilt []*toc.Entry) error {
	for _, u := range a.units {
		for _, g := range u.groups {
			d, err := g.Live(ctx, a.conn)
			if err != nil {
				return err
			}
			if !d.Equal(g.Want) && !(g.CountOnly && d.Rows == g.Want.Rows) {
				return fmt.Errorf("table %s would have %d rows whose digest is not that of the %d rows of the backup", g.Table(), d.Rows, g.Want.Rows)
			}
		}
	}
	after, err := constraintTexts(ctx, a.conn, a.live.keys, len(rebuilt) == 0)
	if err != nil {
		return err
	}
	if after != constraints {
		return fmt.Errorf("constraints that were added again would not be what they were:\n%s",
			difference(map[string]string{"constraints": constraints}, map[string]string{"constraints": after}))
	}
	return a.proveDefinitions(ctx, rebuilt)
}
