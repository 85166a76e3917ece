package restore_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// busy is a table with all that can be on one. Its triggers fail, and so tell
// when one fires; its rules would swallow what they see.
const busy = `
	CREATE SCHEMA app;
	CREATE TYPE app.state AS ENUM ('new', 'done');
	CREATE FUNCTION app.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a trigger fired'; END $$;
	CREATE TABLE app.person (id serial PRIMARY KEY, name text NOT NULL UNIQUE, state app.state DEFAULT 'new',
		born date, shout text GENERATED ALWAYS AS (upper(name)) STORED, boss int REFERENCES app.person ON DELETE CASCADE, kind text, grade text);
	CREATE INDEX person_born ON app.person (born) WHERE state = 'new';
	CREATE STATISTICS app.person_stats ON kind, grade FROM app.person;
	COMMENT ON TABLE app.person IS 'people''s';
	COMMENT ON COLUMN app.person.born IS 'day';
	INSERT INTO app.person (name, born, boss, kind, grade)
		SELECT 'p' || n, '2000-01-01'::date + n, nullif(n / 2, 0), 'k' || n % 5, 'g' || n % 5 FROM generate_series(1, 500) n;
	CREATE TABLE app.task (id int PRIMARY KEY, person int CONSTRAINT task_person REFERENCES app.person ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE app.badge (id int PRIMARY KEY, person int REFERENCES app.person ON DELETE RESTRICT);
	CREATE TABLE app.note (id int PRIMARY KEY, person int DEFAULT 1 REFERENCES app.person ON DELETE SET NULL, other int DEFAULT 1 REFERENCES app.person ON DELETE SET DEFAULT);
	COMMENT ON CONSTRAINT task_person ON app.task IS 'whose';
	INSERT INTO app.task SELECT n, n % 300 + 1 FROM generate_series(1, 1000) n;
	INSERT INTO app.badge SELECT n, n FROM generate_series(1, 100) n;
	INSERT INTO app.note SELECT n, n + 100, n + 200 FROM generate_series(1, 100) n;
	CREATE VIEW app.young AS SELECT id, name FROM app.person WHERE born > '2000-06-01';
	CREATE MATERIALIZED VIEW app.kinds AS SELECT kind, count(*) FROM app.person GROUP BY kind;
	CREATE UNIQUE INDEX ON app.kinds (kind);
	CREATE STATISTICS app.kinds_stats ON kind, count FROM app.kinds;
	CREATE MATERIALIZED VIEW app.total AS SELECT sum(count) FROM app.kinds;
	GRANT SELECT ON app.young TO PUBLIC;
	CREATE TRIGGER a_normal BEFORE INSERT OR UPDATE OR DELETE ON app.person FOR EACH ROW EXECUTE FUNCTION app.fail();
	CREATE TRIGGER b_always AFTER INSERT OR DELETE ON app.person FOR EACH STATEMENT EXECUTE FUNCTION app.fail();
	CREATE TRIGGER c_replica AFTER INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.fail();
	CREATE TRIGGER d_off AFTER INSERT ON app.person FOR EACH ROW EXECUTE FUNCTION app.fail();
	ALTER TABLE app.person ENABLE ALWAYS TRIGGER b_always, ENABLE REPLICA TRIGGER c_replica, DISABLE TRIGGER d_off;
	CREATE RULE swallow AS ON DELETE TO app.person WHERE old.id < 0 DO INSTEAD NOTHING;
	CREATE RULE spill AS ON INSERT TO app.person DO ALSO INSERT INTO app.badge VALUES (new.id + 100000, 1);
	ALTER TABLE app.person ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON app.person USING (name = current_user);
	GRANT SELECT (name), UPDATE (born) ON app.person TO PUBLIC;
	CREATE TABLE app.event (id bigint GENERATED ALWAYS AS IDENTITY, at date NOT NULL, person int REFERENCES app.person, body text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE app.event_old PARTITION OF app.event FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
	CREATE TABLE app.event_new PARTITION OF app.event FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY HASH (id);
	CREATE TABLE app.event_new0 PARTITION OF app.event_new FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE app.event_new1 PARTITION OF app.event_new FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE INDEX ON app.event (person);
	CREATE TRIGGER each AFTER INSERT OR UPDATE OR DELETE ON app.event FOR EACH ROW EXECUTE FUNCTION app.fail();
	ALTER TABLE app.event_old DISABLE TRIGGER each;
	ALTER TABLE app.event DISABLE TRIGGER USER;
	INSERT INTO app.event (at, person, body) SELECT '2019-06-01'::date + n, n, repeat('x', n) FROM generate_series(1, 400) n;
	ALTER TABLE app.event ENABLE TRIGGER each;
	ALTER TABLE app.event_old DISABLE TRIGGER each;
	CREATE TABLE app.seen (event bigint, at date, PRIMARY KEY (event, at), FOREIGN KEY (event, at) REFERENCES app.event ON DELETE CASCADE);
	INSERT INTO app.seen SELECT id, at FROM app.event WHERE id % 3 = 0;
	CREATE PUBLICATION part FOR TABLE app.person, app.event;
	CREATE PUBLICATION whole FOR ALL TABLES`

