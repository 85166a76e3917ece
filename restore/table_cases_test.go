package restore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// rollTablesBack applies the rollback to a safety set.
func rollTablesBack(t *testing.T, sink remote.RemoteSink, safety, target string) {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := inv.Find(safety)
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).PlanTablesRollback(t.Context(), set, &restore.TableOptions{Confirm: agree})
	if err != nil {
		t.Fatal(err)
	}
	applyTables(t, p)
}

// TestReplacedTables: a table whose definition changed is refused, and rebuilt
// when that is asked for, with all that is on it; so is one that is gone.
func TestReplacedTables(t *testing.T) {
	t.Parallel()
	for _, major := range tableMajors() {
		srv := oracle.Server(t, major)
		target := oracle.Database(t, srv, strings.Replace(busy, "CREATE PUBLICATION whole FOR ALL TABLES", "", 1), `
			COMMENT ON COLUMN app.kinds.kind IS 'sort'; GRANT SELECT ON app.person TO PUBLIC;
			ALTER TABLE app.person REPLICA IDENTITY FULL; ALTER STATISTICS app.person_stats SET STATISTICS 50;
			ALTER TABLE app.task VALIDATE CONSTRAINT task_person`)
		sink := folder(t)
		set := take(t, sink, target, "zstd")
		before := contents(t, target, major)
		oracle.Exec(t, target, `ALTER TABLE app.person DROP COLUMN grade, ADD extra int DEFAULT 7; ALTER PUBLICATION part DROP TABLE app.person; DROP POLICY own ON app.person;
			ALTER TABLE app.person DISABLE TRIGGER USER, DISABLE RULE swallow; DELETE FROM app.person WHERE id > 480; ALTER TABLE app.person ENABLE TRIGGER a_normal;
			COMMENT ON TABLE app.person IS 'else'; REVOKE SELECT ON app.person FROM PUBLIC;
			REFRESH MATERIALIZED VIEW app.kinds; REFRESH MATERIALIZED VIEW app.total; ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT INSERT ON TABLES TO PUBLIC`)
		damaged := contents(t, target, major)
		refused := planTables(t, sink, set, target, restore.TableOptions{}, "app.person")
		var no *restore.RefusedError
		if res, err := refused.Apply(t.Context()); !errors.As(err, &no) || res != nil || !strings.Contains(err.Error(), "grade text") || !strings.Contains(err.Error(), "+     extra integer DEFAULT 7") {
			t.Fatalf("not refused: %v", err)
		}
		p := planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "app.person")
		if len(p.Recreated) != 3 || p.Tables[0].Action != restore.ReplaceTable {
			t.Errorf("recreated %q", p.Recreated)
		}
		res := applyTables(t, p)
		oracle.Exec(t, target, "ALTER DEFAULT PRIVILEGES IN SCHEMA app REVOKE INSERT ON TABLES FROM PUBLIC")
		sameState(t, "rebuilt", before, contents(t, target, major))
		oracle.Exec(t, target, "ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT INSERT ON TABLES TO PUBLIC")
		rollTablesBack(t, sink, res.Safety, target)
		sameState(t, "rolled back", damaged, contents(t, target, major))
	}
}

