package restore

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// reset gives schemas that stay, and default privileges, what they have when
// they are new, because the archive's statements only say what differs from
// that. What is as the set has it already is left alone.
func (w *worker) reset(ctx context.Context, s *survey) error {
	for _, schema := range s.keptSchemas() {
		if about(s.live.Entries, "ACL", schema) != about(w.archive.Entries, "ACL", schema) && !w.opts.NoPrivileges {
			if err := w.each(ctx, resetSchema, schema); err != nil {
				return fmt.Errorf("resetting the privileges of schema %q: %w", schema, err)
			}
		}
		if about(s.live.Entries, "COMMENT", schema) == "" || about(w.archive.Entries, "COMMENT", schema) != "" {
			continue
		}
		comment := "NULL"
		if schema == "public" {
			comment = "'standard public schema'"
		}
		if _, err := w.conn.Exec(ctx, "COMMENT ON SCHEMA "+pgsession.QuoteIdent(schema)+" IS "+comment); err != nil {
			return fmt.Errorf("resetting the comment of schema %q: %w", schema, err)
		}
	}
	for _, e := range slices.Concat(s.resets, w.suspended(s)) {
		if w.opts.NoPrivileges {
			break
		}
		if err := w.each(ctx, resetDefaults, int64(e.OID)); err != nil {
			return fmt.Errorf("resetting %v of role %q: %w", e, e.Owner.String(), err)
		}
	}
	return nil
}

// suspended are the default privileges of the role that restores, in so far as
// they stay: what it creates must not get them. They are granted again after
// that.
func (w *worker) suspended(s *survey) (entries []*toc.Entry) {
	if w.opts.NoPrivileges {
		return nil
	}
	for _, e := range s.live.Entries {
		if o, r := objectOf(e); r == defaults && e.Owner.String() == s.user && !s.wants[o] {
			entries = append(entries, e)
		}
	}
	return entries
}

// keptSchemas are the schemas of the set that are in the target. The schema
// public has no entry where it is as initdb made it.
func (s *survey) keptSchemas() (names []string) {
	brings := map[string]bool{"public": s.public && s.hasPublic}
	for _, e := range s.plan.archive.Entries {
		brings[e.Tag] = brings[e.Tag] || e.Desc == "SCHEMA" && s.plan.keeps(e)
	}
	for name, yes := range brings {
		if yes {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// about is the text of a schema's comment or privileges.
func about(entries []*toc.Entry, desc, schema string) string {
	for _, e := range entries {
		if e.Desc == desc && e.Namespace.String() == "" && (e.Tag == "SCHEMA "+schema || e.Tag == "SCHEMA "+pgsession.QuoteIdent(schema)) {
			return e.Defn.String()
		}
	}
	return ""
}

// createPublic creates the schema that no archive creates, as initdb does.
func (w *worker) createPublic(ctx context.Context) error {
	sql := "CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'standard public schema'; GRANT ALL ON SCHEMA public TO PUBLIC;"
	if w.target.version >= 150000 {
		sql = "CREATE SCHEMA public; COMMENT ON SCHEMA public IS 'standard public schema'; GRANT USAGE ON SCHEMA public TO PUBLIC; ALTER SCHEMA public OWNER TO pg_database_owner;"
	}
	if _, err := w.conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("creating the schema public: %w", err)
	}
	return nil
}

// resetSchema makes the statements that give a schema the privileges of a new
// one: those that initdb gave it, or the owner's alone.
const resetSchema = `
	WITH n AS (
		SELECT n.nspname, COALESCE(n.nspacl, pg_catalog.acldefault('n', n.nspowner)) AS acl,
			COALESCE((SELECT i.initprivs FROM pg_catalog.pg_init_privs i
				WHERE i.classoid = n.tableoid AND i.objoid = n.oid AND i.objsubid = 0), pg_catalog.acldefault('n', n.nspowner)) AS base
		FROM pg_catalog.pg_namespace n WHERE n.nspname = $1)
	SELECT sql FROM (
		SELECT DISTINCT 1 AS step, pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM %s CASCADE', n.nspname, ` + grantee + `) AS sql
		FROM n, LATERAL pg_catalog.aclexplode(n.acl) a
		UNION ALL
		SELECT 2, pg_catalog.format('GRANT %s ON SCHEMA %I TO %s', a.privilege_type, n.nspname, ` + grantee + `)
		FROM n, LATERAL pg_catalog.aclexplode(n.base) a) s
	ORDER BY step, sql`

// resetDefaults makes the statements that take a role's default privileges back
// to PostgreSQL's own, whereupon they are no more in the catalogs. Those of one
// schema only add to them.
const resetDefaults = `
	WITH d AS (
		SELECT pg_catalog.format('ALTER DEFAULT PRIVILEGES FOR ROLE %s %s', d.defaclrole::pg_catalog.regrole,
				(SELECT pg_catalog.format('IN SCHEMA %I ', n.nspname) FROM pg_catalog.pg_namespace n WHERE n.oid = d.defaclnamespace)) AS head,
			CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
				WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' WHEN 'L' THEN 'LARGE OBJECTS' END AS what,
			d.defaclacl AS acl,
			CASE d.defaclnamespace WHEN 0 THEN pg_catalog.acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's'::"char" ELSE d.defaclobjtype END, d.defaclrole) END AS base
		FROM pg_catalog.pg_default_acl d WHERE d.oid = $1::pg_catalog.int8::pg_catalog.oid)
	SELECT sql FROM (
		SELECT DISTINCT 1 AS step, pg_catalog.format('%sREVOKE ALL ON %s FROM %s', d.head, d.what, ` + grantee + `) AS sql
		FROM d, LATERAL pg_catalog.aclexplode(d.acl) a
		UNION ALL
		SELECT 2, pg_catalog.format('%sGRANT %s ON %s TO %s', d.head, a.privilege_type, d.what, ` + grantee + `)
		FROM d, LATERAL pg_catalog.aclexplode(d.base) a) s
	ORDER BY step, sql`

const grantee = `CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE (SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles WHERE oid = a.grantee) END`

// each runs the statements that a query makes.
func (w *worker) each(ctx context.Context, query string, args ...any) error {
	rows, err := w.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	statements, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, sql := range statements {
		if _, err := w.conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}
