package backup_test

import "fmt"

// relation is a table that the workload writes to. Rows are made of a number i;
// beside the columns named here each has v text and n int.
type relation struct {
	name    string // changes as tables are renamed
	table   string // CREATE TABLE with %s for its name
	columns string
	row     string // a value for each of columns
	rekey   string // an assignment that changes the key; empty: nothing does
	unique  string // what ON CONFLICT DO UPDATE may name; empty: nothing
	primary string // columns of the primary key; empty: there is none, or it stays
	fixed   bool   // never renamed, dropped or made anew
	rows    int    // to begin with; 0: 100

	added []string // columns that DDL added
}

// prologue makes what the relations need. word(i) is text that is hard to write.
const prologue = `
	CREATE FUNCTION word(i bigint) RETURNS text IMMUTABLE LANGUAGE sql AS $$
		SELECT (ARRAY['', 'a', E'tab\t', E'line\nend', E'back\\slash', 'com,ma "quoted"', E'\r\x0b\f\b', '(é à ü)', '日本語', '👍', ' ', '''', E'\\N', 'NULL'])[1 + abs(i) % 14]
			|| CASE WHEN abs(i) % 37 = 0 THEN repeat(md5(i::text), 100) ELSE '' END $$;
	CREATE FUNCTION wide(i bigint) RETURNS bigint IMMUTABLE LANGUAGE sql AS $$
		SELECT CASE WHEN i % 2 = 0 THEN i << (abs(i) % 40)::int ELSE -i << (abs(i) % 40)::int END $$;
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy, "very"', 'x');
	CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'black', 'white');
	CREATE TYPE point3 AS (x int, y text);
	CREATE FUNCTION point(i bigint) RETURNS point3 STABLE LANGUAGE sql AS $$
		SELECT jsonb_populate_record(NULL::point3, jsonb_build_object('x', i, 'y', word(i))) $$;
	CREATE DOMAIN label AS text CHECK (VALUE <> 'never');
	CREATE DOMAIN positive AS int;
	CREATE SEQUENCE counter;
	CREATE SEQUENCE steps INCREMENT BY -7;
	CREATE SCHEMA aside;
	CREATE TABLE ballast AS SELECT i, (SELECT string_agg(md5(i::text || j), '') FROM generate_series(1, 1000) j) AS noise FROM generate_series(1, 80) i;
	ALTER TABLE ballast ADD PRIMARY KEY (i);
	CREATE TABLE pointed_0 (); CREATE TABLE pointed_1 (); CREATE TABLE pointed_2 ();
	CREATE TABLE parted (id int, region text, v text, n int, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE parted_north PARTITION OF parted FOR VALUES IN ('north');
	CREATE TABLE parted_south PARTITION OF parted FOR VALUES IN ('south') PARTITION BY RANGE (id);
	CREATE TABLE parted_south_low PARTITION OF parted_south FOR VALUES FROM (MINVALUE) TO (500);
	CREATE TABLE parted_south_high PARTITION OF parted_south FOR VALUES FROM (500) TO (MAXVALUE);
	CREATE TABLE parted_other PARTITION OF parted DEFAULT;
	CREATE TABLE hashed (c colour, id int, v text, n int, PRIMARY KEY (c, id)) PARTITION BY HASH (c);
	CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 0);
	CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 1);
	CREATE TABLE hashed_2 PARTITION OF hashed FOR VALUES WITH (MODULUS 3, REMAINDER 2);`