// TestRebuiltAndBack: what a rebuilt table loses or gets of statistics and
// publications is as before once the restore is rolled back.
func TestRebuiltAndBack(t *testing.T) {
	t.Parallel()
	for _, major := range []int{13, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			srv := oracle.Server(t, major)
			target := oracle.Database(t, srv, `CREATE SCHEMA app; CREATE SCHEMA side;
				CREATE TABLE app.t (id int PRIMARY KEY, a int, b int, c int); INSERT INTO app.t SELECT n, n % 7, n % 7, n FROM generate_series(1, 100) n;
				CREATE STATISTICS app.old ON a, b FROM app.t; CREATE PUBLICATION old FOR TABLE app.t; CREATE PUBLICATION "new one"`)
			sink := folder(t)
			set := take(t, sink, target, "zstd")
			oracle.Exec(t, target, `ALTER TABLE app.t ADD d int; DROP STATISTICS app.old; ALTER PUBLICATION old DROP TABLE app.t;
				CREATE STATISTICS side.new ON a, c FROM app.t; ALTER STATISTICS side.new SET STATISTICS 30; COMMENT ON STATISTICS side.new IS 'said';
				ALTER PUBLICATION "new one" ADD TABLE app.t`)
			if major >= 15 {
				oracle.Exec(t, target, `CREATE PUBLICATION narrow FOR TABLE app.t (id, d) WHERE (id > 3)`)
			}
			damaged := contents(t, target, major)
			res := applyTables(t, planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "app.t"))
			if text := contents(t, target, major); !strings.Contains(text, "STATISTICS app.old") || !strings.Contains(text, "PUBLICATION old ADD TABLE ONLY app.t") {
				t.Fatal("the rebuilt table is not the backup's")
			}
			rollTablesBack(t, sink, res.Safety, target)
			sameState(t, "rolled back", damaged, contents(t, target, major))
		})
	}
}

// TestMissingTable: a table that was dropped is built anew, without a word more.
func TestMissingTable(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, busy)
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	before := contents(t, target, 15)
	oracle.Exec(t, target, "DROP TABLE app.seen; DROP TABLE app.event")
	p := planTables(t, sink, set, target, restore.TableOptions{}, "event", "seen")
	if p.Tables[0].Action != restore.CreateTable {
		t.Errorf("action %s", p.Tables[0].Action)
	}
	if res := applyTables(t, p); res.Safety != "" || res.Tables[0].Inserted != 400 {
		t.Errorf("%+v", res)
	}
	sameState(t, "built", before, contents(t, target, 15))
}