// damageBusy deletes, changes and adds rows of app.person and app.event, around
// all that would notice.
const damageBusy = `
	ALTER TABLE app.person DISABLE TRIGGER a_normal, DISABLE TRIGGER b_always, DISABLE RULE spill, DISABLE RULE swallow;
	ALTER TABLE app.event DISABLE TRIGGER each;
	DELETE FROM app.person WHERE id BETWEEN 420 AND 470;
	UPDATE app.person SET name = 'q' || (700 - id), born = NULL WHERE id > 470 OR id <= 20;
	INSERT INTO app.person (name, boss) SELECT 'extra ' || n, n FROM generate_series(1, 30) n;
	ALTER TABLE app.person ENABLE TRIGGER a_normal, ENABLE ALWAYS TRIGGER b_always, ENABLE RULE spill, ENABLE RULE swallow;
	DELETE FROM app.event WHERE id % 3 = 1;
	UPDATE app.event SET body = 'lost' WHERE id % 11 = 0;
	INSERT INTO app.event (at, body) VALUES ('2001-01-01', 'new'), ('2031-01-01', 'new');
	ALTER TABLE app.event ENABLE TRIGGER each;
	ALTER TABLE app.event_old DISABLE TRIGGER each;
	REFRESH MATERIALIZED VIEW app.kinds; REFRESH MATERIALIZED VIEW app.total`

// agree confirms.
func agree(context.Context, *restore.TablePlan) error { return nil }

// planTables plans the restore of tables, and fails the test when it is refused.
func planTables(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, target string, opts restore.TableOptions, tables ...string) *restore.TablePlan {
	t.Helper()
	opts.Confirm = agree
	p, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).PlanTables(t.Context(), set, tables, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func applyTables(t *testing.T, p *restore.TablePlan) *restore.TableResult {
	t.Helper()
	if err := p.Missing(); err != nil {
		t.Fatal(err)
	}
	res, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// contents is the text of pg_dump, with the rows of each table in order of their
// bytes as they have no other, and the rows of materialized views.
func contents(t *testing.T, target string, major int) string {
	t.Helper()
	var out, rows []string
	copying := false
	for line := range strings.Lines(oracle.Dump(t, client(t, major), target)) {
		switch {
		case line == "\\.\n":
			slices.Sort(rows)
			out, rows, copying = append(out, rows...), nil, false
		case copying:
			rows = append(rows, line)
			continue
		default:
			copying = strings.HasPrefix(line, "COPY ") || strings.HasSuffix(line, ") FROM stdin;\n")
		}
		out = append(out, line)
	}
	for _, view := range []string{"app.kinds", "app.total"} {
		out = append(out, value[string](t, target, `SELECT COALESCE(CASE WHEN to_regclass($1) IS NOT NULL
			THEN query_to_xml('SELECT * FROM ' || $1 || ' ORDER BY 1', true, true, '')::text END, '')`, view))
	}
	return strings.Join(out, "")
}

// state is contents and the OIDs of tables.
func state(t *testing.T, target string, major int) string {
	t.Helper()
	return contents(t, target, major) + value[string](t, target, `SELECT string_agg(c.oid::regclass || ' ' || c.oid, chr(10) ORDER BY c.oid)
		FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
		WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND relkind IN ('r', 'p')`)
}

func sameState(t *testing.T, what, want, got string) {
	t.Helper()
	if d := oracle.Difference(want, got); d != "" {
		t.Fatalf("%s: %s", what, d)
	}
}

func tableMajors() []int {
	if long {
		return []int{13, 15, 18}
	}
	return []int{15}
}

// TestTables: a damaged table of a live schema becomes what it was, and what is
// on it stays; rolled back, it is as damaged as it was.
func TestTables(t *testing.T) {
	t.Parallel()
	for _, major := range tableMajors() {
		srv := oracle.Server(t, major)
		target := oracle.Database(t, srv, busy)
		sink := folder(t)
		set := take(t, sink, target, "zstd")
		before := state(t, target, major)
		oracle.Exec(t, target, damageBusy)
		damaged := state(t, target, major)
		if before == damaged {
			t.Fatal("nothing is damaged")
		}
		p := planTables(t, sink, set, target, restore.TableOptions{}, "app.person", "event")
		if len(p.Tables) != 2 || p.Tables[0].Action != restore.MergeTable || p.Tables[0].Rows != 500 || p.Tables[0].LiveRows != 479 || p.Tables[0].Estimated {
			t.Fatalf("plan: %+v", p.Tables)
		}
		var text strings.Builder
		if err := p.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`view "app"."young"`, `"task_person" of table "app"."task"`, `publication "part"`, "479 rows in the database (counted)", `"app"."kinds"`, "a_normal", "RULE app.person spill"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the plan does not say %q:\n%s", want, text.String())
			}
		}
		if damaged != state(t, target, major) {
			t.Fatal("the plan changed something")
		}
		res := applyTables(t, p)
		sameState(t, "restored", before, state(t, target, major))
		if c := res.Tables[0]; c.Inserted != 51 || c.Overwritten != 50 || c.Removed != 30 || c.Unchanged != 399 {
			t.Errorf("counts: %+v", c)
		}
		inv, err := manifest.Scan(t.Context(), sink, nil)
		if err != nil {
			t.Fatal(err)
		}
		safety, err := inv.Find(res.Safety)
		if err != nil {
			t.Fatal(err)
		}
		if safety.Purpose != manifest.Safety || safety.Source != set.Source {
			t.Errorf("safety set: %+v", safety)
		}
		back, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).PlanTablesRollback(t.Context(), safety, &restore.TableOptions{Confirm: agree})
		if err != nil {
			t.Fatal(err)
		}
		applyTables(t, back)
		sameState(t, "rolled back", damaged, state(t, target, major))
	}
}
