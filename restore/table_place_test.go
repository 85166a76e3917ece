package restore_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
)

// TestTableRoles: an owner who is no superuser may restore the table; another
// role is refused by the plan, which says why.
func TestTableRoles(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	oracle.Exec(t, srv.URL("postgres"), `DROP ROLE IF EXISTS regress_pgcofre_table_owner, regress_pgcofre_table_guest`,
		`CREATE ROLE regress_pgcofre_table_owner LOGIN PASSWORD 'o'; CREATE ROLE regress_pgcofre_table_guest LOGIN PASSWORD 'g'`)
	target := oracle.Database(t, srv, `CREATE SCHEMA mine AUTHORIZATION regress_pgcofre_table_owner; CREATE TABLE theirs (id int);
		GRANT USAGE ON SCHEMA mine TO regress_pgcofre_table_guest; SET ROLE regress_pgcofre_table_owner;
		CREATE FUNCTION mine.no() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN RAISE 'fired'; END $f$;
		CREATE TABLE mine.a (id serial PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE mine.a1 PARTITION OF mine.a DEFAULT;
		CREATE TRIGGER no BEFORE INSERT OR DELETE ON mine.a FOR EACH ROW EXECUTE FUNCTION mine.no(); ALTER TABLE mine.a DISABLE TRIGGER no;
		CREATE TABLE mine.b (a int REFERENCES mine.a ON DELETE CASCADE); INSERT INTO mine.a (v) VALUES ('x'), ('y'); INSERT INTO mine.b VALUES (1);
		ALTER TABLE mine.a ENABLE TRIGGER no; CREATE MATERIALIZED VIEW mine.m AS SELECT * FROM mine.a;
		ALTER TABLE mine.a ENABLE ROW LEVEL SECURITY; GRANT SELECT ON ALL TABLES IN SCHEMA mine TO regress_pgcofre_table_guest; GRANT SELECT ON ALL SEQUENCES IN SCHEMA mine TO regress_pgcofre_table_guest`)
	sink := folder(t)
	set := take(t, sink, target, "zstd")
	before := state(t, target, 15)
	oracle.Exec(t, target, `ALTER TABLE mine.a DISABLE TRIGGER no; DELETE FROM mine.a WHERE id = 2; UPDATE mine.a SET v = 'z'; ALTER TABLE mine.a ENABLE TRIGGER no`)
	as := func(user, password string) *restore.Restorer {
		cfg := oracle.Config(t, target)
		cfg.User, cfg.Password = user, password
		return &restore.Restorer{Sink: sink, Target: cfg}
	}
	owner, guest := as("regress_pgcofre_table_owner", "o"), as("regress_pgcofre_table_guest", "g")
	p, err := guest.PlanTables(t.Context(), set, []string{"mine.a"}, &restore.TableOptions{Confirm: agree})
	if err == nil {
		_, err = p.Apply(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "regress_pgcofre_table_guest") {
		t.Errorf("guest: %v", err)
	}
	// What a role cannot even read is in the plan as well, whatever is planned.
	oracle.Exec(t, target, "REVOKE SELECT ON SEQUENCE mine.a_id_seq FROM regress_pgcofre_table_guest")
	const unread = `role "regress_pgcofre_table_guest" may not read 1 sequences: "mine"."a_id_seq"`
	if p, err = guest.PlanTables(t.Context(), set, []string{"mine.a"}, nil); err != nil || p.Missing() == nil || !strings.Contains(p.Missing().Error(), unread) || p.Tables[0].Rows != 2 {
		t.Errorf("tables that cannot be read: %v, %+v", err, p)
	}
	if whole, err := guest.Plan(t.Context(), set, inPlace()); err != nil || whole.Missing() == nil || !strings.Contains(whole.Missing().Error(), unread) {
		t.Errorf("a database that cannot be read: %v, %+v", err, whole)
	}
	oracle.Exec(t, target, "GRANT SELECT ON SEQUENCE mine.a_id_seq TO regress_pgcofre_table_guest")
	if p, err = owner.PlanTables(t.Context(), set, []string{"mine.a"}, &restore.TableOptions{Confirm: agree}); err != nil {
		t.Fatal(err)
	}
	applyTables(t, p)
	sameState(t, "by its owner", before, state(t, target, 15))
	oracle.Exec(t, target, "ALTER TABLE mine.a FORCE ROW LEVEL SECURITY")
	if p, err = owner.PlanTables(t.Context(), set, []string{"mine.a"}, &restore.TableOptions{Confirm: agree, Replace: true}); err == nil {
		err = p.Missing()
	}
	if err == nil || !strings.Contains(err.Error(), "row") {
		t.Errorf("forced row security: %v", err)
	}
	oracle.Exec(t, target, "ALTER TABLE mine.a NO FORCE ROW LEVEL SECURITY; CREATE TABLE other (a int REFERENCES mine.a); CREATE MATERIALIZED VIEW more AS SELECT * FROM mine.a")
	if p, err = owner.PlanTables(t.Context(), set, []string{"mine.a"}, &restore.TableOptions{Confirm: agree}); err != nil {
		t.Fatal(err)
	}
	if err := p.Missing(); err == nil || !strings.Contains(err.Error(), `"public"."other"`) || !strings.Contains(err.Error(), `"public"."more"`) {
		t.Errorf("what others own: %v", err)
	}
}

// TestTableEventTriggers: since PostgreSQL 17 they do not fire, and before that
// the plan says that they do.
func TestTableEventTriggers(t *testing.T) {
	t.Parallel()
	for _, major := range []int{15, 17} {
		srv, sink := oracle.Server(t, major), folder(t)
		target := oracle.Database(t, srv, hosted, `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE u (id int REFERENCES t)`)
		set := take(t, sink, target, "zstd")
		oracle.Exec(t, target, `DELETE FROM t; CREATE EVENT TRIGGER "Always" ON ddl_command_start EXECUTE FUNCTION hosted."Always"(); ALTER EVENT TRIGGER "Always" ENABLE ALWAYS`)
		p := planTables(t, sink, set, target, restore.TableOptions{}, "t")
		noted := strings.Contains(strings.Join(p.Notes, ""), `event triggers fire`)
		res := applyTables(t, p)
		fired := value[int](t, target, "SELECT count(*) FROM hosted.fired") > 0
		if noted != fired || fired != (major < 17) || len(res.Notes) != len(p.Notes) {
			t.Errorf("%d: fired %t, notes %q", major, fired, p.Notes)
		}
	}
}

// TestTableDeadlock: someone who has locked a second table, and waits for the
// first, is let through.
func TestTableDeadlock(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	target := oracle.Database(t, srv, `CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1)`)
	set := take(t, sink, target, "zstd")
	p := planTables(t, sink, set, target, restore.TableOptions{}, "a", "b")
	other := connect(t, target)
	if _, err := other.Exec(t.Context(), "BEGIN; LOCK TABLE b IN ROW EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := p.Apply(t.Context())
		done <- err
	}()
	oracle.Await(t, "the restore waits", func() bool {
		return value[bool](t, target, "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'b'::regclass AND NOT granted)")
	})
	if _, err := other.Exec(t.Context(), "LOCK TABLE a IN ACCESS SHARE MODE; COMMIT"); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestReadThenWrite: who has read a table that is restored, and then waits to
// write to it, neither stops the restore nor stays; who only waits to write does.
func TestReadThenWrite(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	for name, apply := range map[string]func(t *testing.T, r *restore.Restorer, set *manifest.Manifest) []string{
		"tables": func(t *testing.T, r *restore.Restorer, set *manifest.Manifest) []string {
			p, err := r.PlanTables(t.Context(), set, []string{"a"}, &restore.TableOptions{Confirm: agree})
			if err != nil {
				t.Fatal(err)
			}
			return applyTables(t, p).Notes
		},
		"database": func(t *testing.T, r *restore.Restorer, set *manifest.Manifest) []string {
			p, err := r.Plan(t.Context(), set, inPlace())
			if err != nil {
				t.Fatal(err)
			}
			res, err := p.Apply(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return res.Notes
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := oracle.Database(t, srv, `CREATE TABLE a (v text); INSERT INTO a VALUES ('x')`)
			set := take(t, sink, target, "zstd")
			reader, writer := connect(t, target), connect(t, target)
			if _, err := reader.Exec(t.Context(), "SET deadlock_timeout = '1h'; BEGIN; TABLE a"); err != nil {
				t.Fatal(err)
			}
			cancelled, written := make(chan error, 1), make(chan error, 1)
			notes := apply(t, &restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Safety: meddling{sink, func() {
				for conn, done := range map[*pgx.Conn]chan error{reader: cancelled, writer: written} {
					go func() {
						_, err := conn.Exec(context.Background(), "UPDATE a SET v = 'late'")
						done <- err
					}()
				}
				oracle.Await(t, "both wait", func() bool {
					return value[int](t, target, "SELECT count(*) FROM pg_locks WHERE relation = 'a'::regclass AND NOT granted") == 2
				})
			}}}, set)
			var pg *pgconn.PgError
			if err := <-cancelled; !errors.As(err, &pg) || pg.Code != "57014" { // query_canceled
				t.Errorf("who had read: %v", err)
			}
			if err := <-written; err != nil && (name == "tables" || !errors.As(err, &pg) || pg.Code == "57014") { // else the table that it waited for is gone
				t.Errorf("who had not: %v", err)
			}
			if len(notes) != 1 || !strings.HasPrefix(notes[0], "cancelled") {
				t.Errorf("notes %q", notes)
			}
		})
	}
}

// TestStandbyTarget: a server that only reads is refused by the plan.
func TestStandbyTarget(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.OwnServer(t, 15, nil), folder(t)
	target := oracle.Database(t, srv, `CREATE TABLE a (id int)`)
	set := take(t, sink, target, "zstd")
	standby := oracle.Standby(t, srv)
	standby.CatchUp(t)
	target = standby.URL(t, target)
	for what, err := range map[string]error{
		"tables":   planTables(t, sink, set, target, restore.TableOptions{}, "a").Missing(),
		"database": plan(t, sink, set, target, inPlace()).Missing(),
	} {
		if err == nil || !strings.Contains(err.Error(), "the server is a standby") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
