package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// close follows the dependencies from what is dropped to what goes with it. What
// others depend on, has no rows and is as the set has it, is not dropped: a
// function that a trigger of another schema calls, a type of another's column.
func (s *survey) close(ctx context.Context, conn *pgx.Conn, roots []*toc.Entry) ([]*toc.Entry, error) {
	if err := s.readUsers(ctx, conn); err != nil {
		return nil, fmt.Errorf("reading the user mappings: %w", err)
	}
	same := s.same()
	for {
		if err := s.follow(ctx, conn, roots); err != nil {
			return nil, fmt.Errorf("following dependencies: %w", err)
		}
		needed, err := s.needed(ctx, conn)
		if err != nil {
			return nil, fmt.Errorf("following dependencies: %w", err)
		}
		n := len(roots)
		roots = slices.DeleteFunc(roots, func(e *toc.Entry) bool {
			o, _ := objectOf(e)
			if keep := needed[idOf(e)] && same[e]; keep {
				s.kept[o] = e
				return true
			}
			return false
		})
		if len(roots) == n {
			break
		}
	}
	if err := s.readShells(ctx, conn); err != nil {
		return nil, fmt.Errorf("reading the operators: %w", err)
	}
	return roots, s.lookOutside(ctx, conn)
}

// same are the live entries that the set has with the same definition and
// owner, of objects that hold and read nothing of what goes.
func (s *survey) same() map[*toc.Entry]bool {
	set := map[object]*toc.Entry{}
	for _, e := range s.plan.archive.Entries {
		if o, r := objectOf(e); r == top && o.Kind != "TABLE" && o.Kind != "PUBLICATION" {
			set[o] = e
		}
	}
	same := map[*toc.Entry]bool{}
	for _, e := range s.live.Entries {
		o, _ := objectOf(e)
		if x := set[o]; x != nil && x.Desc == e.Desc && x.Defn == e.Defn && (s.plan.opts.NoOwner || s.plan.role(x.Owner.String()) == e.Owner.String()) {
			same[e] = true
		}
	}
	return same
}

// follow finds what goes with the roots, as DROP ... RESTRICT does
// (findDependentObjects in dependency.c).
func (s *survey) follow(ctx context.Context, conn *pgx.Conn, roots []*toc.Entry) error {
	s.gone = map[catalogID]bool{}
	for _, e := range roots {
		s.gone[s.id(e)] = true
	}
	classes, oids := idArrays(s.gone)
	ids, err := catalogIDs(ctx, conn, `
		WITH RECURSIVE gone(class, oid) AS (
			SELECT class::pg_catalog.oid, oid::pg_catalog.oid FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) r(class, oid)
			UNION
			SELECT d.classid, d.objid FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.class AND d.refobjid = g.oid
			WHERE (d.deptype IN ('a', 'i', 'P', 'S', 'x', 'e')
			  AND (d.objsubid = 0 OR d.classid <> 'pg_catalog.pg_class'::pg_catalog.regclass))
			   OR d.classid = 'pg_catalog.pg_operator'::pg_catalog.regclass
			  AND EXISTS (SELECT FROM pg_catalog.pg_operator o WHERE o.oid = d.objid AND o.oprcode = 0))
		SELECT class, oid FROM gone`, classes, oids)
	for _, id := range ids {
		s.gone[id] = true
	}
	return err
}

// needed are the rows of what goes that something which stays depends on. An
// array's type stands for that of its elements.
func (s *survey) needed(ctx context.Context, conn *pgx.Conn) (map[catalogID]bool, error) {
	classes, oids := idArrays(s.gone)
	ids, err := catalogIDs(ctx, conn, `
		WITH gone(class, oid) AS MATERIALIZED (
			SELECT class::pg_catalog.oid, oid::pg_catalog.oid FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) r(class, oid))
		SELECT DISTINCT d.refclassid, COALESCE(t.typelem, d.refobjid)
		FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.class AND d.refobjid = g.oid
			LEFT JOIN pg_catalog.pg_type t ON d.refclassid = t.tableoid AND t.oid = d.refobjid AND t.typcategory = 'A'
		WHERE d.deptype = 'n' AND (d.classid, d.objid) NOT IN (SELECT class, oid FROM gone)`, classes, oids)
	needed := map[catalogID]bool{}
	for _, id := range ids {
		needed[id] = true
	}
	return needed, err
}

