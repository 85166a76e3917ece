package pgschema_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
)

// shapeCase is what is done to table t of a schema of its own.
type shapeCase struct {
	since   int // the oldest major that knows the statements
	setup   string
	act     string // statements, with semicolons at the ends of lines
	changes bool
}

// columns makes a case's table with a key and some columns.
func columns(more string) string { return "CREATE TABLE t (id int PRIMARY KEY, " + more + ");" }

const shapeEnum = `CREATE TYPE e AS ENUM ('a', 'b');`

// changing are cases of DDL after which rows that nobody wrote have another
// text or may be refused.
var changing = []shapeCase{
	{setup: shapeEnum + columns("c e"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{setup: shapeEnum + columns("c e"), act: "ALTER TYPE e ADD VALUE 'z' BEFORE 'a'"},
	{setup: shapeEnum + columns("c e[]"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{setup: shapeEnum + "CREATE DOMAIN d AS e; CREATE DOMAIN dd AS d;" + columns("c dd"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{setup: shapeEnum + "CREATE TYPE p AS (x int, y e[]); CREATE TYPE q AS (p p);" + columns("c q[]"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{setup: shapeEnum + "CREATE TYPE r AS RANGE (SUBTYPE = e);" + columns("c r"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{since: 14, setup: shapeEnum + "CREATE TYPE r AS RANGE (SUBTYPE = e, MULTIRANGE_TYPE_NAME = m);" + columns("c m"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{setup: shapeEnum + "CREATE TABLE o (e e);" + columns("c o"), act: "ALTER TYPE e RENAME VALUE 'a' TO 'z'"},
	{setup: "CREATE TABLE o (a int);" + columns("c o"), act: "ALTER TABLE o ADD b int"},
	{setup: "CREATE TABLE o (a int, b int); CREATE DOMAIN d AS o[];" + columns("c d"), act: "ALTER TABLE o DROP b"},
	{setup: "CREATE TYPE p AS (x int);" + columns("c p"), act: "ALTER TYPE p ADD ATTRIBUTE y int"},
	{setup: "CREATE TYPE p AS (x int, y int);" + columns("c p"), act: "ALTER TYPE p DROP ATTRIBUTE y"},
	{setup: "CREATE TYPE p AS (x int, y int);" + columns("c p"), act: "ALTER TYPE p DROP ATTRIBUTE y;\nALTER TYPE p ADD ATTRIBUTE y int"},
	{setup: "CREATE TYPE p AS (x int);" + columns("c p"), act: "ALTER TYPE p RENAME ATTRIBUTE x TO z"},
	{setup: "CREATE TYPE p AS (id int, x int); CREATE TABLE t OF p (PRIMARY KEY (id));", act: "ALTER TYPE p ALTER ATTRIBUTE x TYPE bigint CASCADE"},
	{setup: "CREATE TYPE p AS (x int); CREATE TABLE t (x int);", act: "ALTER TABLE t OF p"},

	{setup: "CREATE DOMAIN d AS int;" + columns("c d"), act: "ALTER DOMAIN d ADD CHECK (value > 0)"},
	{setup: "CREATE DOMAIN d AS int CONSTRAINT x CHECK (value > 0);" + columns("c d"), act: "ALTER DOMAIN d DROP CONSTRAINT x"},
	{setup: "CREATE DOMAIN d AS int; ALTER DOMAIN d ADD CONSTRAINT x CHECK (value > 0) NOT VALID;" + columns("c d"), act: "ALTER DOMAIN d VALIDATE CONSTRAINT x"},
	{setup: "CREATE DOMAIN d AS int;" + columns("c d"), act: "ALTER DOMAIN d SET NOT NULL"},
	{setup: "CREATE DOMAIN d AS int NOT NULL;" + columns("c d"), act: "ALTER DOMAIN d DROP NOT NULL"},
	{setup: "CREATE DOMAIN d AS int; CREATE DOMAIN dd AS d;" + columns("c dd"), act: "ALTER DOMAIN d ADD CHECK (value > 0)"},

	{setup: columns("c int"), act: "ALTER TABLE t ADD x int"},
	{setup: columns("c int"), act: "ALTER TABLE t ADD x int DEFAULT 5"},
	{setup: columns("c int"), act: "ALTER TABLE t ADD x float DEFAULT random()"},
	{setup: columns("c int"), act: "ALTER TABLE t DROP c"},
	{setup: columns("c int"), act: "ALTER TABLE t DROP c;\nALTER TABLE t ADD c int"},
	{setup: columns("c int DEFAULT 1"), act: "ALTER TABLE t DROP c;\nALTER TABLE t ADD c int DEFAULT 2"},
	{setup: columns("c int"), act: "ALTER TABLE t RENAME c TO x"},
	{setup: columns("a int, b int"), act: "ALTER TABLE t RENAME a TO x;\nALTER TABLE t RENAME b TO a;\nALTER TABLE t RENAME x TO b"},
	{setup: columns("c text"), act: "ALTER TABLE t ALTER c TYPE varchar"},
	{setup: columns("c varchar(5)"), act: "ALTER TABLE t ALTER c TYPE varchar(9)"},
	{setup: columns("c text"), act: `ALTER TABLE t ALTER c TYPE text COLLATE "C"`},
	{setup: columns("c int"), act: "ALTER TABLE t ALTER c SET NOT NULL"},
	{setup: columns("c int NOT NULL"), act: "ALTER TABLE t ALTER c DROP NOT NULL"},
	{since: 18, setup: columns("c int") + "ALTER TABLE t ADD CONSTRAINT n NOT NULL c NOT VALID;", act: "ALTER TABLE t VALIDATE CONSTRAINT n"},
	{since: 18, setup: columns("c int NOT NULL"), act: "ALTER TABLE t ALTER c DROP NOT NULL;\nALTER TABLE t ADD NOT NULL c NOT VALID"},
	{setup: columns("c int"), act: "ALTER TABLE t ADD CHECK (c > 0)"},
	{setup: columns("c int CONSTRAINT x CHECK (c > 0)"), act: "ALTER TABLE t DROP CONSTRAINT x"},
	{setup: columns("c int CONSTRAINT x CHECK (c > 0)"), act: "ALTER TABLE t DROP CONSTRAINT x;\nALTER TABLE t ADD CONSTRAINT x CHECK (c > 1)"},
	{setup: columns("c int") + "ALTER TABLE t ADD CONSTRAINT x CHECK (c > 0) NOT VALID;", act: "ALTER TABLE t VALIDATE CONSTRAINT x"},
	{setup: columns("c int GENERATED ALWAYS AS (id + 1) STORED"), act: "ALTER TABLE t ALTER c DROP EXPRESSION"},
	{since: 17, setup: columns("c int GENERATED ALWAYS AS (id + 1) STORED"), act: "ALTER TABLE t ALTER c SET EXPRESSION AS (id + 2)"},
	{since: 18, setup: columns("c int GENERATED ALWAYS AS (id + 1) VIRTUAL"), act: "ALTER TABLE t ALTER c SET EXPRESSION AS (id + 2)"},

	{setup: partitioned, act: "ALTER TABLE m DETACH PARTITION t"},
	{setup: partitioned, act: "ALTER TABLE m DETACH PARTITION t;\nALTER TABLE m ATTACH PARTITION t FOR VALUES FROM (0) TO (20)"},
	{setup: "CREATE TABLE m (id int) PARTITION BY RANGE (id); CREATE TABLE t (id int);", act: "ALTER TABLE m ATTACH PARTITION t FOR VALUES FROM (0) TO (10)"},
	{setup: partitioned, act: "ALTER TABLE r DETACH PARTITION m"},
	{setup: partitioned, act: "ALTER TABLE r DETACH PARTITION m;\nALTER TABLE r ATTACH PARTITION m FOR VALUES IN (1)"},
	{setup: "CREATE TABLE m (id int) PARTITION BY RANGE (id); CREATE TABLE t PARTITION OF m DEFAULT;", act: "CREATE TABLE s PARTITION OF m FOR VALUES FROM (0) TO (10)"},
	{setup: "CREATE TABLE m (id int) PARTITION BY RANGE (id); CREATE TABLE t PARTITION OF m DEFAULT; CREATE TABLE s PARTITION OF m FOR VALUES FROM (0) TO (10);", act: "DROP TABLE s"},
	{setup: "CREATE TABLE r (id int, k int) PARTITION BY LIST (k); CREATE TABLE m PARTITION OF r DEFAULT PARTITION BY RANGE (id); CREATE TABLE t PARTITION OF m FOR VALUES FROM (0) TO (10);", act: "CREATE TABLE s PARTITION OF r FOR VALUES IN (1)"},

	{since: 15, setup: columns("c int") + "CREATE ACCESS METHOD regress_heap2 TYPE TABLE HANDLER heap_tableam_handler;", act: "ALTER TABLE t SET ACCESS METHOD regress_heap2"},
	{setup: columns("c int"), act: "ALTER TABLE t SET UNLOGGED"},
	{setup: "CREATE UNLOGGED TABLE t (id int PRIMARY KEY);", act: "ALTER TABLE t SET LOGGED"},
	{setup: "CREATE TABLE o (id int);" + columns("c int"), act: "ALTER TABLE t INHERIT o"},
	{setup: columns("c int"), act: "DROP TABLE t;\nCREATE TABLE t (id int PRIMARY KEY, c int)"},
	{setup: columns("c int"), act: "ALTER TABLE t RENAME TO s;\nCREATE TABLE t (LIKE s INCLUDING ALL)"},

	{setup: columns("c int NOT NULL"), act: "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (c)"},
	{setup: columns("c int NOT NULL"), act: "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id, c)"},
	{setup: "CREATE TABLE t (a int, b int, PRIMARY KEY (a, b));", act: "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (b, a)"},
	{setup: columns("c int"), act: "ALTER TABLE t DROP CONSTRAINT t_pkey"},
	{setup: columns("c int"), act: "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id) DEFERRABLE"},
	{setup: "CREATE TABLE t (id int NOT NULL);", act: "CREATE UNIQUE INDEX ON t (id)"},
	{setup: "CREATE TABLE t (c text PRIMARY KEY);", act: "ALTER TABLE t DROP CONSTRAINT t_pkey;\nCREATE UNIQUE INDEX ON t (c text_pattern_ops)"},
}

const partitioned = `CREATE TABLE r (id int, k int) PARTITION BY LIST (k);
	CREATE TABLE m PARTITION OF r FOR VALUES IN (1, 2) PARTITION BY RANGE (id);
	CREATE TABLE t PARTITION OF m FOR VALUES FROM (0) TO (10);
	INSERT INTO r SELECT i, 1 FROM generate_series(0, 9) AS i;`

// neutral are cases after which old rows are what they were.
var neutral = []shapeCase{
	{setup: columns("c int"), act: "ALTER TABLE t RENAME TO s"},
	{setup: columns("c int"), act: "CREATE SCHEMA moved;\nALTER TABLE t SET SCHEMA moved"},
	{setup: columns("c int"), act: "CREATE INDEX ON t (c)"},
	{setup: columns("c int NOT NULL"), act: "CREATE UNIQUE INDEX ON t (c)"},
	{setup: columns("c int"), act: "ALTER INDEX t_pkey RENAME TO x"},
	{setup: columns("c int"), act: "REINDEX TABLE t"},
	{setup: columns("c int"), act: "REINDEX INDEX CONCURRENTLY t_pkey"},
	{setup: columns("c int"), act: "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (id)"},
	{setup: columns("c int"), act: "COMMENT ON TABLE t IS 'x';\nCOMMENT ON COLUMN t.c IS 'x'"},
	{setup: columns("c int"), act: "GRANT SELECT ON t TO PUBLIC;\nGRANT UPDATE (c) ON t TO PUBLIC"},
	{setup: columns("c int"), act: "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();\nALTER TABLE t DISABLE TRIGGER x"},
	{setup: columns("c int"), act: "CREATE POLICY x ON t;\nALTER TABLE t ENABLE ROW LEVEL SECURITY"},
	{setup: columns("c int"), act: "CREATE RULE x AS ON DELETE TO t DO ALSO NOTHING"},
	{setup: columns("c text"), act: "ALTER TABLE t ALTER c SET STATISTICS 7;\nALTER TABLE t ALTER c SET STORAGE EXTERNAL;\nALTER TABLE t ALTER c SET (n_distinct = 3)"},
	{setup: columns("c int"), act: "CREATE STATISTICS x ON id, c FROM t"},
	{setup: columns("c int"), act: "ALTER TABLE t SET (fillfactor = 50)"},
	{setup: columns("c int") + "ALTER TABLE t ADD x int DEFAULT 5;", act: "ANALYZE t;\nVACUUM FREEZE t"},
	{setup: columns("c int") + "INSERT INTO t VALUES (1); ALTER TABLE t ADD x int DEFAULT 5;", act: "VACUUM FULL t"},
	{setup: columns("c int") + "INSERT INTO t VALUES (1); ALTER TABLE t ADD x int DEFAULT 5;", act: "CLUSTER t USING t_pkey"},
	{setup: columns("c int"), act: "INSERT INTO t VALUES (1);\nUPDATE t SET c = 1;\nDELETE FROM t;\nTRUNCATE t"},
	{setup: columns("c serial"), act: "SELECT nextval('t_c_seq');\nALTER SEQUENCE t_c_seq RESTART 100"},
	{setup: columns("c int DEFAULT 1"), act: "ALTER TABLE t ALTER c SET DEFAULT 2"},
	{setup: columns("c int DEFAULT 1"), act: "ALTER TABLE t ALTER c DROP DEFAULT"},
	{setup: columns("c int") + "ALTER TABLE t ADD x int DEFAULT 5;", act: "ALTER TABLE t ALTER x SET DEFAULT 6"},
	{setup: columns("c int NOT NULL"), act: "ALTER TABLE t ALTER c ADD GENERATED ALWAYS AS IDENTITY"},
	{setup: columns("c int"), act: "ALTER TABLE t ADD CHECK (c > 0) NOT VALID"},
	{setup: columns("c int CONSTRAINT x CHECK (c > 0)"), act: "ALTER TABLE t RENAME CONSTRAINT x TO y"},
	{setup: "CREATE FUNCTION f(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 > 0';" + columns("c int CHECK (f(c))"), act: "ALTER FUNCTION f RENAME TO g"},
	{setup: "CREATE TABLE o (id int PRIMARY KEY);" + columns("c int"), act: "ALTER TABLE t ADD FOREIGN KEY (c) REFERENCES o"},
	{since: 18, setup: columns("c int"), act: "ALTER TABLE t ADD NOT NULL c NOT VALID"},
	{since: 18, setup: columns("c int"), act: "ALTER TABLE t ADD CHECK (c > 0) NOT ENFORCED"},
	{setup: "CREATE DOMAIN d AS int;" + columns("c d"), act: "ALTER DOMAIN d SET DEFAULT 1;\nALTER DOMAIN d RENAME TO dd;\nALTER DOMAIN dd ADD CHECK (value > 0) NOT VALID"},
	{setup: shapeEnum + "CREATE TYPE o AS ENUM ('a');" + columns("c e"), act: "ALTER TYPE o RENAME VALUE 'a' TO 'z';\nALTER TYPE e RENAME TO f"},
	{setup: "CREATE TABLE o (a int);" + columns("c int"), act: "ALTER TABLE o ADD b int"},
	{setup: partitioned, act: "ALTER TABLE m RENAME TO mm;\nCREATE TABLE s PARTITION OF mm FOR VALUES FROM (10) TO (20)"},
	{setup: partitioned, act: "CREATE TABLE s PARTITION OF m DEFAULT"},
	{setup: columns("c int"), act: "ALTER TABLE t REPLICA IDENTITY FULL;\nCREATE VIEW v AS SELECT * FROM t"},
}

// TestShapes: a fingerprint changes with what changes rows that nobody wrote,
// and with nothing else. All cases are in one database, and read at once.
func TestShapes(t *testing.T) {
	var cases []shapeCase
	for _, c := range changing {
		c.changes = true
		cases = append(cases, c)
	}
	cases = append(cases, neutral...)
	for _, major := range []int{13, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			var setup, act []string
			for i, c := range cases {
				if c.since <= major {
					setup = append(setup, fmt.Sprintf("CREATE SCHEMA c%d; SET search_path = c%[1]d; %s", i, c.setup))
					act = append(act, fmt.Sprintf("SET search_path = c%d", i))
					act = append(act, strings.Split(c.act, ";\n")...)
				}
			}
			const named = "relname = 't' AND nspname ~ '^c[0-9]+$'"
			target := oracle.Database(t, oracle.Server(t, major), setup...)
			tables := shapeTables(t, target, named)
			before := shapesOf(t, target, tables)
			oracle.Exec(t, target, act...)
			byName := make(map[string]*pgschema.TableData)
			for _, d := range shapeTables(t, target, named) {
				byName[d.Schema] = d
			}
			then := slices.Clone(tables)
			for i, d := range tables {
				if now := byName[d.Schema]; now != nil {
					then[i] = now // another one, if it was made anew
				}
			}
			after := shapesOf(t, target, then)
			for i, d := range tables {
				n, err := strconv.Atoi(d.Schema[1:])
				if err != nil {
					t.Fatal(err)
				}
				c := cases[n]
				if changed := before[d.OID].Fingerprint != after[then[i].OID].Fingerprint; changed != c.changes {
					t.Errorf("changed %t, want %t\n%s\n%s", changed, c.changes, c.setup, c.act)
				}
			}
		})
	}
}

// TestShapeOfFilter: the filter of a configuration table is part of its shape,
// its name is not.
func TestShapeOfFilter(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), "CREATE TABLE t (id int)")
	d := *shapeTables(t, target, "relname = 't'")[0]
	plain := shapesOf(t, target, []*pgschema.TableData{&d})[d.OID].Fingerprint
	d.Name = "other"
	if got := shapesOf(t, target, []*pgschema.TableData{&d})[d.OID].Fingerprint; got != plain {
		t.Error("the name changes the fingerprint")
	}
	d.Filter = "WHERE id > 5"
	if got := shapesOf(t, target, []*pgschema.TableData{&d})[d.OID].Fingerprint; got == plain {
		t.Error("the filter does not change the fingerprint")
	}
	d.OID = 1
	if _, err := pgschema.Shapes(t.Context(), snapshot(t, target), []*pgschema.TableData{&d}); err == nil || !strings.Contains(err.Error(), "dropped") {
		t.Errorf("a table that is not there: %v", err)
	}
}

// TestVolatile: every type whose values are names of other things is found,
// whatever it is wrapped in, and no other type is.
func TestVolatile(t *testing.T) {
	for _, major := range []int{13, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			target := oracle.Database(t, oracle.Server(t, major), `
			CREATE DOMAIN rd AS regclass; CREATE TYPE rc AS (a int, r regrole[]); CREATE TYPE rr AS RANGE (SUBTYPE = regtype);
			CREATE DOMAIN rdc AS rc[]; CREATE TABLE rt (a aclitem);
			DO $$ DECLARE t text; BEGIN
			FOR t IN SELECT format_type(oid, -1) FROM pg_type WHERE typtype NOT IN ('p', 'c') AND typcategory <> 'A' AND typname <> '"char"'
			     UNION SELECT unnest(ARRAY['rc', 'rdc', 'rt', 'rr[]', 'regclass[]']) LOOP
			    EXECUTE format('CREATE TABLE %I (c %s)', 'of ' || t, t);
			END LOOP; END $$`)
			tables := shapeTables(t, target, "relname ~ '^of ' AND relkind = 'r'")
			shapes := shapesOf(t, target, tables)
			volatile := 0
			for _, d := range tables {
				of := strings.TrimPrefix(d.Name, "of ")
				want := strings.HasPrefix(of, "reg") || strings.HasPrefix(of, "rr") || of == "rd" || of == "rc" || of == "rdc" || of == "rt" || of == "aclitem"
				if got := shapes[d.OID].Volatile; got != want {
					t.Errorf("%s is volatile: %t, want %t", of, got, want)
				}
				if want {
					volatile++
				}
			}
			if volatile < 17 {
				t.Errorf("only %d tables of %d have a volatile column", volatile, len(tables))
			}
		})
	}
}

// TestShapesElsewhere: on a standby, and for a role that may merely read the
// tables, the shapes are those that a superuser sees on the primary.
func TestShapesElsewhere(t *testing.T) {
	primary := oracle.OwnServer(t, 15, nil)
	target := oracle.Database(t, primary, `CREATE SCHEMA "S x"; CREATE TYPE "S x".e AS ENUM ('a'); CREATE DOMAIN "S x".d AS text CHECK (value <> '');
		CREATE TABLE "S x".t (id int PRIMARY KEY, e "S x".e, d "S x".d[], r regclass, g int GENERATED ALWAYS AS (id + 1) STORED, CHECK (id > 0));
		CREATE ROLE regress_shape_reader; GRANT USAGE ON SCHEMA "S x" TO regress_shape_reader; GRANT SELECT ON "S x".t TO regress_shape_reader`)
	standby := oracle.Standby(t, primary)
	tables := shapeTables(t, target, "relname = 't'")
	want := shapesOf(t, target, tables)[tables[0].OID]
	standby.CatchUp(t)
	conn := snapshot(t, standby.URL(t, target))
	if _, err := conn.Exec(t.Context(), "SET ROLE regress_shape_reader"); err != nil {
		t.Fatal(err)
	}
	shapes, err := pgschema.Shapes(t.Context(), conn, tables)
	if err != nil {
		t.Fatal(err)
	}
	got := shapes[tables[0].OID]
	if got.Fingerprint != want.Fingerprint || !got.Volatile || got.Key == nil || got.Key.Index != "t_pkey" {
		t.Errorf("on the standby %+v, on the primary %+v", got, want)
	}
}

// shapeTables lists tables in the order of their OIDs.
func shapeTables(t *testing.T, target, where string) (tables []*pgschema.TableData) {
	t.Helper()
	conn := snapshot(t, target)
	defer conn.Close(t.Context()) // REINDEX CONCURRENTLY waits for older snapshots
	rows, err := conn.Query(t.Context(), `
		SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE `+where+" ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	tables, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (*pgschema.TableData, error) {
		d := new(pgschema.TableData)
		return d, row.Scan(&d.OID, &d.Schema, &d.Name)
	})
	if err != nil || len(tables) == 0 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	return tables
}

func shapesOf(t *testing.T, target string, tables []*pgschema.TableData) map[uint32]*pgschema.Shape {
	t.Helper()
	conn := snapshot(t, target)
	defer conn.Close(t.Context())
	shapes, err := pgschema.Shapes(t.Context(), conn, tables)
	if err != nil {
		t.Fatal(err)
	}
	return shapes
}
