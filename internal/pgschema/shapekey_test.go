package pgschema_test

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// keyCases are tables called t with the index that identifies their rows, or "".
var keyCases = []struct {
	since        int
	setup, index string
}{
	{setup: "CREATE TABLE t (a int)"},
	{setup: "CREATE TABLE t (a int PRIMARY KEY)", index: "t_pkey"},
	{setup: "CREATE TABLE t (b int, a text, PRIMARY KEY (b, a) INCLUDE (c), c int NOT NULL UNIQUE)", index: "t_pkey"},
	{setup: "CREATE TABLE t (a int PRIMARY KEY DEFERRABLE)"},
	{setup: "CREATE TABLE t (a int PRIMARY KEY DEFERRABLE, b int NOT NULL UNIQUE)", index: "t_b_key"},
	{setup: "CREATE TABLE t (a int UNIQUE)"},
	{setup: "CREATE TABLE t (a int NOT NULL, b int, UNIQUE (a, b))"},
	{setup: "CREATE TABLE t (a int NOT NULL); CREATE INDEX i ON t (a)"},
	{setup: "CREATE TABLE t (a int NOT NULL); CREATE UNIQUE INDEX i ON t (a) WHERE a > 0"},
	{setup: "CREATE TABLE t (a int NOT NULL); CREATE UNIQUE INDEX i ON t (abs(a))"},
	{setup: `CREATE TABLE t (a text NOT NULL); CREATE UNIQUE INDEX i ON t (a COLLATE "C")`},
	{setup: "CREATE TABLE t (a int NOT NULL GENERATED ALWAYS AS (1) STORED UNIQUE, b int)"},
	{setup: "CREATE TABLE t (a text NOT NULL UNIQUE, b uuid NOT NULL UNIQUE, c bigint NOT NULL UNIQUE, d int NOT NULL, e int NOT NULL, UNIQUE (d, e))", index: "t_c_key"},
	{setup: "CREATE TABLE t (a int NOT NULL); CREATE UNIQUE INDEX z ON t (a); CREATE UNIQUE INDEX y ON t (a)", index: "y"},
	{setup: "CREATE TABLE t (a text NOT NULL); CREATE UNIQUE INDEX i ON t (a text_pattern_ops DESC) INCLUDE (a)", index: "i"},
	{setup: "CREATE TABLE t (a numeric, b timestamptz, c varchar(5), d char(3), e bytea, f float, g text[], h int4range, i jsonb, j inet, k date, PRIMARY KEY (a, b, c, d, e, f, g, h, i, j, k))", index: "t_pkey"},
	{setup: "CREATE TYPE e AS ENUM ('a'); CREATE TYPE p AS (x e); CREATE DOMAIN dp AS p; CREATE DOMAIN de AS e[]; CREATE DOMAIN di AS int; CREATE DOMAIN dr AS int4range;" +
		`CREATE TABLE t ("A ""b" di, b e, c p, d dp, e de, f dr, PRIMARY KEY ("A ""b", b, c, d, e, f))`, index: "t_pkey"},
	{setup: "CREATE TYPE e AS ENUM ('a'); CREATE DOMAIN d AS e; CREATE TABLE t (a d PRIMARY KEY)"},
	{setup: "CREATE TABLE t (a macaddr PRIMARY KEY, b int)"}, // revoked below
	{since: 18, setup: "CREATE TABLE t (a int UNIQUE); ALTER TABLE t ADD NOT NULL a NOT VALID"},
	{since: 18, setup: "CREATE TABLE t (a int4range, b tsrange, PRIMARY KEY (a, b WITHOUT OVERLAPS))"},
}