// TestTableRows: rows without keys, with several columns in a key, with NULLs
// in a unique one, with values that operators take for equal or that have no
// operator for that, in columns of every order.
func TestTableRows(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ table, damage, count string }{
		"no key": {`CREATE TABLE t (a int, b text, j json); INSERT INTO t SELECT n % 3, NULL, '{"a": 1}' FROM generate_series(1, 30) n`,
			`DELETE FROM t WHERE ctid IN (SELECT ctid FROM t WHERE a = 1 LIMIT 4); INSERT INTO t SELECT 2, NULL, '{"a": 1}' FROM generate_series(1, 5); INSERT INTO t VALUES (0, '', '{"a": 1}')`, "4 0 6 26"},
		"composite key": {`CREATE TABLE t (a int, b text, c numeric, PRIMARY KEY (b, a)); INSERT INTO t SELECT n % 10, n / 10, n FROM generate_series(1, 100) n`,
			`UPDATE t SET c = -1 WHERE a = 3; UPDATE t SET b = 'moved' WHERE a = 4 AND b = '2'; DELETE FROM t WHERE a = 9`, "11 10 1 79"},
		"NULLs in a unique key": {`CREATE TABLE t (a int UNIQUE, b text); INSERT INTO t SELECT CASE WHEN n > 5 THEN n END, 'x' FROM generate_series(1, 10) n`,
			`DELETE FROM t WHERE a IS NULL; INSERT INTO t VALUES (NULL, 'x'), (NULL, 'y')`, "4 0 1 6"},
		"swapped": {`CREATE TABLE t (a int PRIMARY KEY, u text UNIQUE NOT NULL, EXCLUDE (u WITH =)); INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')`,
			`DELETE FROM t; INSERT INTO t VALUES (1, 'y'), (2, 'z'), (3, 'x'), (4, 'w')`, "0 3 1 0"},
		"equal to an operator": {`CREATE TABLE t (n numeric PRIMARY KEY, f float8, c char(3)); INSERT INTO t VALUES (1.0, '-0', 'a'), (2, 'NaN', 'b')`,
			`UPDATE t SET n = 1.00 WHERE n = 1; UPDATE t SET f = 0 WHERE n = 2`, "1 1 1 0"},
		"no columns":     {`CREATE TABLE t (); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES`, `INSERT INTO t DEFAULT VALUES`, "0 0 1 2"},
		"generated only": {`CREATE TABLE t (g int GENERATED ALWAYS AS (3) STORED); INSERT INTO t DEFAULT VALUES; INSERT INTO t DEFAULT VALUES`, `DELETE FROM t`, "2 0 0 0"},
		"identity and generated": {`CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int, w int GENERATED ALWAYS AS (v * 2) STORED); INSERT INTO t (v) SELECT n FROM generate_series(1, 9) n`,
			`DELETE FROM t WHERE id = 4; UPDATE t SET v = 0 WHERE id = 5; INSERT INTO t (v) VALUES (1)`, "1 1 1 7"},
		"not valid": {`CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 77), (2, 78);
			ALTER TABLE t ADD CHECK (a < 10) NOT VALID, ADD FOREIGN KEY (a) REFERENCES a NOT VALID; COMMENT ON CONSTRAINT t_a_check ON t IS 'late'`,
			`DELETE FROM t WHERE id = 1`, "1 0 0 1"},
		"inheritance": {`CREATE TABLE t (a int PRIMARY KEY); CREATE TABLE child () INHERITS (t); INSERT INTO t VALUES (1), (2); INSERT INTO child VALUES (3)`,
			`DELETE FROM ONLY t WHERE a = 1; INSERT INTO t VALUES (5)`, "1 0 1 1"},
		"enum": {`CREATE TYPE e AS ENUM ('b', 'a'); CREATE TABLE t (e e, n int, PRIMARY KEY (e, n)) PARTITION BY HASH (e);
			CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1);
			INSERT INTO t SELECT x.e, n FROM unnest('{a,b}'::e[]) x(e), generate_series(1, 50) n`,
			`DELETE FROM t WHERE n = 4; INSERT INTO t VALUES ('a', 99), ('b', 98)`, "2 0 2 98"},
		"a domain and a composite": {`CREATE DOMAIN d AS int NOT NULL CHECK (VALUE > 0); CREATE TYPE c AS (a text, b int[]); CREATE TABLE t (d d, c c, x xml); INSERT INTO t VALUES (1, ROW('a,"', '{1,NULL}'), '<a/>'), (2, NULL, NULL)`,
			`UPDATE t SET c = ROW(NULL, NULL)`, "2 0 2 0"},
	}
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv)
	in := func(name, sql string) {
		oracle.Exec(t, target, fmt.Sprintf(`CREATE SCHEMA IF NOT EXISTS %q; SET search_path = %[1]q; `, name)+sql)
	}
	var tables []string
	for name, c := range cases {
		in(name, c.table)
		tables = append(tables, fmt.Sprintf("%q.t", name))
	}
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	before := state(t, target, 15)
	for name, c := range cases {
		in(name, c.damage)
	}
	damaged := state(t, target, 15)
	res := applyTables(t, planTables(t, sink, set, target, restore.TableOptions{}, tables...))
	sameState(t, "restored", before, state(t, target, 15))
	for _, r := range res.Tables {
		if got, want := fmt.Sprint(r.Inserted, r.Overwritten, r.Removed, r.Unchanged), cases[r.Schema].count; got != want {
			t.Errorf("%s: inserted, overwritten, removed, unchanged: %s, want %s", r.Schema, got, want)
		}
	}
	rollTablesBack(t, sink, res.Safety, target)
	sameState(t, "rolled back", damaged, state(t, target, 15))
}

// TestTablePublished: deletions from a table that a publication has, and that
// has no replica identity.
func TestTablePublished(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, `CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); CREATE PUBLICATION p FOR TABLE t WITH (publish = 'insert'); CREATE PUBLICATION q FOR ALL TABLES`)
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	before := state(t, target, 15)
	oracle.Exec(t, target, `TRUNCATE t; INSERT INTO t VALUES (2), (3)`)
	applyTables(t, planTables(t, sink, set, target, restore.TableOptions{}, "t"))
	sameState(t, "restored", before, state(t, target, 15))
}

