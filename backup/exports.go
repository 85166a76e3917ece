package backup

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// exportDump is one declared query's share of a run.
type exportDump struct {
	Export
	object string
	rows   int64
}

func (d *dump) planExports() []*task {
	var tasks []*task
	for _, e := range d.Exports {
		x := &exportDump{Export: e}
		d.exports = append(d.exports, x)
		tasks = append(tasks, &task{run: func(ctx context.Context, c *connection, _ *task) error {
			return d.export(ctx, c, x)
		}})
	}
	return tasks
}

func (d *dump) export(ctx context.Context, c *connection, x *exportDump) error {
	obj, err := d.w.Put(ctx, "exports/"+x.Name+".csv", func(out io.Writer) error {
		w, err := c.get(ctx)
		if err != nil {
			return c.broken(ctx, err)
		}
		if x.rows, err = x.copyTo(ctx, w.Conn(), out); err != nil {
			return c.broken(ctx, fmt.Errorf("export %s: %w", x.Name, err))
		}
		return nil
	})
	x.object = obj.Name
	return err
}

// copyTo runs the query with its own search_path, in a savepoint so that the
// pinned one is back for the tables that follow.
func (x *exportDump) copyTo(ctx context.Context, conn *pgx.Conn, out io.Writer) (rows int64, err error) {
	path := x.SearchPath
	if path == "" {
		path = "public"
	}
	if _, err := conn.Exec(ctx, "SAVEPOINT export"); err != nil {
		return 0, err
	}
	// Tables may be read without views and foreign tables, a query not.
	_, err = conn.Exec(ctx, `SELECT pg_catalog.set_config('search_path', $1, true), (
		SELECT pg_catalog.set_config(name, '', true) FROM pg_catalog.pg_settings WHERE name = 'restrict_nonsystem_relation_kind')`, path)
	if err != nil {
		return 0, err
	}
	sql := strings.TrimRight(strings.TrimSpace(x.SQL), "; \t\n")
	// The line end keeps a trailing comment from swallowing the parenthesis.
	tag, err := conn.PgConn().CopyTo(ctx, out, "COPY (\n"+sql+"\n) TO STDOUT (FORMAT csv, HEADER)")
	if err != nil {
		return 0, err
	}
	_, err = conn.Exec(ctx, "ROLLBACK TO SAVEPOINT export")
	return tag.RowsAffected(), err
}