// TestKeys: the key of a table is one whose text and equality a role with
// SELECT can ask for as it says, and is the same when read by its name.
func TestKeys(t *testing.T) {
	for _, major := range []int{13, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			srv := oracle.Server(t, major)
			oracle.Roles(t, srv)
			setup := []string{"REVOKE EXECUTE ON FUNCTION pg_catalog.macaddr_out FROM PUBLIC"}
			for i, c := range keyCases {
				if c.since <= major {
					setup = append(setup, fmt.Sprintf(`CREATE SCHEMA c%d; SET search_path = c%[1]d; %s;
						GRANT USAGE ON SCHEMA c%[1]d TO PUBLIC; GRANT SELECT ON t TO PUBLIC`, i, c.setup))
				}
			}
			target := oracle.Database(t, srv, setup...)
			tables := shapeTables(t, target, "relname = 't'")
			conn := snapshot(t, target)
			if _, err := conn.Exec(t.Context(), "SET ROLE regress_pgcofre_reader"); err != nil {
				t.Fatal(err)
			}
			shapes, err := pgschema.Shapes(t.Context(), conn, tables)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tables {
				n, err := strconv.Atoi(d.Schema[1:])
				if err != nil {
					t.Fatal(err)
				}
				c, key := keyCases[n], shapes[d.OID].Key
				switch {
				case key == nil && c.index != "":
					t.Errorf("%s\nhas no key, want %s", c.setup, c.index)
				case key != nil && key.Index != c.index:
					t.Errorf("%s\nhas key %s, want %q", c.setup, key.Index, c.index)
				case key != nil:
					useKey(t, conn, d, key)
				}
			}
		})
	}
}

// useKey asks for what a key says.
func useKey(t *testing.T, conn *pgx.Conn, d *pgschema.TableData, key *pgschema.Key) {
	t.Helper()
	var columns, equal []string
	for _, c := range key.Columns {
		column := pgsession.QuoteIdent(c.Name)
		columns = append(columns, c.Output+"("+column+")")
		equal = append(equal, "a."+column+" "+c.Equal+" b."+column)
		if c.Integer {
			columns = append(columns, column+" >> 3")
		}
	}
	name := pgsession.QuoteIdent(d.Schema, d.Name)
	for _, sql := range []string{
		"SELECT " + strings.Join(columns, ", ") + " FROM " + name,
		"SELECT FROM " + name + " AS a, " + name + " AS b WHERE " + strings.Join(equal, " AND "),
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	again, err := pgschema.TableKey(t.Context(), conn, d.Schema, d.Name, key.Index)
	if err != nil || !reflect.DeepEqual(again, key) {
		t.Errorf("%s: read by its name it is %v (%v), not %v", name, again, err, key)
	}
	if _, err := pgschema.TableKey(t.Context(), conn, d.Schema, d.Name, "none"); err == nil || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("%s: an index that is not there: %v", name, err)
	}
}

// TestKeyColumns: what a key says of its columns.
func TestKeyColumns(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), `CREATE SCHEMA "X x"; CREATE EXTENSION citext SCHEMA "X x"; CREATE DOMAIN d AS smallint;
		CREATE TABLE t (a d, b "X x".citext, c bigint, e numeric, PRIMARY KEY (c, b, a, e))`)
	key, err := pgschema.TableKey(t.Context(), snapshot(t, target), "public", "t", "t_pkey")
	if err != nil {
		t.Fatal(err)
	}
	want := &pgschema.Key{Index: "t_pkey", Columns: []pgschema.KeyColumn{
		{Name: "c", Output: `"pg_catalog"."int8out"`, Equal: `OPERATOR("pg_catalog".=)`, Integer: true},
		{Name: "b", Output: `"X x"."citextout"`, Equal: `OPERATOR("X x".=)`},
		{Name: "a", Output: `"pg_catalog"."int2out"`, Equal: `OPERATOR("pg_catalog".=)`, Integer: true},
		{Name: "e", Output: `"pg_catalog"."numeric_out"`, Equal: `OPERATOR("pg_catalog".=)`},
	}}
	if !reflect.DeepEqual(key, want) {
		t.Errorf("the key is %v, want %v", key, want)
	}
}