// catalogIDs are the rows that a query gives as two OIDs.
func catalogIDs(ctx context.Context, conn *pgx.Conn, sql string, args ...any) ([]catalogID, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[catalogID])
}

// lookOutside refuses where something that stays depends on what goes. A view
// stands for its rule. What is part of something else is not dropped by itself.
// DROP TABLE takes a table out of publications and subscriptions without a word.
func (s *survey) lookOutside(ctx context.Context, conn *pgx.Conn) error {
	classes, oids := idArrays(s.gone)
	return s.refuse(ctx, conn, `
		WITH gone(class, oid) AS MATERIALIZED (
			SELECT class::pg_catalog.oid, oid::pg_catalog.oid FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) r(class, oid))
		SELECT pg_catalog.format('%s depends on %s: drop it, or restore into a new database',
			CASE WHEN w.oid IS NULL THEN pg_catalog.pg_describe_object(d.classid, d.objid, 0)
				ELSE pg_catalog.pg_describe_object('pg_catalog.pg_class'::pg_catalog.regclass, w.ev_class, 0) END,
			pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0))
		FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.class AND d.refobjid = g.oid
			LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid
		WHERE d.deptype = 'n' AND (d.classid, d.objid) NOT IN (SELECT class, oid FROM gone)
		UNION
		SELECT pg_catalog.format('%s is part of %s, which is not in the set: rename or drop that',
			pg_catalog.pg_describe_object(d.classid, d.objid, 0), pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0))
		FROM gone g JOIN pg_catalog.pg_depend d ON d.classid = g.class AND d.objid = g.oid AND d.objsubid = 0
		WHERE d.deptype IN ('i', 'e') AND (d.refclassid, d.refobjid) NOT IN (SELECT class, oid FROM gone)
		UNION
		SELECT pg_catalog.format('publication %I, which is not in the set, would lose table %s: take the table out of it, and put it in again afterwards',
			p.pubname, r.prrelid::pg_catalog.regclass)
		FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
		WHERE ('pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.prrelid) IN (SELECT class, oid FROM gone)
		  AND ('pg_catalog.pg_publication'::pg_catalog.regclass::pg_catalog.oid, p.oid) NOT IN (SELECT class, oid FROM gone)
		UNION
		SELECT pg_catalog.format('a subscription, which no backup holds, writes to table %s: drop the subscription, and create it again afterwards', r.srrelid::pg_catalog.regclass)
		FROM pg_catalog.pg_subscription_rel r
		WHERE ('pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, r.srrelid) IN (SELECT class, oid FROM gone)
		ORDER BY 1`, classes, oids)
}

// readUsers finds the rows of user mappings, by the tags of their entries.
func (s *survey) readUsers(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT 'USER MAPPING ' || usename || ' SERVER ' || srvname, umid FROM pg_catalog.pg_user_mappings`)
	if err != nil {
		return err
	}
	s.users = map[string]catalogID{}
	var tag string
	var oid uint32
	_, err = pgx.ForEachRow(rows, []any{&tag, &oid}, func() error { s.users[tag] = catalogID{pgUserMapping, oid}; return nil })
	return err
}

// readShells finds operators that are but the name of another one's commutator
// or negator. No archive has them: they come with that one.
func (s *survey) readShells(ctx context.Context, conn *pgx.Conn) error {
	_, oids := idArrays(s.gone)
	rows, err := conn.Query(ctx, `
		SELECT pg_catalog.format('DROP OPERATOR %I.%s (%s, %s)', n.nspname, o.oprname,
			CASE o.oprleft WHEN 0 THEN 'NONE' ELSE pg_catalog.format_type(o.oprleft, NULL) END,
			CASE o.oprright WHEN 0 THEN 'NONE' ELSE pg_catalog.format_type(o.oprright, NULL) END)
		FROM pg_catalog.pg_operator o JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
		WHERE o.oprcode = 0 AND o.oid IN (SELECT g.oid::pg_catalog.oid FROM unnest($1::pg_catalog.int8[]) g(oid))
		ORDER BY 1`, oids)
	if err != nil {
		return err
	}
	s.shells, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

// refuse adds a query's answers to what is refused.
func (s *survey) refuse(ctx context.Context, conn *pgx.Conn, sql string, args ...any) error {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	reasons, err := pgx.CollectRows(rows, pgx.RowTo[string])
	s.Refused = append(s.Refused, reasons...)
	return err
}

// estimate lists what is dropped, with PostgreSQL's guess of its rows.
func (s *survey) estimate(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT c.oid, GREATEST(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)
		FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm')`)
	if err != nil {
		return err
	}
	guess := map[catalogID]int64{}
	var oid uint32
	var n int64
	if _, err = pgx.ForEachRow(rows, []any{&oid, &n}, func() error { guess[catalogID{pgClass, oid}] = n; return nil }); err != nil {
		return err
	}
	for _, e := range s.live.Entries {
		o, r := objectOf(e)
		if s.goes(e) && s.wants[o] && (r == top || r == container) {
			name := e.Tag
			if e.Namespace.String() != "" {
				name = e.Namespace.String() + "." + e.Tag
			}
			s.Objects = append(s.Objects, Replaced{Kind: e.Desc, Name: name, Rows: guess[idOf(e)]})
		}
	}
	return nil
}

