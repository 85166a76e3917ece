package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// holdings are what a database holds: lines of text, sorted, by what they are of.
type holdings map[string][]string

// difference names the first that is not the same; "" if all is.
func (want holdings) difference(got holdings) string {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := got[name]; !ok {
			return name + " is missing"
		}
		if d := difference(want[name], got[name]); d != "" {
			return name + " " + d
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			return name + " is too much"
		}
	}
	return ""
}

// difference is between two sorted lists of lines.
func difference(want, got []string) string {
	if slices.Equal(want, got) {
		return ""
	}
	lacking, more := without(want, got), without(got, want)
	return fmt.Sprintf("has %d rows, want %d; lacking are %.300q, too many are %.300q",
		len(got), len(want), lacking[:min(3, len(lacking))], more[:min(3, len(more))])
}

func without(a, b []string) (left []string) {
	count := map[string]int{}
	for _, line := range b {
		count[line]++
	}
	for _, line := range a {
		if count[line]--; count[line] < 0 {
			left = append(left, line)
		}
	}
	return left
}

// readContent reads a database in the transaction that conn is in: the rows of
// all tables, as COPY writes them, and large objects. Rows of hash partitions
// are their root's, as a restore may put them elsewhere.
func readContent(ctx context.Context, conn *pgx.Conn) (holdings, error) {
	rows, err := conn.Query(ctx, `
		WITH RECURSIVE hashed AS (
			SELECT partrelid AS oid FROM pg_partitioned_table WHERE partstrat = 'h'
			UNION SELECT inhrelid FROM pg_inherits JOIN hashed ON oid = inhparent)
		SELECT format('%I.%I', n.nspname, c.relname), CASE WHEN c.relkind = 'r' THEN 'ONLY ' ELSE '' END,
			coalesce((SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
				WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), ''),
			coalesce((SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_attribute
				WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = ''), '')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
			AND (c.relkind = 'r' AND c.oid NOT IN (SELECT oid FROM hashed)
				OR c.relkind = 'p' AND c.oid IN (SELECT oid FROM hashed) AND NOT c.relispartition)`)
	if err != nil {
		return nil, err
	}
	type source struct{ Table, Only, All, Stored string }
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[source])
	if err != nil {
		return nil, err
	}
	found := holdings{}
	read := func(name, sql string) {
		var b bytes.Buffer
		if err == nil {
			_, err = conn.PgConn().CopyTo(ctx, &b, "COPY ("+sql+") TO STDOUT")
			found[name] = slices.Sorted(strings.Lines(b.String()))
		}
	}
	for _, t := range tables {
		read(t.Table, fmt.Sprintf("SELECT %s FROM %s%s", t.Stored, t.Only, t.Table))
		if t.All != t.Stored {
			read(t.Table+" with what is generated", fmt.Sprintf("SELECT %s FROM %s%s", t.All, t.Only, t.Table))
		}
	}
	read("large objects", "SELECT oid, pg_catalog.lo_get(oid) FROM pg_catalog.pg_largeobject_metadata")
	return found, err
}

// readSequences reads what is in no snapshot.
func readSequences(t *testing.T, url string) holdings {
	t.Helper()
	conn := connect(t, url)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `SELECT format('%I.%I', schemaname, sequencename) FROM pg_sequences`)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	found := holdings{}
	for _, name := range names {
		found[name] = []string{value[string](t, conn, "SELECT concat_ws(' ', last_value, is_called) FROM "+name)}
	}
	return found
}

// contentOf reads a database that nobody writes to.
func contentOf(t *testing.T, url string) holdings {
	t.Helper()
	conn, err := pgsession.Connect(t.Context(), oracle.Config(t, url), pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	found, err := readContent(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// witness is a sink that reads the database, while a backup of it is taken, in
// the very snapshot of the backup.
type witness struct {
	remote.RemoteSink
	t   *testing.T
	cfg *pgx.ConnConfig // of the database, set before a backup

	mu       sync.Mutex
	set      string
	content  holdings
	snapshot string
}

func newWitness(t *testing.T) *witness {
	w := &witness{t: t}
	w.RemoteSink = &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(ctx context.Context, name string, r io.Reader) (io.Reader, error) {
		return r, w.see(ctx, name)
	}}
	return w
}

// see reads the database when the first object of a set arrives.
func (w *witness) see(ctx context.Context, name string) error {
	kind, rest, _ := strings.Cut(name, "/")
	id, _, ok := strings.Cut(rest, "/")
	if !ok || kind != string(manifest.Full) && kind != string(manifest.Incremental) {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if set := kind + "/" + id; w.set != set {
		w.set = set
		return w.read(ctx)
	}
	return nil
}

func (w *witness) read(ctx context.Context) error {
	conn, err := pgsession.Connect(ctx, w.cfg, pgsession.Settings{})
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, `SELECT pg_catalog.pg_ls_dir('pg_snapshots')`)
	if err != nil {
		return err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err = conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT '"+name+"'", pgx.QueryExecModeSimpleProtocol); err != nil {
			if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil { // it is of another database
				return err
			}
			continue
		}
		if err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_current_snapshot()::pg_catalog.text").Scan(&w.snapshot); err != nil {
			return err
		}
		w.content, err = readContent(ctx, conn)
		return err
	}
	return fmt.Errorf("none of %d snapshots is of the backup: %w", len(names), err)
}

// of is what the database held in the snapshot of a set that was just taken.
func (w *witness) of(set *manifest.Manifest) holdings {
	w.t.Helper()
	if w.set != set.ID || w.snapshot != set.Database.Snapshot {
		w.t.Fatalf("the snapshot of %s is %s, what was read is of %s in %s", set.ID, set.Database.Snapshot, w.set, w.snapshot)
	}
	return w.content
}
