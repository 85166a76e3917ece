package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
)

// liveTables is what the database has of the chosen tables, and on them.
type liveTables struct {
	archive *toc.Archive  // the definitions of the tables and of views
	keys    []constraint  // that are taken away meanwhile
	views   []liveView    // that read them, each behind those that it reads
	members []publication // publications' hold of them
	stats   []statistics  // extended ones, of the tables and views
	version int           // server_version_num
	user    string
	print   string // all of it as one text, to see changes by
}

// liveTable is a table of the database.
type liveTable struct {
	OID       uint32
	Schema    string
	Name      string
	Kind      string // pg_class.relkind
	Owns      bool   // whether the role may act as its owner
	Secured   bool   // whether row security hides rows from the role
	Partition bool
	Bytes     int64
	Guess     int64 // of its rows
}

func (t liveTable) name() manifest.TableName {
	return manifest.TableName{Schema: t.Schema, Name: t.Name}
}

// constraint is one that is taken away meanwhile: a foreign key that refers to a
// chosen table, or what a chosen table need not obey as yet (NOT VALID), and
// rows of the backup may violate. It is none that is a part of a partitioned
// table's.
type constraint struct {
	OID        uint32
	Name       string
	Foreign    bool   // a foreign key
	Table      uint32 // that it is on
	Schema     string
	TableName  string
	Definition string
	Comment    *string
	Owns       bool     // whether the role may act as the owner of the table
	Off        bool     // whether triggers of it do not fire as they should
	Targets    []uint32 // the tables that it refers to, partitions included
}

func (k constraint) refersTo(oids map[uint32]bool) bool {
	return slices.ContainsFunc(k.Targets, func(oid uint32) bool { return oids[oid] })
}

func (k constraint) String() string {
	what := "constraint"
	if k.Foreign {
		what = "foreign key"
	}
	return fmt.Sprintf("%s %s of table %s", what, quoteName(k.Name), k.table())
}

func (k constraint) table() string {
	return quoteTable(manifest.TableName{Schema: k.Schema, Name: k.TableName})
}

// liveView is a view, materialized or not, that reads a chosen table, or
// another one that does; or a table with a rule that does.
type liveView struct {
	OID       uint32
	Schema    string
	Name      string
	Kind      string // pg_class.relkind
	Populated bool
	Owns      bool
	Reads     []uint32

	Recreate bool `db:"-"` // it is dropped with a table that it reads
}

func (v liveView) String() string {
	return quoteTable(manifest.TableName{Schema: v.Schema, Name: v.Name})
}

// publication is a publication's hold of a chosen table.
type publication struct {
	Name      string
	Table     uint32
	Statement string // that gives it back
}

// statistics are extended statistics of a chosen table, or of a materialized
// view on one. What is read of chosen tables, as by a backup of them, does not
// hold them: it is pg_dump's rule that they go with schemas.
type statistics struct {
	Schema     string
	Name       string
	Table      uint32
	Owner      string
	Target     int
	Definition string
	Comment    *string
}

func (s statistics) String() string {
	return quoteTable(manifest.TableName{Schema: s.Schema, Name: s.Name})
}

// readLive looks at the target, within the caller's transaction.
func (p *TablePlan) readLive(ctx context.Context, conn *pgx.Conn) (*liveTables, error) {
	l := &liveTables{}
	err := conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4, current_user::pg_catalog.text").Scan(&l.version, &l.user)
	if err != nil {
		return nil, err
	}
	var patterns []string
	for _, u := range p.units {
		if u.tables, err = readFamily(ctx, conn, u.names); err != nil {
			return nil, err
		}
		for _, t := range u.tables {
			patterns = append(patterns, quoteTable(t.name()))
		}
	}
	oids := p.liveOIDs()
	if l.keys, err = readConstraints(ctx, conn, oids); err != nil {
		return nil, err
	}
	if l.views, err = readViews(ctx, conn, oids); err != nil {
		return nil, err
	}
	if l.members, err = readMembers(ctx, conn, l.version, oids); err != nil {
		return nil, err
	}
	described := oids
	for _, v := range l.views {
		described = append(described, int64(v.OID))
	}
	if l.stats, err = readStatistics(ctx, conn, described); err != nil {
		return nil, err
	}
	l.archive = &toc.Archive{}
	if p.opts.Replace {
		for _, v := range l.views {
			if v.Kind == "v" || v.Kind == "m" {
				patterns = append(patterns, v.String())
			}
		}
	}
	if len(patterns) > 0 {
		schema, err := pgschema.Read(ctx, conn, &pgschema.Options{Tables: patterns})
		if err != nil {
			return nil, fmt.Errorf("reading the definitions of the tables in database %q: %w", p.Database, err)
		}
		l.archive.Entries = schema.Entries
	}
	l.print = fmt.Sprint(p.liveOIDs(), l.views, l.members, l.stats, describe(l.archive.Entries))
	for _, k := range l.keys {
		l.print += fmt.Sprintln(k.OID, k, k.Definition, k.Off)
	}
	return l, nil
}