// TestTableViolates: rows elsewhere that refer to rows which the backup does
// not have end the restore, and nothing is changed; so does a row that refers
// to one that is no more.
func TestTableViolates(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, `CREATE TABLE a (id serial PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY, a int CONSTRAINT b_to_a REFERENCES a ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
		INSERT INTO a (v) VALUES ('x'), ('y'); INSERT INTO b VALUES (1, 1);
		CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'fired'; END $f$; CREATE TRIGGER no BEFORE DELETE ON b EXECUTE FUNCTION no()`)
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	oracle.Exec(t, target, `INSERT INTO a (v) VALUES ('z'); INSERT INTO b VALUES (2, 3); UPDATE a SET v = 'w' WHERE id = 1`)
	damaged := state(t, target, 15)
	res, err := planTables(t, sink, set, target, restore.TableOptions{}, "a").Apply(t.Context())
	if err == nil || !strings.Contains(err.Error(), "b_to_a") || !strings.Contains(err.Error(), "(a)=(3)") || res == nil || res.Safety == "" {
		t.Fatalf("%+v, %v", res, err)
	}
	sameState(t, "incoming", damaged, state(t, target, 15))
	applyTables(t, planTables(t, sink, set, target, restore.TableOptions{}, "a", "b"))
	oracle.Exec(t, target, `ALTER TABLE b DISABLE TRIGGER no; DELETE FROM a WHERE id = 1; ALTER TABLE b ENABLE TRIGGER no`)
	damaged = state(t, target, 15)
	_, err = planTables(t, sink, set, target, restore.TableOptions{}, "b").Apply(t.Context())
	if err == nil || !strings.Contains(err.Error(), "b_to_a") || !strings.Contains(err.Error(), "(a)=(1)") {
		t.Fatal(err)
	}
	sameState(t, "outgoing", damaged, state(t, target, 15))

	// Rows that are checked at the commit, of a table that must be altered before.
	oracle.Exec(t, target, `INSERT INTO a VALUES (1, 'x'); INSERT INTO b VALUES (1, 1)`)
	before := state(t, target, 15)
	oracle.Exec(t, target, `ALTER TABLE b DISABLE TRIGGER no; DELETE FROM b; ALTER TABLE b ENABLE TRIGGER no`)
	applyTables(t, planTables(t, sink, set, target, restore.TableOptions{}, "b"))
	sameState(t, "deferred", before, state(t, target, 15))
}

// TestTableNames: names that are no names to a careless program, and names that
// are not there.
func TestTableNames(t *testing.T) {
	t.Parallel()
	const name = "a\"b\n; drop table victim; --'$$."
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, strings.ReplaceAll(`CREATE TABLE victim (id int); CREATE SCHEMA @; CREATE TABLE @.@ (@ serial PRIMARY KEY, "M" text);
		CREATE TABLE refers (a int CONSTRAINT @ REFERENCES @.@ ON DELETE CASCADE); COMMENT ON CONSTRAINT @ ON refers IS 'it''s';
		INSERT INTO @.@ ("M") VALUES ('x'), ('y'); INSERT INTO refers VALUES (1);
		CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'fired'; END $f$;
		CREATE TRIGGER @ BEFORE DELETE ON @.@ EXECUTE FUNCTION no(); CREATE RULE @ AS ON INSERT TO @.@ WHERE false DO ALSO NOTHING;
		CREATE MATERIALIZED VIEW @.V AS SELECT * FROM @.@; CREATE STATISTICS @.@ ON @, "M" FROM @.@; CREATE PUBLICATION @ FOR TABLE @.@;
		CREATE TABLE public.twice (); CREATE SCHEMA other; CREATE TABLE other.twice (); CREATE TABLE "Upper" (a int); CREATE VIEW looks AS SELECT 1 AS one`, "@", quoted))
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	before := contents(t, target, 15)
	oracle.Exec(t, target, fmt.Sprintf(`UPDATE %s.%[1]s SET "M" = 'z'`, quoted))
	res := applyTables(t, planTables(t, sink, set, target, restore.TableOptions{}, quoted+"."+quoted))
	sameState(t, "restored", before, contents(t, target, 15))
	rollTablesBack(t, sink, res.Safety, target)
	oracle.Exec(t, target, fmt.Sprintf(`ALTER TABLE %s.%[1]s ADD gone int`, quoted))
	damaged := contents(t, target, 15)
	res = applyTables(t, planTables(t, sink, set, target, restore.TableOptions{Replace: true}, quoted))
	sameState(t, "rebuilt", before, contents(t, target, 15))
	rollTablesBack(t, sink, res.Safety, target)
	sameState(t, "rolled back", damaged, contents(t, target, 15))

	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
	for given, want := range map[string]string{
		"refer": `there is "public"."refers"`, "Upper": `there is "public"."Upper"`, "victin": `there is "public"."victim"`,
		"twice": `several schemas have it; there is "other"."twice", "public"."twice"`,
		"looks": "it is a view", "public.looks": "it is a view", "nothing_like_it": "it holds no such table", "a.b.c": "this is no name", `"open`: "this is no name", "": "this is no name",
	} {
		var no *restore.NoTableError
		if _, err := r.PlanTables(t.Context(), set, []string{given}, nil); !errors.As(err, &no) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", given, err, want)
		}
	}
}

