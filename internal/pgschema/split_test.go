package pgschema_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// split is a database of tables that are worth cutting, with all that waits
// for their rows.
const split = `
	CREATE TABLE parents (id int PRIMARY KEY, v text NOT NULL);
	INSERT INTO parents SELECT i, md5(i::text) FROM generate_series(1, 5000) AS i;
	CREATE TABLE children (id int PRIMARY KEY, parent int NOT NULL REFERENCES parents, v text);
	INSERT INTO children SELECT i, 1 + i % 5000, md5(i::text) FROM generate_series(1, 5000) AS i;
	CREATE UNIQUE INDEX ON children (v);
	ALTER TABLE children ADD CHECK (id > 0) NOT VALID;
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no more''; END';
	CREATE TRIGGER refuse BEFORE INSERT ON children FOR EACH ROW EXECUTE FUNCTION refuse();
	CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM parents JOIN children ON parent = parents.id;
	CREATE TABLE parts (id int, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (3000);
	CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (3000) TO (9000);
	INSERT INTO parts SELECT i, md5(i::text) FROM generate_series(1, 5000) AS i;
	CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
	CREATE TABLE hashed (c colour, id int) PARTITION BY HASH (c);
	CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO hashed SELECT (enum_range(NULL::colour))[1 + i % 3], i FROM generate_series(1, 5000) AS i;`

// TestSplitRestores: stock pg_restore -j loads every part of every table once.
func TestSplitRestores(t *testing.T) {
	const parts = 3
	for _, tools := range oracle.Clients() {
		t.Run(fmt.Sprint(tools.Major), func(t *testing.T) {
			srv := oracle.Server(t, tools.Major)
			source := oracle.Database(t, srv, split)
			conn := snapshot(t, source)
			s, err := pgschema.Read(t.Context(), conn, nil)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			for _, d := range s.Tables {
				entries := s.Split(d, parts)
				if len(entries) != parts || entries[0] != d.Entry {
					t.Fatalf("Split(%s) = %v; want %d entries, the first being the table's", d.Name, entries, parts)
				}
				for i, e := range entries {
					var b bytes.Buffer
					query := fmt.Sprintf("COPY (SELECT %s FROM ONLY %s WHERE id %% %d = %d) TO STDOUT",
						strings.Join(d.Columns, ", "), pgsession.QuoteIdent(d.Schema, d.Name), parts, i)
					if _, err := conn.PgConn().CopyTo(t.Context(), &b, query); err != nil {
						t.Fatal(err)
					}
					b.WriteString("\\.\n\n\n")
					writeFile(t, dir, e.File.String(), b.Bytes())
				}
			}
			checkWaiting(t, s)
			writeTOC(t, dir, s)
			for range 2 { // the order of jobs differs from run to run
				target := oracle.Database(t, srv)
				oracle.Run(t, tools.PgRestore, "-j4", "--exit-on-error", "-d", target, dir)
				sameText(t, oracle.Dump(t, tools, target, "-s"), oracle.Dump(t, tools, source, "-s"))
				for _, table := range []string{"parents", "children", "parts", "hashed", "total"} {
					sameText(t, rowsOf(t, target, table), rowsOf(t, source, table))
				}
			}
		})
	}
}

// checkWaiting: what waits for one part of a table waits for all.
func checkWaiting(t *testing.T, s *pgschema.Schema) {
	t.Helper()
	data := make(map[int][]int) // by table: its data entries
	for _, e := range s.Entries {
		if e.Desc == "TABLE DATA" {
			data[e.Deps[0]] = append(data[e.Deps[0]], e.DumpID)
		}
	}
	waiting := 0
	for _, e := range s.Entries {
		if e.Section != toc.SectionPostData {
			continue
		}
		for table, ids := range data {
			if !slices.Contains(e.Deps, table) {
				continue
			}
			for _, id := range ids {
				if waiting++; !slices.Contains(e.Deps, id) {
					t.Errorf("%s %s waits for %v: entry %d of its table is not among them", e.Desc, e.Tag, e.Deps, id)
				}
			}
		}
	}
	if waiting == 0 {
		t.Error("nothing waits for a table's rows")
	}
}

// rowsOf is a table's rows as text, in their order as text.
func rowsOf(t *testing.T, target, table string) string {
	t.Helper()
	conn := snapshot(t, target)
	var text string
	err := conn.QueryRow(t.Context(), fmt.Sprintf(
		`SELECT string_agg(r, E'\n' ORDER BY r) FROM (SELECT ROW(t.*)::text AS r FROM public.%s AS t) AS rows`, table)).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestSplitOne: a table that needs one entry keeps its own, as pg_dump has it.
func TestSplitOne(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), "CREATE TABLE t (a int)")
	s, err := pgschema.Read(t.Context(), snapshot(t, target), nil)
	if err != nil {
		t.Fatal(err)
	}
	before := len(s.Entries)
	entries := s.Split(s.Tables[0], 1)
	if len(entries) != 1 || entries[0].Defn.Valid || len(s.Entries) != before {
		t.Errorf("Split(t, 1) = %+v and %d entries; want the one entry unchanged", entries, len(s.Entries)-before)
	}
}