// describe is all that definitions say.
func describe(entries []*toc.Entry) map[string]string {
	texts := structure(entries)
	for k, text := range keeping(entries) {
		texts[k] += text
	}
	return texts
}

// liveOIDs are those of all chosen tables that the database has.
func (p *TablePlan) liveOIDs() (oids []int64) {
	for _, u := range p.units {
		for _, t := range u.tables {
			oids = append(oids, int64(t.OID))
		}
	}
	return oids
}

// collect runs a query and scans every row into a T, by position.
func collect[T any](ctx context.Context, conn *pgx.Conn, what, sql string, args ...any) ([]T, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return out, nil
}

// readFamily finds tables by their names, and all partitions that they have.
// The names of a backup may be those of views by now, say.
func readFamily(ctx context.Context, conn *pgx.Conn, names []manifest.TableName) ([]liveTable, error) {
	var schemas, tables []string
	for _, n := range names {
		schemas, tables = append(schemas, n.Schema), append(tables, n.Name)
	}
	return collect[liveTable](ctx, conn, "the tables of the target", `
		WITH RECURSIVE family(oid, level) AS (
			SELECT c.oid, 0 FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) w(schema, name)
				JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
				JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
			UNION
			SELECT i.inhrelid, f.level + 1 FROM family f JOIN pg_catalog.pg_inherits i ON i.inhparent = f.oid
				JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition)
		SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text, pg_catalog.pg_has_role(c.relowner, 'USAGE'),
			pg_catalog.row_security_active(c.oid), c.relispartition,
			CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END,
			GREATEST(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)
		FROM (SELECT oid, pg_catalog.max(level) AS level FROM family GROUP BY oid) f
			JOIN pg_catalog.pg_class c ON c.oid = f.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		ORDER BY f.level, n.nspname, c.relname`, schemas, tables)
}

// readConstraints finds those that are taken away. One that refers to a
// partition may be a part of one that refers to its root, and goes with that.
func readConstraints(ctx context.Context, conn *pgx.Conn, oids []int64) ([]constraint, error) {
	return collect[constraint](ctx, conn, "the constraints of the tables", `
		WITH RECURSIVE up(oid, parent) AS (
			SELECT oid, conparentid FROM pg_catalog.pg_constraint
			WHERE contype = 'f' AND confrelid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])
			   OR NOT convalidated AND coninhcount = 0 AND conrelid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])
			UNION
			SELECT c.oid, c.conparentid FROM up JOIN pg_catalog.pg_constraint c ON c.oid = up.parent)
		SELECT c.oid, c.conname::pg_catalog.text, c.contype = 'f', r.oid, n.nspname::pg_catalog.text, r.relname::pg_catalog.text,
			pg_catalog.pg_get_constraintdef(c.oid), pg_catalog.obj_description(c.oid, 'pg_constraint'), pg_catalog.pg_has_role(r.relowner, 'USAGE'),
			EXISTS (SELECT FROM pg_catalog.pg_constraint p JOIN pg_catalog.pg_trigger t ON t.tgconstraint = p.oid
				WHERE (p.oid = c.oid OR p.conparentid = c.oid) AND t.tgenabled <> 'O'),
			ARRAY(SELECT confrelid FROM pg_catalog.pg_constraint p WHERE p.oid = c.oid OR p.conparentid = c.oid)
		FROM up JOIN pg_catalog.pg_constraint c ON c.oid = up.oid
			JOIN pg_catalog.pg_class r ON r.oid = c.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
		WHERE up.parent = 0
		ORDER BY n.nspname, r.relname, c.conname`, oids)
}

// readViews finds what reads tables, by themselves or as what they are part of,
// in an order in which it can be created or refreshed.
func readViews(ctx context.Context, conn *pgx.Conn, oids []int64) ([]liveView, error) {
	views, err := collect[liveView](ctx, conn, "the views on the tables", `
		WITH RECURSIVE edge(view, source) AS (
			SELECT DISTINCT w.ev_class, d.refobjid FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d
				ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
				AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> w.ev_class),
		seen(oid) AS (
			SELECT oid::pg_catalog.oid FROM pg_catalog.unnest($1::pg_catalog.int8[]) t(oid)
			UNION
			SELECT i.inhparent FROM seen s JOIN pg_catalog.pg_inherits i ON i.inhrelid = s.oid),
		reads(view) AS (
			SELECT view FROM edge WHERE source IN (SELECT oid FROM seen)
			UNION
			SELECT e.view FROM reads r JOIN edge e ON e.source = r.view)
		SELECT c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, c.relkind::pg_catalog.text, c.relispopulated,
			pg_catalog.pg_has_role(c.relowner, 'USAGE'), ARRAY(SELECT source FROM edge e WHERE e.view = c.oid)
		FROM reads r JOIN pg_catalog.pg_class c ON c.oid = r.view JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid <> ALL ($1::pg_catalog.int8[]::pg_catalog.oid[])
		ORDER BY n.nspname, c.relname`, oids)
	if err != nil {
		return nil, err
	}
	var sorted []liveView
	done := map[uint32]bool{}
	var place func(v liveView)
	place = func(v liveView) {
		if done[v.OID] {
			return
		}
		done[v.OID] = true
		for _, w := range views {
			if slices.Contains(v.Reads, w.OID) {
				place(w)
			}
		}
		sorted = append(sorted, v)
	}
	for _, v := range views {
		place(v)
	}
	return sorted, nil
}