const standbyTarget = "the server is a standby, which only reads: connect to its primary"

// lookAtRights refuses what the role may not drop. It must own the database to
// mark it as unfinished meanwhile.
func (s *survey) lookAtRights(ctx context.Context, conn *pgx.Conn) error {
	owners := map[string]string{} // what belongs to them, for example
	var names []string
	for _, e := range s.live.Entries {
		if owner := e.Owner.String(); s.goes(e) && owner != "" && owners[owner] == "" {
			owners[owner] = e.String()
			names = append(names, owner)
		}
	}
	var standby, owns bool
	var not []string
	err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.to_regnamespace('public') IS NOT NULL, current_user::pg_catalog.text,
		(SELECT pg_catalog.pg_has_role(datdba, 'USAGE') FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
		ARRAY(SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles WHERE rolname = ANY ($1) AND NOT pg_catalog.pg_has_role(oid, 'USAGE') ORDER BY 1)`,
		names).Scan(&standby, &s.hasPublic, &s.user, &owns, &not)
	if err != nil {
		return err
	}
	if standby {
		s.Refused = append(s.Refused, standbyTarget)
	}
	if !owns {
		s.Refused = append(s.Refused, fmt.Sprintf("role %s does not own the database: connect as its owner or a superuser", s.user))
	}
	for _, owner := range not {
		s.Refused = append(s.Refused, fmt.Sprintf("%s belongs to %s, and role %s may not drop it: connect as its owner or a superuser", owners[owner], owner, s.user))
	}
	return nil
}

// lookAtNames refuses where something that stays has a name that the set needs:
// the index of a table that was renamed, say.
func (s *survey) lookAtNames(ctx context.Context, conn *pgx.Conn) error {
	var schemas, relations, typeSchemas, types []string
	for _, e := range s.plan.archive.Entries {
		o, _ := objectOf(e)
		if !s.plan.wanted(e) || s.kept[o] != nil {
			continue
		}
		name := e.Tag
		switch {
		case o.Kind == "TABLE": // whose rows have a type of its name
			typeSchemas, types = append(typeSchemas, o.Schema), append(types, name)
		case e.Desc == "INDEX":
		case o.Kind == "TYPE":
			typeSchemas, types = append(typeSchemas, o.Schema), append(types, name)
			continue
		case e.Desc == "CONSTRAINT": // a key, and its index
			name = constraintName(e)
		default:
			continue
		}
		schemas, relations = append(schemas, o.Schema), append(relations, name)
	}
	classes, oids := idArrays(s.gone)
	return s.refuse(ctx, conn, `
		WITH gone(class, oid) AS MATERIALIZED (
			SELECT class::pg_catalog.oid, oid::pg_catalog.oid FROM unnest($1::pg_catalog.int8[], $2::pg_catalog.int8[]) r(class, oid))
		SELECT pg_catalog.format('%s%s has a name that the set needs: rename or drop it', pg_catalog.pg_describe_object(c.tableoid, c.oid, 0),
			(SELECT ' of table ' || x.indrelid::pg_catalog.regclass::pg_catalog.text FROM pg_catalog.pg_index x WHERE x.indexrelid = c.oid))
		FROM unnest($3::pg_catalog.text[], $4::pg_catalog.text[]) w(schema, name)
			JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
			JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
		WHERE (c.tableoid, c.oid) NOT IN (SELECT class, oid FROM gone)
		UNION
		SELECT pg_catalog.format('%s has a name that the set needs: rename or drop it', pg_catalog.pg_describe_object(t.tableoid, t.oid, 0))
		FROM unnest($5::pg_catalog.text[], $6::pg_catalog.text[]) w(schema, name)
			JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
			JOIN pg_catalog.pg_type t ON t.typnamespace = n.oid AND t.typname = w.name
		WHERE t.typrelid = 0 AND t.typcategory <> 'A' AND (t.tableoid, t.oid) NOT IN (SELECT class, oid FROM gone)
		ORDER BY 1`, classes, oids, schemas, relations, typeSchemas, types)
}

// constraintName takes the name of a constraint from the statement that drops
// it, as the entry's tag has the table's before it.
func constraintName(e *toc.Entry) string {
	tokens := lex(e.Drop.String())
	for i := len(tokens) - 1; i >= 0; i-- {
		if tokens[i].kind == word || tokens[i].kind == quoted {
			return tokens[i].name()
		}
	}
	return ""
}

// configTables are the tables that come with an extension that stays, and whose
// rows the set holds.
func (s *survey) configTables() (tables []*toc.Entry) {
	mine := map[object]bool{}
	for _, e := range s.plan.archive.Entries {
		o, _ := objectOf(e)
		mine[o] = true
		if e.Desc == "TABLE DATA" && !mine[object{Kind: "TABLE", Schema: e.Namespace.String(), Name: e.Tag}] {
			tables = append(tables, e)
		}
	}
	return tables
}

// lookAtConfigTables refuses where rows that stay refer to rows of an
// extension's table that go: they would be lost, or changed, with them.
func (s *survey) lookAtConfigTables(ctx context.Context, conn *pgx.Conn) error {
	var names []string
	for _, e := range s.configTables() {
		names = append(names, sqlName(e))
	}
	classes, oids := idArrays(s.gone)
	err := s.refuse(ctx, conn, `
		SELECT pg_catalog.format('foreign key %I of table %s refers to rows of %s that are replaced: drop it, and create it again afterwards',
			f.conname, f.conrelid::pg_catalog.regclass, f.confrelid::pg_catalog.regclass)
		FROM pg_catalog.pg_constraint f
		WHERE f.contype = 'f' AND f.confrelid IN (SELECT pg_catalog.to_regclass(name) FROM unnest($1::pg_catalog.text[]) t(name))
		  AND NOT EXISTS (SELECT FROM unnest($2::pg_catalog.int8[], $3::pg_catalog.int8[]) g(class, oid)
			WHERE g.class::pg_catalog.oid = f.tableoid AND g.oid::pg_catalog.oid = f.oid)
		  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
			AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = f.conrelid)
		ORDER BY 1`, names, classes, oids)
	if err != nil {
		return err
	}
	for _, x := range s.plan.contents.Extensions {
		if !s.brings("EXTENSION", x.Name) {
			continue
		}
		for _, have := range s.live.Extensions {
			if have.Name == x.Name && have.Schema != x.Schema {
				s.Refused = append(s.Refused, fmt.Sprintf("extension %s is in schema %s, in the set in %s: ALTER EXTENSION %s SET SCHEMA %s, or drop it",
					x.Name, have.Schema, x.Schema, pgsession.QuoteIdent(x.Name), pgsession.QuoteIdent(x.Schema)))
			}
		}
	}
	return nil
}

// brings tells whether the set creates an object that is in no schema.
func (s *survey) brings(kind, name string) bool { return s.wants[object{Kind: kind, Name: name}] }

// lookAtSessions names those who use the database.
func (s *survey) lookAtSessions(ctx context.Context, conn *pgx.Conn) error {
	rows, err := conn.Query(ctx, `
		SELECT pg_catalog.concat_ws(', ', 'pid ' || pid, 'user ' || usename, NULLIF(application_name, ''), state)
		FROM pg_catalog.pg_stat_activity
		WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid() AND backend_type = 'client backend'
		ORDER BY backend_start, pid`)
	if err != nil {
		return err
	}
	s.Sessions, err = pgx.CollectRows(rows, pgx.RowTo[string])
	for i, line := range s.Sessions {
		s.Sessions[i] = strings.ToValidUTF8(line, "?")
	}
	return err
}