// optional are what some servers lack: those built without ICU, or without the
// files of the tests' extension.
var optional = []string{
	`CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
	`CREATE SCHEMA configured; CREATE EXTENSION regress_pgcofre SCHEMA configured;
		INSERT INTO configured.settings (name, value, builtin) VALUES ('mine', 'x', false); INSERT INTO configured.everything VALUES (1, 'x')`,
}

// relations are the tables of one chain, which DDL renames and alters.
func relations(loose bool) []*relation {
	keyed := func(name, column, row, rekey string) *relation {
		return &relation{name: name, table: "CREATE TABLE %s (k " + column + " PRIMARY KEY, v text, n int)",
			columns: "k", row: row, rekey: rekey, unique: "k", primary: "k"}
	}
	all := []*relation{
		keyed("smalls", "smallint", "i % 32000", "k = -k"),
		keyed("bigs", "bigint", "wide(i)", "k = k # 4611686018427387904"),
		keyed("stamps", "timestamptz", "timestamptz 'epoch' + i % 90000 * interval '37 days 11:22:33.000444'", "k = k + interval '0.5 s'"),
		keyed("labels", "label", "word(i) || i", "k = k || 'x'"),
		keyed("bytes", "bytea", "decode(md5(i::text), 'hex') || '\\x5c00'", "k = k || '\\x09'"),
		// Numerics that are equal and differ as text.
		keyed("numbers", "numeric", "round(i / 4.0, 2 + (i % 3)::int)", "k = CASE WHEN n % 2 = 0 THEN round(k, scale(k) + 1) ELSE trim_scale(k) END"),
		{name: "moods", table: "CREATE TABLE %s (m mood, k int, v text, n int, PRIMARY KEY (m, k))", columns: "m, k", row: "enum_first(NULL::mood), i",
			rekey: "m = enum_last(m)", unique: "m, k", primary: "k, m"},
		{name: "pairs", table: "CREATE TABLE %s (a int, b text, v text, n int, PRIMARY KEY (b, a))", columns: "a, b", row: "i % 7, word(i) || i",
			rekey: "a = a + 1", unique: "b, a", primary: "a, b"},
		{name: "twofold", table: "CREATE TABLE %s (id int PRIMARY KEY, u bigint NOT NULL UNIQUE, v text, n int)", columns: "id, u", row: "i, i * 10",
			rekey: "u = u + 1", unique: "u", primary: "u"},
		{name: "deferred", table: "CREATE TABLE %s (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text, n int)", columns: "id", row: "i", rekey: "id = id + 1"},
		{name: "bag", table: "CREATE TABLE %s (v text, n int)", columns: "n", row: "i % 5"},
		{name: "passing", table: "CREATE UNLOGGED TABLE %s (id int PRIMARY KEY, v text, n int)", columns: "id", row: "i", rekey: "id = -id", unique: "id"},
		{name: "made", table: "CREATE TABLE %s (id int PRIMARY KEY, g bigint GENERATED ALWAYS AS (id * 2) STORED, v text, n int)", columns: "id", row: "i",
			rekey: "id = -id", unique: "id", primary: "id"},
		{name: "counted", table: "CREATE TABLE %s (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at int DEFAULT nextval('counter'), v text, n int)",
			columns: "at", row: "i", unique: "id", fixed: true},
		{name: "names", table: "CREATE TABLE %s (id int PRIMARY KEY, r regclass, v text, n int)", columns: "id, r", row: "i, (SELECT oid::regclass FROM pg_class WHERE relname ~ '^pointed' ORDER BY oid LIMIT 1 OFFSET i % 3)",
			rekey: "id = -id", unique: "id", primary: "id"},
		{name: "values_", table: "CREATE TABLE %s (id int PRIMARY KEY, p point3, ps point3[], d positive, m mood, v text, n int)", columns: "id, p, ps, d, m",
			row: "i, point(i), ARRAY[point(-i), NULL], i, enum_last(NULL::mood)", rekey: "id = -id", unique: "id", primary: "id"},
		{name: "elders", table: "CREATE TABLE %s (id int PRIMARY KEY, v text, n int)", columns: "id", row: "i", unique: "id", fixed: true},
		{name: "heirs", table: "CREATE TABLE %s (own text, PRIMARY KEY (id)) INHERITS (elders)", columns: "id, own", row: "i, word(i)", rekey: "id = -id", unique: "id", fixed: true},
		{name: "parents", table: "CREATE TABLE %s (id int PRIMARY KEY, v text, n int)", columns: "id", row: "i", unique: "id", fixed: true},
		{name: "children", table: "CREATE TABLE %s (id int PRIMARY KEY, parent int REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE, v text, n int)", columns: "id, parent",
			row: "i, (SELECT max(id) FROM parents WHERE id <= i)", rekey: "id = -id", unique: "id", fixed: true},
		{name: "parted", columns: "id, region", row: "i, (ARRAY['north', 'south', 'west', 'east'])[1 + i % 4]", fixed: true, unique: "id, region",
			rekey: "region = (ARRAY['south', 'north', 'east'])[1 + abs(id) % 3], id = id + 250"},
		{name: "hashed", columns: "c, id", row: "(enum_range(NULL::colour))[1 + i % 5], i", rekey: "c = enum_last(c)", unique: "c, id", fixed: true},
	}
	ids := keyed("ids", "uuid", "md5(i::text)::uuid", "k = md5(k::text)::uuid")
	ids.rows = 700
	whole := keyed("ints", "int", "i", "k = -k")
	whole.rows = 2000
	all = append(all, ids, whole)
	if loose { // an update of a key may write another text of the same key
		all = append(all, keyed("loosely", "varchar(90) COLLATE loose", "left(word(i), 50) || 'name' || i", "k = CASE WHEN n % 2 = 0 THEN upper(k) ELSE lower(k) END"))
	}
	return all
}

// create is the SQL that makes the table.
func (r *relation) create() string {
	if r.table == "" {
		return "" // the prologue did
	}
	return fmt.Sprintf(r.table, r.name) + ";"
}

// fill inserts rows of numbers.
func (r *relation) fill(from, to int) string {
	return fmt.Sprintf("INSERT INTO %s (%s, v%s) SELECT %s, word(i)%s FROM generate_series(%d, %d) i",
		r.name, r.columns, onlyWhere(r.columns != "n", ", n"), r.row, onlyWhere(r.columns != "n", ", (i % 1000)::int"), from, to)
}

func onlyWhere(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}
