package restore

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// ErrBusy is returned, wrapped, when another restore works on the same target,
// and by a restore in place when a backup does.
var ErrBusy = pgsession.ErrBusy

// target is the database that is restored into.
type target struct {
	config  *pgx.ConnConfig // of the database under its final name
	admin   *pgx.ConnConfig // of another database of the server; nil unless create
	create  bool
	version int // server_version_num
}

const (
	undefinedDatabase = "3D000" // SQLSTATE invalid_catalog_name
	deadlock          = "40P01" // SQLSTATE deadlock_detected
)

// openTarget connects to the target, or to a database beside it when the
// target does not exist.
func openTarget(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, *target, error) {
	t := &target{config: cfg.Copy()}
	conn, err := pgsession.Connect(ctx, cfg, pgsession.Settings{Restoring: true})
	if sqlState(err) == undefinedDatabase {
		t.create = true
		for _, name := range []string{"postgres", "template1"} {
			t.admin = cfg.Copy()
			t.admin.Database = name
			if conn, err = pgsession.Connect(ctx, t.admin, pgsession.Settings{Restoring: true}); sqlState(err) != undefinedDatabase {
				break
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	var creator bool
	err = conn.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4, rolcreatedb OR rolsuper
		FROM pg_catalog.pg_roles WHERE rolname = current_user`).Scan(&t.version, &creator)
	if err == nil && t.create && !creator {
		err = fmt.Errorf("database %q does not exist, and the role may not create it; create it, or connect as a role with CREATEDB", cfg.Database)
	}
	if err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return nil, nil, err
	}
	return conn, t, nil
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// checkEmpty refuses a database that holds anything of a user's. What belongs
// to extensions does not count: providers install some everywhere. Where
// schemas are given, nothing counts that is in another one.
func (t *target) checkEmpty(ctx context.Context, conn *pgx.Conn, schemas []string) error {
	rows, err := conn.Query(ctx, `
		WITH mine AS (
			SELECT 'pg_catalog.pg_class'::pg_catalog.regclass AS class, oid, relnamespace AS schema, 'relation ' || relname AS what
			  FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
			UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, pronamespace, 'function ' || proname FROM pg_catalog.pg_proc
			UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, typnamespace, 'type ' || typname
			  FROM pg_catalog.pg_type WHERE typtype IN ('d', 'e', 'r') AND typrelid = 0
			UNION ALL SELECT 'pg_catalog.pg_namespace'::pg_catalog.regclass, oid, oid, 'schema ' || nspname
			  FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'
			UNION ALL SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass, oid, 0, 'large object ' || oid
			  FROM pg_catalog.pg_largeobject_metadata
			UNION ALL SELECT 'pg_catalog.pg_publication'::pg_catalog.regclass, oid, 0, 'publication ' || pubname FROM pg_catalog.pg_publication)
		SELECT what::pg_catalog.text FROM mine
		WHERE (oid >= 16384 OR class = 'pg_catalog.pg_largeobject'::pg_catalog.regclass) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
			WHERE d.classid = mine.class AND d.objid = mine.oid AND d.deptype = 'e')
		  AND ($1::pg_catalog.text[] IS NULL OR schema = 0
			OR schema IN (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1)))
		ORDER BY oid LIMIT 6`, schemas)
	if err != nil {
		return fmt.Errorf("looking into the target database: %w", err)
	}
	holds, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("looking into the target database: %w", err)
	}
	if len(holds) == 6 {
		holds[5] = "more"
	}
	if len(holds) > 0 {
		return &NotEmptyError{Database: t.config.Database, Holds: holds}
	}
	return nil
}

// checkEncoding refuses a database that cannot hold the same texts.
func (t *target) checkEncoding(ctx context.Context, conn *pgx.Conn, encoding string) error {
	var have string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_encoding')").Scan(&have); err != nil {
		return err
	}
	if have != encoding && encoding != "SQL_ASCII" {
		return fmt.Errorf("restore: database %q has encoding %s, the backup %s: create it from template0 with that encoding, or let the restore create it",
			t.config.Database, have, encoding)
	}
	return nil
}

// stageName is what a database is called while it is filled. It is the same
// for every restore of one target, so that the next one finds and drops what a
// killed one left; the lock on the target keeps two live ones apart.
func (t *target) stageName() string {
	sum := sha256.Sum256([]byte(t.config.Database))
	return fmt.Sprintf("pgcofre_restoring_%x", sum[:6])
}

// lock keeps other restores of the same target away while conn lives.
func (t *target) lock(ctx context.Context, conn *pgx.Conn) error {
	var got bool
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))",
		"pgcofre restore "+t.config.Database).Scan(&got)
	if err != nil {
		return err
	}
	if !got {
		return fmt.Errorf("restoring into database %q: %w; try again when it has ended", t.config.Database, ErrBusy)
	}
	return nil
}

// createStage creates the database under its stage name from the archive's
// own CREATE DATABASE, which has the encoding, locale and provider.
func (t *target) createStage(ctx context.Context, conn *pgx.Conn, sql string) error {
	stage := t.stageName()
	if err := t.drop(ctx, conn); err != nil {
		return fmt.Errorf("dropping what an earlier restore left: %w", err)
	}
	sql = strings.TrimSpace(rewriteDatabase(sql, stage))
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("creating the database as it was (one that you create, empty, is filled as well): %w", &EntryError{Desc: "DATABASE", Name: t.config.Database, Statement: sql, Err: err})
	}
	return nil
}

// promote gives the finished database its name.
func (t *target) promote(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s RENAME TO %s",
		pgsession.QuoteIdent(t.stageName()), pgsession.QuoteIdent(t.config.Database)))
	if err != nil {
		return fmt.Errorf("giving the restored database its name: %w", err)
	}
	return nil
}

// drop removes a database that was not finished. If it is a template by then,
// it must not be.
func (t *target) drop(ctx context.Context, conn *pgx.Conn) error {
	stage := t.stageName()
	var template bool
	err := conn.QueryRow(ctx, "SELECT datistemplate FROM pg_catalog.pg_database WHERE datname = $1", stage).Scan(&template)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil && template {
		_, err = conn.Exec(ctx, "ALTER DATABASE "+pgsession.QuoteIdent(stage)+" IS_TEMPLATE false")
	}
	if err == nil {
		_, err = conn.Exec(ctx, "DROP DATABASE "+pgsession.QuoteIdent(stage)+" WITH (FORCE)")
	}
	return err
}

// stage is the configuration of the database while it is filled.
func (t *target) stage() *pgx.ConnConfig {
	cfg := t.config.Copy()
	if t.create {
		cfg.Database = t.stageName()
	}
	return cfg
}