// TestTablePartition: one partition alone, to whose root a foreign key refers.
func TestTablePartition(t *testing.T) {
	t.Parallel()
	for _, major := range tableMajors() {
		srv := oracle.Server(t, major)
		target := oracle.Database(t, srv, `CREATE TABLE r (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
			CREATE TABLE low PARTITION OF r FOR VALUES FROM (0) TO (100); CREATE TABLE high PARTITION OF r FOR VALUES FROM (100) TO (200);
			CREATE INDEX ON r (v); CREATE TABLE refers (id int REFERENCES r ON DELETE CASCADE) PARTITION BY LIST (id); CREATE TABLE refers0 PARTITION OF refers DEFAULT;
			INSERT INTO r SELECT n, n FROM generate_series(1, 199) n; INSERT INTO refers VALUES (7), (150); CREATE MATERIALIZED VIEW sees AS SELECT sum(id) FROM r;
			CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'fired'; END $f$;
			CREATE TRIGGER no BEFORE INSERT OR DELETE ON r FOR EACH ROW EXECUTE FUNCTION no(); ALTER TABLE high DISABLE TRIGGER no`)
		sink := folder(t)
		set := take(t, sink, target, "zstd")
		before := state(t, target, major)
		oracle.Exec(t, target, `UPDATE low SET v = 'x'; ALTER TABLE low DISABLE TRIGGER no; DELETE FROM low WHERE id > 50; ALTER TABLE low ENABLE TRIGGER no`)
		p := planTables(t, sink, set, target, restore.TableOptions{}, "low")
		if !slices.Equal(p.Constraints, []string{`foreign key "refers_id_fkey" of table "public"."refers"`}) || len(p.Refreshed) != 1 {
			t.Errorf("constraints %q, refreshed %q", p.Constraints, p.Refreshed)
		}
		applyTables(t, p)
		sameState(t, "restored", before, state(t, target, major))
		// A partition that is gone comes back into its root, as does one that was made new.
		before = contents(t, target, major)
		oracle.Exec(t, target, "ALTER TABLE refers DROP CONSTRAINT refers_id_fkey; DROP TABLE high")
		p = planTables(t, sink, set, target, restore.TableOptions{}, "high", "refers")
		if err := p.Missing(); err == nil || !strings.Contains(err.Error(), "refers_id_fkey") {
			t.Errorf("the difference of the other table: %v", err)
		}
		applyTables(t, planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "high", "refers"))
		sameState(t, "built", before, contents(t, target, major))
		if n := value[int](t, target, "SELECT count(*) FROM r"); n != 199 {
			t.Errorf("%d rows", n)
		}
		// A key that refers to a table of other partitions by now.
		oracle.Exec(t, target, "DELETE FROM refers; ALTER TABLE r DETACH PARTITION low; CREATE TABLE late PARTITION OF r FOR VALUES FROM (200) TO (300)")
		applyTables(t, planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "r"))
		applyTables(t, planTables(t, sink, set, target, restore.TableOptions{}, "refers"))
		sameState(t, "with its partitions again", before, contents(t, target, major))
	}
}

