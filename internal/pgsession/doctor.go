package pgsession

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Major versions of PostgreSQL whose catalogs are known.
const (
	oldestMajor = 13
	newestMajor = 18
)

// DoctorError says all that stands between the database and a backup at once.
type DoctorError struct {
	Findings []Finding
}

// Finding is one reason why a backup cannot be taken.
type Finding struct {
	What string // what is wrong, with names
	Way  string // the way out
}

func (e *DoctorError) Error() string {
	var b strings.Builder
	b.WriteString("the database cannot be backed up like this:")
	for _, f := range e.Findings {
		fmt.Fprintf(&b, "\n- %s: %s", f.What, f.Way)
	}
	return b.String()
}

// checkVersion refuses servers whose catalogs are not known.
func checkVersion(num int, text string) []Finding {
	switch major := num / 10000; {
	case major < oldestMajor:
		return []Finding{{
			What: fmt.Sprintf("PostgreSQL %s is older than %d", text, oldestMajor),
			Way:  "upgrade the server, or use its own pg_dump",
		}}
	case major > newestMajor:
		return []Finding{{
			What: fmt.Sprintf("PostgreSQL %s is newer than %d, the newest whose catalogs this version of pgcofre knows", text, newestMajor),
			Way:  "upgrade pgcofre",
		}}
	}
	return nil
}

// checkRelations says which of the relations cannot be read whole.
func checkRelations(ctx context.Context, conn *pgx.Conn, info *Info, rels []Relation) ([]Finding, error) {
	rows, err := conn.Query(ctx, `
		SELECT n.nspname, c.relname,
			COALESCE(pg_catalog.has_schema_privilege(n.oid, 'USAGE'), true), -- NULL: dropped since
			COALESCE(pg_catalog.has_table_privilege(c.oid, 'SELECT'), true),
			pg_catalog.row_security_active(c.oid),
			c.relforcerowsecurity AND c.relowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY ($1::int8[]::oid[])
		ORDER BY n.nspname, c.relname`, oids(rels))
	if err != nil {
		return nil, fmt.Errorf("examining the tables: %w", err)
	}
	var schemas, tables, filtered, forced []string
	var schema, table string
	var usage, sel, rls, force bool
	_, err = pgx.ForEachRow(rows, []any{&schema, &table, &usage, &sel, &rls, &force}, func() error {
		name := QuoteIdent(schema, table)
		if s := QuoteIdent(schema); !usage && (len(schemas) == 0 || schemas[len(schemas)-1] != s) {
			schemas = append(schemas, s)
		}
		if !sel {
			tables = append(tables, name)
		}
		switch {
		case rls && force:
			forced = append(forced, name)
		case rls:
			filtered = append(filtered, name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("examining the tables: %w", err)
	}
	return relationFindings(info, schemas, tables, filtered, forced), nil
}

func relationFindings(info *Info, schemas, tables, filtered, forced []string) (found []Finding) {
	role, list := QuoteIdent(info.User), func(s []string) string { return strings.Join(s, ", ") }
	var all string
	if info.Version >= 140000 {
		all = fmt.Sprintf(", or GRANT pg_read_all_data TO %s", role)
	}
	if len(schemas) > 0 {
		found = append(found, Finding{
			What: fmt.Sprintf("role %s may not use %d schemas that hold tables to back up: %s", role, len(schemas), list(schemas)),
			Way:  fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s%s, or exclude them", list(schemas), role, all),
		})
	}
	if len(tables) > 0 {
		found = append(found, Finding{
			What: fmt.Sprintf("role %s may not read %d tables: %s", role, len(tables), list(tables)),
			Way:  fmt.Sprintf("GRANT SELECT ON TABLE %s TO %s%s, or exclude them", list(tables), role, all),
		})
	}
	if len(filtered) > 0 {
		found = append(found, Finding{
			What: fmt.Sprintf("row security hides rows of %d tables from role %s: %s", len(filtered), role, list(filtered)),
			Way:  fmt.Sprintf("ALTER ROLE %s BYPASSRLS, or connect as the tables' owner, or exclude them", role),
		})
	}
	if len(forced) > 0 {
		found = append(found, Finding{
			What: fmt.Sprintf("row security is forced upon the owner %s of %d tables: %s", role, len(forced), list(forced)),
			Way:  fmt.Sprintf("ALTER ROLE %s BYPASSRLS, or ALTER TABLE ... NO FORCE ROW LEVEL SECURITY, or exclude them", role),
		})
	}
	return found
}

// checkLockTable compares the number of locks that a backup takes with the room
// in the server's lock table (NLOCKENTS in lock.c), which all sessions share:
// whoever fills it makes the others fail as well.
func checkLockTable(ctx context.Context, conn *pgx.Conn, tables int) (found []Finding, warning string, err error) {
	var each, owners int
	err = conn.QueryRow(ctx, `
		SELECT pg_catalog.current_setting('max_locks_per_transaction')::int4,
			pg_catalog.current_setting('max_connections')::int4
			+ pg_catalog.current_setting('max_worker_processes')::int4
			+ pg_catalog.current_setting('max_wal_senders')::int4
			+ pg_catalog.current_setting('autovacuum_max_workers')::int4
			+ pg_catalog.current_setting('max_prepared_transactions')::int4`).Scan(&each, &owners)
	if err != nil {
		return nil, "", fmt.Errorf("reading the size of the lock table: %w", err)
	}
	what := fmt.Sprintf("a backup locks %d tables, and the lock table of the server has room for %d locks", tables, each*owners)
	way := fmt.Sprintf("raise max_locks_per_transaction (now %d) to %d or more and restart the server, or exclude tables",
		each, 2*tables/owners+1)
	switch {
	case tables > each*owners:
		return []Finding{{What: what, Way: way}}, "", nil
	case tables > each*owners/2:
		return nil, what + ": " + way, nil
	}
	return nil, "", nil
}

// warnings names what does not stop a backup but may: what holds back VACUUM
// more than the backup itself does, and what cancels queries on a standby.
func warnings(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT pg_catalog.format('prepared transaction %L of database %I, prepared at %s, keeps VACUUM from removing rows: COMMIT PREPARED or ROLLBACK PREPARED it',
			gid, database, prepared)
		FROM pg_catalog.pg_prepared_xacts
		WHERE prepared < pg_catalog.now() - interval '1 hour'
		UNION ALL
		SELECT pg_catalog.format('replication slot %I, which nobody reads, keeps VACUUM from removing rows since %s transactions: start its reader, or pg_drop_replication_slot(%L)',
			slot_name, pg_catalog.age(xid), slot_name)
		FROM (SELECT slot_name, COALESCE(xmin, catalog_xmin) AS xid FROM pg_catalog.pg_replication_slots WHERE NOT active) s
		WHERE xid IS NOT NULL
		UNION ALL
		SELECT pg_catalog.format('the standby cancels queries that delay it: %s = %s; set it to -1 on a standby that is backed up', name, setting)
		FROM pg_catalog.pg_settings
		WHERE pg_catalog.pg_is_in_recovery() AND setting <> '-1'
			AND name IN ('max_standby_streaming_delay', 'max_standby_archive_delay')
		UNION ALL
		SELECT 'the standby does not tell its primary which rows it still reads (hot_standby_feedback = off): the backup may be cancelled when VACUUM removes them'
		FROM pg_catalog.pg_settings
		WHERE pg_catalog.pg_is_in_recovery() AND name = 'hot_standby_feedback' AND setting = 'off'`)
	if err != nil {
		return nil, fmt.Errorf("looking for what endangers a backup: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("looking for what endangers a backup: %w", err)
	}
	return list, nil
}
