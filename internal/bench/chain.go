package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// link is one backup of a chain that is measured, and what is done to the
// database before it.
type link struct {
	name   string
	role   string
	change func(ctx context.Context, conn *pgx.Conn) error // nil: nothing
}

// links are a full backup without what incrementals need, one with it, and
// incrementals on that.
var links = []link{
	{name: "full, nothing recorded", role: "dump-alone"},
	{name: "full", role: "incremental"},
	{name: "incremental, nothing changed", role: "incremental"},
	{name: "incremental, 1 % changed", role: "incremental", change: scatter},
	{name: "incremental, 1 % appended", role: "incremental", change: appendRows},
}

// chain measures each of the links as often as asked, on the database as the
// runs before left it.
func (r *race) chain(ctx context.Context) error {
	for n := range r.runs {
		folder := filepath.Join(r.tmp, strconv.Itoa(n))
		for _, l := range links {
			if l.change != nil {
				if err := l.change(ctx, r.srv.admin); err != nil {
					return fmt.Errorf("before %s: %w", l.name, err)
				}
				if _, err := r.srv.admin.Exec(ctx, "VACUUM ANALYZE"); err != nil {
					return err
				}
			}
			path := filepath.Join(folder, l.role)
			before := int64(0)
			if _, err := os.Stat(path); err == nil {
				if before, err = size(ctx, path); err != nil {
					return err
				}
			}
			res, err := r.measure(ctx, r.self(ctx, r.srv, l.role, r.srv.cfg.Database, path, strconv.Itoa(r.jobs)))
			if err != nil {
				return fmt.Errorf("%s: %w", l.name, err)
			}
			after, err := size(ctx, path)
			if err != nil {
				return err
			}
			res.stored = after - before
			r.results[l.name] = append(r.results[l.name], res)
		}
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	}
	return nil
}

// printChain writes the medians, each beside the full backup.
func (r *race) printChain(out io.Writer) error {
	var b strings.Builder
	full := middle(r.results[links[1].name])
	fmt.Fprintf(&b, "\n%-30s %8s %8s %8s %8s %10s %9s %11s %8s\n", "backup", "wall s", "to full", "spread", "CPU s", "server CPU", "peak MiB", "stored MiB", "to full")
	for _, l := range links {
		m := middle(r.results[l.name])
		fmt.Fprintf(&b, "%-30s %8.2f %7.1f%% %7.0f%% %8.2f %10s %9.0f %11.3f %7.2f%%\n", l.name, m.wall.Seconds(), 100*m.wall.Seconds()/full.wall.Seconds(),
			spread(r.results[l.name]), m.cpu.Seconds(), known(m.server.Seconds()), float64(m.peak)/(1<<20), float64(m.stored)/(1<<20), 100*float64(m.stored)/float64(full.stored))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// tables are those whose rows are changed: all but the one that others refer to.
func tables(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, `
		SELECT c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 1 AND NOT a.attisdropped
		WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname <> 'profiles' GROUP BY c.relname`)
	if err != nil {
		return nil, err
	}
	columns := map[string]string{}
	var name, list string
	_, err = pgx.ForEachRow(rows, []any{&name, &list}, func() error {
		columns[name] = list
		return nil
	})
	return columns, err
}

// scatter changes one row in a hundred, all over each table: half of those are
// updated, a quarter deleted, and as many inserted.
func scatter(ctx context.Context, conn *pgx.Conn) error {
	names, err := tables(ctx, conn)
	if err != nil {
		return err
	}
	for name, columns := range names {
		table := pgx.Identifier{name}.Sanitize()
		column, _, _ := strings.Cut(columns, ",")
		for _, sql := range []string{
			fmt.Sprintf("UPDATE %[1]s SET %[2]s = %[2]s WHERE abs(hashint8extended(id, 1)) %% 200 = 7", table, column),
			fmt.Sprintf("DELETE FROM %s WHERE abs(hashint8extended(id, 1)) %% 400 = 9", table),
			copyRows(table, columns, 400),
		} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
	}
	return nil
}

// appendRows adds one row to a hundred.
func appendRows(ctx context.Context, conn *pgx.Conn) error {
	names, err := tables(ctx, conn)
	if err != nil {
		return err
	}
	for name, columns := range names {
		if _, err := conn.Exec(ctx, copyRows(pgx.Identifier{name}.Sanitize(), columns, 100)); err != nil {
			return err
		}
	}
	return nil
}

// copyRows adds to a table copies of one row in n, with the next ids.
func copyRows(table, columns string, n int) string {
	return fmt.Sprintf(`INSERT INTO %[1]s (id, %[2]s) SELECT last + row_number() OVER (), %[2]s
		FROM %[1]s, (SELECT max(id) AS last FROM %[1]s) AS m WHERE abs(hashint8extended(id, 2)) %% %[3]d = 3`, table, columns, n)
}
