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
	for o, live := range s.kept {
		if o.Kind != "SCHEMA" {
			continue
		}
		i := slices.IndexFunc(w.archive.Entries, func(e *toc.Entry) bool { return e.Desc == "SCHEMA" && e.Tag == o.Name })
		if i < 0 {
			continue // of a restore that is undone, and in use by now
		}
		set := w.archive.Entries[i]
		if follower(s.live.Entries, live, "ACL") != follower(w.archive.Entries, set, "ACL") && !w.opts.NoPrivileges {
			if err := w.each(ctx, resetSchema, o.Name); err != nil {
				return fmt.Errorf("resetting the privileges of schema %q: %w", o.Name, err)
			}
		}
		if follower(s.live.Entries, live, "COMMENT") == "" || follower(w.archive.Entries, set, "COMMENT") != "" {
			continue
		}
		comment := "NULL"
		if o.Name == "public" {
			comment = "'standard public schema'"
		}
		if _, err := w.conn.Exec(ctx, "COMMENT ON SCHEMA "+pgsession.QuoteIdent(o.Name)+" IS "+comment); err != nil {
			return fmt.Errorf("resetting the comment of schema %q: %w", o.Name, err)
		}
	}
	for _, e := range s.resets {
		if w.opts.NoPrivileges {
			break
		}
		if err := w.each(ctx, resetDefaults, int64(e.OID)); err != nil {
			return fmt.Errorf("resetting %v of role %q: %w", e, e.Owner.String(), err)
		}
	}
	return nil
}

// follower is the text of a comment or of privileges that goes with an entry.
func follower(entries []*toc.Entry, of *toc.Entry, desc string) string {
	for _, e := range entries {
		if e.Desc == desc && len(e.Deps) > 0 && e.Deps[0] == of.DumpID {
			return e.Defn.String()
		}
	}
	return ""
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
