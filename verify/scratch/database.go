package scratch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// DatabaseOptions say what database to create. The zero value, and nil, is one
// with the encoding and the locale of the server's template0.
type DatabaseOptions struct {
	// Prefix begins the name; 26 random characters follow. "" is "scratch_".
	// A program that was killed leaves its databases behind: a prefix of its
	// own is what it finds them by.
	Prefix string
	// Encoding, Collate and CType are as in pg_database; "" is template0's.
	Encoding, Collate, CType string
	// Provider is 'c', 'i' (15 and newer) or 'b' (17 and newer), as in
	// pg_database.datlocprovider; 0 is template0's.
	Provider byte
	// Locale and ICURules (16 and newer) are those of the provider.
	Locale, ICURules string
}

// Database is a throw-away database on a server that somebody else runs.
type Database struct {
	Name string

	maintenance *pgx.ConnConfig
}

// CreateDatabase creates a database with a random name from template0.
// maintenance is how to connect to another database of that server, as a role
// with CREATEDB; it is kept for [Database.Drop]. The caller drops the database.
func CreateDatabase(ctx context.Context, maintenance *pgx.ConnConfig, opts *DatabaseOptions) (*Database, error) {
	if opts == nil {
		opts = &DatabaseOptions{}
	}
	prefix := opts.Prefix
	if prefix == "" {
		prefix = "scratch_"
	}
	d := &Database{Name: prefix + strings.ToLower(rand.Text()), maintenance: maintenance.Copy()}
	sql, err := opts.statement(d.Name)
	if err != nil {
		return nil, err
	}
	if err := d.execute(ctx, sql); err != nil {
		return nil, fmt.Errorf("scratch: create database %s: %w", d.Name, err)
	}
	return d, nil
}

// statement is the CREATE DATABASE that the options describe.
func (o *DatabaseOptions) statement(name string) (string, error) {
	var b strings.Builder
	b.WriteString("CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " TEMPLATE template0")
	add := func(keyword, value string) {
		if value != "" {
			b.WriteString(" " + keyword + " '" + strings.ReplaceAll(value, "'", "''") + "'")
		}
	}
	add("ENCODING", o.Encoding)
	add("LC_COLLATE", o.Collate)
	add("LC_CTYPE", o.CType)
	switch o.Provider {
	case 0:
	case 'c':
		b.WriteString(" LOCALE_PROVIDER libc")
	case 'i':
		b.WriteString(" LOCALE_PROVIDER icu")
		add("ICU_LOCALE", o.Locale)
		add("ICU_RULES", o.ICURules)
	case 'b':
		b.WriteString(" LOCALE_PROVIDER builtin")
		add("BUILTIN_LOCALE", o.Locale)
	default:
		return "", fmt.Errorf("scratch: the locale provider %q is not known", o.Provider)
	}
	return b.String(), nil
}

// Config is the connection to the database, as the role of the maintenance
// connection. Each call returns a new one.
func (d *Database) Config() *pgx.ConnConfig {
	cfg := d.maintenance.Copy()
	cfg.Database = d.Name
	return cfg
}

// Drop removes the database, ending its connections. Dropping what is gone is
// no error.
func (d *Database) Drop(ctx context.Context) error {
	if err := d.execute(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{d.Name}.Sanitize()+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("scratch: drop database %s: %w", d.Name, err)
	}
	return nil
}

// execute runs one statement on the maintenance connection.
func (d *Database) execute(ctx context.Context, sql string) (err error) {
	conn, err := pgx.ConnectConfig(ctx, d.maintenance)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err = errors.Join(err, conn.Close(closing))
	}()
	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
	return err
}