// TestTableRefused: what stands in the way is in the plan.
func TestTableRefused(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE bare (id int); CREATE TABLE used (id int)`)
	sink := folder(t)
	set := take(t, sink, target, "zstd", func(d *backup.Dumper) { d.ExcludeTableData = []string{"bare"} })
	oracle.Exec(t, target, `ALTER TABLE used ADD x int; CREATE FUNCTION of(used) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE TABLE column_of (u used);
		DROP TABLE a; CREATE VIEW a AS SELECT 1 AS id; INSERT INTO bare VALUES (1)`)
	p := planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "a", "bare", "used")
	err := p.Missing()
	for _, want := range []string{`"a" is no table in the database`, `the set has no rows of "public"."bare"`, "function public.of(public.used) depends on", "column u of table public.column_of depends on"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	oracle.Exec(t, target, `CREATE TABLE pointed (id int PRIMARY KEY); CREATE TABLE points (id int CONSTRAINT points_to REFERENCES pointed); ALTER TABLE points DISABLE TRIGGER ALL`)
	off := planTables(t, sink, take(t, sink, target, "zstd"), target, restore.TableOptions{}, "pointed")
	if err := off.Missing(); err == nil || !strings.Contains(err.Error(), `"points_to" of table "public"."points" is not heeded`) {
		t.Errorf("a foreign key that is turned off: %v", err)
	}
	if value[int](t, target, "SELECT count(*) FROM bare") != 1 {
		t.Error("rows are gone")
	}
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
	p, err = r.PlanTables(t.Context(), set, []string{"used"}, &restore.TableOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context()); err == nil || !strings.Contains(err.Error(), "Confirm") {
		t.Errorf("without Confirm: %v", err)
	}
	oracle.Exec(t, target, `DROP TABLE column_of; DROP FUNCTION of(used); ALTER TABLE used DROP x`)
	no := errors.New("no")
	if p, err = r.PlanTables(t.Context(), set, []string{"used"}, &restore.TableOptions{Confirm: func(context.Context, *restore.TablePlan) error { return no }}); err != nil {
		t.Fatal(err)
	}
	if res, err := p.Apply(t.Context()); !errors.Is(err, no) || res != nil {
		t.Errorf("not confirmed: %v", err)
	}
	// What changes between plan and Apply is noticed.
	p, err = r.PlanTables(t.Context(), set, []string{"used"}, &restore.TableOptions{Confirm: func(context.Context, *restore.TablePlan) error {
		oracle.Exec(t, target, "ALTER TABLE used ADD y int")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context()); err == nil {
		t.Error("a change between plan and Apply passed")
	}
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Another database is told of, and is not what a safety set can be rolled back to.
	res, err := planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "used").Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := oracle.Database(t, srv, `CREATE TABLE used (id int)`)
	if p := planTables(t, sink, set, other, restore.TableOptions{}, "used"); p.Missing() != nil || !strings.Contains(strings.Join(p.Notes, ""), "another database") {
		t.Errorf("another database: %v, notes %q", p.Missing(), p.Notes)
	}
	elsewhere := &restore.Restorer{Sink: sink, Target: oracle.Config(t, other)}
	if p, err = elsewhere.PlanTablesRollback(t.Context(), find(t, sink, res.Safety), nil); err != nil || p.Missing() == nil || !strings.Contains(p.Missing().Error(), "was taken from another database") {
		t.Errorf("rolled back elsewhere: %v, %+v", err, p)
	}
	if _, err := r.PlanTablesRollback(t.Context(), inv.Sets[0], nil); err == nil {
		t.Error("rolled back to what is no safety set")
	}
}

// meddling is a sink beside which something happens when a manifest is stored.
type meddling struct {
	*remote.Dir
	then func()
}

func (m meddling) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	o, err := m.Dir.Put(ctx, name, r, opts)
	if path.Base(name) == manifest.Name {
		m.then()
	}
	return o, err
}

// TestTableWritten: whoever writes while the safety backup is taken waits, and
// writes to the restored table.
func TestTableWritten(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, `CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('x')`)
	dir := folder(t)
	set := take(t, dir, target, "zstd")
	oracle.Exec(t, target, "UPDATE t SET v = 'spoiled'")
	rows := func() string { return value[string](t, target, "SELECT string_agg(v, ' ' ORDER BY id) FROM t") }
	writer, written := connect(t, target), make(chan error, 1)
	sink := meddling{dir, func() {
		go func() {
			_, err := writer.Exec(context.Background(), "INSERT INTO t (v) VALUES ('late')")
			written <- err
		}()
		oracle.Await(t, "the writer waits", func() bool {
			return value[bool](t, target, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 't'::regclass AND NOT granted)")
		})
	}}
	p, err := (&restore.Restorer{Sink: dir, Safety: sink, Target: oracle.Config(t, target)}).PlanTables(t.Context(), set, []string{"t"}, &restore.TableOptions{Confirm: agree})
	if err != nil {
		t.Fatal(err)
	}
	res := applyTables(t, p)
	if err := <-written; err != nil {
		t.Error(err)
	}
	if got := rows(); got != "x late" {
		t.Errorf("restored and written: %s", got)
	}
	rollTablesBack(t, dir, res.Safety, target)
	if got := rows(); got != "spoiled" {
		t.Errorf("rolled back: %s", got)
	}
}

// TestTableStale: materialized views are left where that is asked for.
func TestTableStale(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, `CREATE TABLE t (id int); INSERT INTO t VALUES (1); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE MATERIALIZED VIEW empty AS SELECT * FROM t WITH NO DATA`)
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	oracle.Exec(t, target, `INSERT INTO t VALUES (2); REFRESH MATERIALIZED VIEW m`)
	p := planTables(t, sink, set, target, restore.TableOptions{NoRefresh: true}, "t")
	if !slices.Equal(p.Stale, []string{`"public"."m"`}) || p.Refreshed != nil {
		t.Errorf("stale %q, refreshed %q", p.Stale, p.Refreshed)
	}
	applyTables(t, p)
	if value[int](t, target, "SELECT count(*) FROM m") != 2 || value[int](t, target, "SELECT count(*) FROM t") != 1 {
		t.Error("the view was refreshed")
	}
}

// TestTableDamaged: rows whose checksum is wrong reach no table, and nothing
// else has happened by then.
func TestTableDamaged(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 1000) n`)
	sink := folder(t)
	set := take(t, sink, target, "none")
	oracle.Exec(t, target, `DELETE FROM t WHERE id > 500`)
	damaged := state(t, target, 15)
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
	c, err := r.Contents(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(sink.String(), filepath.FromSlash(set.Path(c.Tables[0].Objects[0])))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[100] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var damage *manifest.DamageError
	if res, err := planTables(t, sink, set, target, restore.TableOptions{}, "t").Apply(t.Context()); !errors.As(err, &damage) || res != nil {
		t.Errorf("%+v, %v", res, err)
	}
	sameState(t, "damaged", damaged, state(t, target, 15))
	oracle.Exec(t, target, `ALTER TABLE t ADD extra int`)
	damaged = state(t, target, 15)
	if res, err := planTables(t, sink, set, target, restore.TableOptions{Replace: true}, "t").Apply(t.Context()); !errors.As(err, &damage) || res == nil || res.Safety == "" {
		t.Errorf("%+v, %v", res, err)
	}
	sameState(t, "damaged, to be rebuilt", damaged, state(t, target, 15))
}