// readMembers finds the publications that name the tables. Column lists and row
// filters came with PostgreSQL 15.
func readMembers(ctx context.Context, conn *pgx.Conn, version int, oids []int64) ([]publication, error) {
	detail := "''"
	if version >= 150000 {
		detail = `COALESCE((SELECT ' (' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY c.place) || ')'
				FROM pg_catalog.unnest(m.prattrs::pg_catalog.int2[]) WITH ORDINALITY c(num, place)
				JOIN pg_catalog.pg_attribute a ON a.attrelid = m.prrelid AND a.attnum = c.num), '')
			|| COALESCE(' WHERE (' || pg_catalog.pg_get_expr(m.prqual, m.prrelid) || ')', '')`
	}
	return collect[publication](ctx, conn, "the publications of the tables", `
		SELECT p.pubname::pg_catalog.text, m.prrelid,
			pg_catalog.format('ALTER PUBLICATION %I ADD TABLE ONLY %I.%I', p.pubname, n.nspname, c.relname) || `+detail+`
		FROM pg_catalog.pg_publication_rel m JOIN pg_catalog.pg_publication p ON p.oid = m.prpubid
			JOIN pg_catalog.pg_class c ON c.oid = m.prrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE m.prrelid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])
		ORDER BY 1, 3`, oids)
}

func readStatistics(ctx context.Context, conn *pgx.Conn, oids []int64) ([]statistics, error) {
	return collect[statistics](ctx, conn, "the statistics of the tables", `
		SELECT n.nspname::pg_catalog.text, s.stxname::pg_catalog.text, s.stxrelid, pg_catalog.pg_get_userbyid(s.stxowner)::pg_catalog.text,
			COALESCE(s.stxstattarget, -1), pg_catalog.pg_get_statisticsobjdef(s.oid), pg_catalog.obj_description(s.oid, 'pg_statistic_ext')
		FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
		WHERE s.stxrelid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])
		ORDER BY 1, 2`, oids)
}

// definition is the part of the database's definitions that makes up a unit,
// partitions that the backup does not have included.
func (l *liveTables) definition(u *unit) []*toc.Entry {
	var names []manifest.TableName
	for _, t := range u.tables {
		names = append(names, t.name())
	}
	return definition(l.archive.Entries, names)
}

// constraintTexts describes constraints with all their parts on partitions, so
// that those that were taken away and added again can be held against what they
// were. Where tables are replaced, which may have other partitions by then, the
// parts are left out.
func constraintTexts(ctx context.Context, conn *pgx.Conn, keys []constraint, parts bool) (string, error) {
	var tables []int64
	var names []string
	for _, k := range keys {
		tables, names = append(tables, int64(k.Table)), append(names, k.Name)
	}
	rows, err := conn.Query(ctx, `
		WITH RECURSIVE part(oid) AS (
			SELECT c.oid FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.text[]) k(rel, name)
				JOIN pg_catalog.pg_constraint c ON c.conrelid = k.rel::pg_catalog.oid AND c.conname = k.name
			UNION
			SELECT c.oid FROM part JOIN pg_catalog.pg_constraint c ON c.conparentid = part.oid AND $3)
		SELECT pg_catalog.format('%s of %s to %s: %s, valid %s, local %s, inherited %s, comment %L', c.conname, c.conrelid::pg_catalog.regclass,
			c.confrelid::pg_catalog.regclass, pg_catalog.pg_get_constraintdef(c.oid), c.convalidated, c.conislocal, c.coninhcount,
			pg_catalog.obj_description(c.oid, 'pg_constraint'))
		FROM part JOIN pg_catalog.pg_constraint c ON c.oid = part.oid
		ORDER BY 1`, tables, names, parts)
	if err != nil {
		return "", fmt.Errorf("reading constraints: %w", err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("reading constraints: %w", err)
	}
	return strings.Join(texts, "\n"), nil
}
