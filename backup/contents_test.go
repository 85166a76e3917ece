package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// read gives an object of a set, decompressed.
func read(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, base string) []byte {
	t.Helper()
	name, ok := proof.Stored(set, base)
	if !ok {
		t.Fatalf("the set has no %s", base)
	}
	obj, err := (proof.Set{Manifest: set, Sink: sink}).Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	data, err := io.ReadAll(obj)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExports: the CSV of a query is what COPY gives of the backup's snapshot,
// whatever was written since.
func TestExports(t *testing.T) {
	t.Parallel()
	url := database(t, `CREATE SCHEMA app; CREATE VIEW app.names AS SELECT id, name, E'a "b"\n,' AS odd FROM public.people WHERE id % 7 = 0`)
	conn := connect(t, url)
	exports := []backup.Export{
		{Name: "people", SQL: "SELECT * FROM people ORDER BY id -- all of them"},
		{Name: "names", SQL: "SELECT * FROM names ORDER BY id;", SearchPath: "app"},
		{Name: "none", SQL: "SELECT 1 AS one WHERE false"},
	}
	want := map[string]string{}
	for _, x := range exports {
		var b bytes.Buffer
		sql := strings.ReplaceAll(strings.TrimRight(x.SQL, ";"), "FROM names", "FROM app.names")
		if _, err := conn.PgConn().CopyTo(t.Context(), &b, "COPY ("+sql+"\n) TO STDOUT (FORMAT csv, HEADER)"); err != nil {
			t.Fatal(err)
		}
		want[x.Name] = b.String()
	}
	sink := during(1, func() {
		if _, err := conn.Exec(context.Background(), `UPDATE people SET name = 'later'`); err != nil {
			t.Error(err)
		}
	})
	set, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url), Exports: exports, Jobs: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range intact(t, sink, set.Manifest).Exports {
		got := string(read(t, sink, set.Manifest, "exports/"+x.Name+".csv"))
		if got != want[x.Name] {
			t.Errorf("export %s is\n%.200s\nwant\n%.200s", x.Name, got, want[x.Name])
		}
		if rows := map[string]int64{"people": 20000, "names": 2857}[x.Name]; x.Rows != rows {
			t.Errorf("export %s has %d rows, want %d", x.Name, x.Rows, rows)
		}
		delete(want, x.Name)
	}
	if len(want) > 0 {
		t.Errorf("exports that contents.json does not know: %v", want)
	}
}

// TestExportRefused: an export must not write, and says where it failed.
func TestExportRefused(t *testing.T) {
	t.Parallel()
	url := database(t)
	for _, x := range []struct{ name, sql, err string }{
		{"a/b", "SELECT 1", "letters, digits"},
		{"empty", "", "no SQL"},
		{"wrong", "SELECT nothing", "export wrong"},
		{"writes", "DELETE FROM people RETURNING id", "export writes"},
		{"escapes", "SELECT 1) TO STDOUT; DELETE FROM tasks; COPY (SELECT 1", "export escapes"},
	} {
		sink := remotetest.NewMem()
		_, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url), Exports: []backup.Export{{Name: x.name, SQL: x.sql}}}, nil)
		if err == nil || !strings.Contains(err.Error(), x.err) {
			t.Errorf("%s: %v", x.name, err)
		}
		leavesNothing(t, sink)
	}
	if n := value[int](t, connect(t, url), "SELECT count(*) FROM tasks"); n != 1000 {
		t.Errorf("an export deleted rows: %d are left", n)
	}
}

// TestExcluded: what is left out is recorded, and makes the set a part.
func TestExcluded(t *testing.T) {
	t.Parallel()
	url := database(t, `CREATE SCHEMA auth; CREATE TABLE auth.users (id int PRIMARY KEY); INSERT INTO auth.users VALUES (1);
		CREATE TABLE profiles (id int REFERENCES auth.users); INSERT INTO profiles VALUES (1)`)
	for _, c := range []struct {
		src      backup.Dumper
		excluded string
		tables   []string
		needs    string
	}{
		{backup.Dumper{}, "", []string{"people", "profiles", "tasks", "users"}, ""},
		{backup.Dumper{ExcludeSchemas: []string{"auth"}}, "auth", []string{"people", "profiles", "tasks"}, "auth.users"},
		{backup.Dumper{ExcludeTables: []string{"public.p*"}}, "people", []string{"tasks", "users"}, "public.people"},
		{backup.Dumper{ExcludeTableData: []string{"people"}}, "people", []string{"profiles", "tasks", "users"}, ""},
		{backup.Dumper{Tables: []string{"tasks"}}, "everything else", []string{"tasks"}, "public.people"},
	} {
		src := c.src
		src.Config = oracle.Config(t, url)
		sink := remotetest.NewMem()
		set, err := backup.Run(t.Context(), sink, &src, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		contents := intact(t, sink, set.Manifest)
		var tables []string
		for _, table := range contents.Tables {
			tables = append(tables, table.Name)
		}
		slices.Sort(tables)
		excluded, needs := fmt.Sprint(contents.Excluded), fmt.Sprint(contents.Prerequisites)
		if part := set.Scope == manifest.Part; part != (c.excluded != "") || !slices.Equal(tables, c.tables) ||
			!strings.Contains(excluded, c.excluded) || !strings.Contains(needs, c.needs) {
			t.Errorf("without %q: scope %s, tables %q, excluded %s, prerequisites %s", c.excluded, set.Scope, tables, excluded, needs)
		}
	}
}

// TestLargeObjects: every one is an object, the empty and the long included.
func TestLargeObjects(t *testing.T) {
	t.Parallel()
	url := oracle.Database(t, oracle.Server(t, 15), `
		SELECT lo_create(1001), lo_from_bytea(1002, decode(repeat('00ff', 700000), 'hex')), lo_from_bytea(1003, '\x5c2e0a');
		SELECT lo_create(i) FROM generate_series(2000, 2250) AS i`)
	for _, compression := range []string{"zstd", "gzip", "none"} {
		sink := remotetest.NewMem()
		set, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url)}, &backup.Options{Compression: compression})
		if err != nil {
			t.Fatal(err)
		}
		if n := intact(t, sink, set.Manifest).LargeObjects.Count; n != 254 {
			t.Errorf("%d large objects of 254", n)
		}
		for oid, size := range map[int]int{1001: 0, 1002: 1400000, 1003: 3} {
			if got := read(t, sink, set.Manifest, fmt.Sprintf("blob_%d.dat", oid)); len(got) != size {
				t.Errorf("large object %d has %d bytes of %d", oid, len(got), size)
			}
		}
	}
}
