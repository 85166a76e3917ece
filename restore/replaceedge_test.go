package restore_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
)

// undamaged restores a set in place over a database that sql damaged, which
// then is as before, and rolls that back to the damage.
func undamaged(t *testing.T, major int, build string, sql string, edit ...func(*backup.Dumper)) {
	t.Helper()
	srv, tools := oracle.Server(t, major), client(t, major)
	target, sink := oracle.Database(t, srv, build), folder(t)
	set := take(t, sink, target, "zstd", edit...)
	want := content(t, tools, target)
	oracle.Exec(t, target, sql)
	before := content(t, tools, target)
	res := replace(t, sink, set, target)
	if diff := oracle.Difference(want, content(t, tools, target)); diff != "" {
		t.Errorf("what the set holds is not as it was backed up: %s", diff)
	}
	rollBack(t, sink, res.Safety, target)
	if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
		t.Errorf("the rollback did not bring back what was there: %s", diff)
	}
}

// TestReplaceOddly damages what a restore in place treats in a way of its own.
func TestReplaceOddly(t *testing.T) {
	t.Parallel()
	oracle.Roles(t, oracle.Server(t, 15))
	for name, c := range map[string]struct{ build, damage string }{
		"large objects": {`SELECT lo_from_bytea(1001, 'one'), lo_from_bytea(1002, 'two'); COMMENT ON LARGE OBJECT 1001 IS 'first'`,
			`SELECT lo_unlink(1001), lo_put(1002, 0, 'TWO and more'); GRANT SELECT ON LARGE OBJECT 1002 TO PUBLIC`},
		"schemas": {`CREATE SCHEMA a; CREATE TABLE a.t (id int PRIMARY KEY); CREATE SCHEMA b; COMMENT ON SCHEMA b IS 'b'; GRANT USAGE ON SCHEMA b TO PUBLIC; CREATE SCHEMA c; CREATE TABLE c.t (a a.t)`,
			`DROP SCHEMA a CASCADE; COMMENT ON SCHEMA b IS 'other'; REVOKE USAGE ON SCHEMA b FROM PUBLIC; GRANT CREATE ON SCHEMA b TO regress_pgcofre_reader; ALTER SCHEMA c OWNER TO regress_pgcofre_owner; COMMENT ON SCHEMA c IS 'late'`},
		"default privileges": {`ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO regress_pgcofre_reader; CREATE TABLE t (id serial)`,
			`ALTER DEFAULT PRIVILEGES REVOKE SELECT ON TABLES FROM PUBLIC; ALTER DEFAULT PRIVILEGES GRANT DELETE ON TABLES TO regress_pgcofre_reader; ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE USAGE ON SEQUENCES FROM regress_pgcofre_reader; DROP TABLE t; CREATE TABLE t (a int)`},
		"kinds": {`CREATE VIEW x AS SELECT 1 AS a; CREATE TABLE y (a int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE DOMAIN d AS int; CREATE TABLE z (d d)`,
			`DROP VIEW x; CREATE TABLE x (a int); DROP TABLE y; CREATE MATERIALIZED VIEW y AS SELECT 1 AS a; DROP FUNCTION f(); CREATE PROCEDURE f() LANGUAGE sql AS 'SELECT 1'; DROP TABLE z; DROP DOMAIN d; CREATE TYPE d AS ENUM ('a'); CREATE SEQUENCE z`},
		"views turned around": {`CREATE VIEW a AS SELECT 1 AS x; CREATE VIEW b AS SELECT x FROM a; CREATE TABLE t (x int CHECK (x > 0))`,
			`DROP VIEW b; DROP VIEW a; DROP TABLE t; CREATE VIEW b AS SELECT 1 AS x; CREATE VIEW a AS SELECT x FROM b; CREATE FUNCTION late(b) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.x'; DROP FUNCTION late(b); CREATE TABLE t (v a)`},
		"foreign keys in a circle": {`CREATE TABLE a (id int PRIMARY KEY, b int); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a); INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 1); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b`,
			`UPDATE a SET b = NULL; DELETE FROM b; ALTER TABLE b ADD c int REFERENCES b`},
		"identity and serial": {`CREATE TABLE i (id int GENERATED ALWAYS AS IDENTITY, n int GENERATED ALWAYS AS (1 + 1) STORED); CREATE TABLE s (id serial); INSERT INTO i DEFAULT VALUES; INSERT INTO s DEFAULT VALUES`,
			`ALTER TABLE i ALTER id DROP IDENTITY; ALTER TABLE s ALTER id DROP DEFAULT; DROP SEQUENCE s_id_seq; CREATE SEQUENCE s_id_seq START 77; ALTER TABLE s ALTER id SET DEFAULT nextval('s_id_seq')`},
		"user mappings": {`CREATE FOREIGN DATA WRAPPER w; CREATE SERVER "s 1" FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER "s 1" OPTIONS (user 'u'); CREATE FOREIGN TABLE ft (a int) SERVER "s 1"`,
			`ALTER USER MAPPING FOR PUBLIC SERVER "s 1" OPTIONS (SET user 'v'); DROP FOREIGN TABLE ft; CREATE TABLE ft (b int)`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			undamaged(t, 15, c.build, c.damage)
		})
	}
}

// TestReplaceWithoutPublic brings the schema public back, which no archive
// creates.
func TestReplaceWithoutPublic(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 15), client(t, 15)
	target, sink := sample(t, srv), folder(t)
	set := take(t, sink, target, "zstd")
	oracle.Exec(t, target, "DROP SCHEMA public CASCADE")
	before := content(t, tools, target)
	res := replace(t, sink, set, target)
	// PostgreSQL does not take its privileges for those of initdb any more,
	// until they come to a new database.
	same(t, sink, set, bringBack(t, sink, take(t, sink, target, "zstd"), srv), nil)
	rollBack(t, sink, res.Safety, target)
	if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
		t.Errorf("the rollback did not bring back what was there: %s", diff)
	}
}

// TestReplacePart replaces what a part holds, and nothing of what it needs.
func TestReplacePart(t *testing.T) {
	t.Parallel()
	undamaged(t, 15, hosted+`
		CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER note AFTER INSERT ON hosted.users FOR EACH ROW EXECUTE FUNCTION note();
		CREATE TABLE profile (id int PRIMARY KEY REFERENCES hosted.users); INSERT INTO profile VALUES (1)`,
		`UPDATE hosted.users SET id = id; DELETE FROM profile; ALTER TABLE profile ADD late text`,
		func(d *backup.Dumper) { d.ExcludeSchemas = []string{"hosted"} })
}

// TestReplaceOwner: a role that owns the database, and is nobody else, replaces
// what is its own, and is refused what is not.
func TestReplaceOwner(t *testing.T) {
	t.Parallel()
	const role = "regress_pgcofre_shopkeeper"
	srv, tools := oracle.Server(t, 15), client(t, 15)
	oracle.Roles(t, srv)
	owner := asRole(t, srv, role, srv.URL("postgres"))
	target, sink := oracle.Database(t, srv), folder(t)
	owner = oracle.WithDatabase(t, owner, oracle.Config(t, target).Database)
	oracle.Exec(t, target, "ALTER ROLE "+role+" NOSUPERUSER; ALTER DATABASE "+oracle.Config(t, target).Database+" OWNER TO "+role)
	oracle.Exec(t, owner, strings.ReplaceAll(shop, "CREATE PUBLICATION ours FOR TABLE app.ident", "GRANT USAGE ON SCHEMA public TO regress_pgcofre_reader"))
	set := take(t, sink, owner, "zstd")
	want := content(t, tools, target)
	oracle.Exec(t, owner, `DROP TABLE app.ident; DELETE FROM app.part; REVOKE USAGE ON SCHEMA public FROM regress_pgcofre_reader; COMMENT ON SCHEMA app IS 'x'`)
	before := content(t, tools, target)
	res := replace(t, sink, set, owner)
	if diff := oracle.Difference(want, content(t, tools, target)); diff != "" {
		t.Errorf("what the set holds is not as it was backed up: %s", diff)
	}
	rollBack(t, sink, res.Safety, owner)
	if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
		t.Errorf("the rollback did not bring back what was there: %s", diff)
	}
	oracle.Exec(t, target, "ALTER TABLE app.part OWNER TO regress_pgcofre_owner; GRANT SELECT ON ALL TABLES IN SCHEMA app TO regress_pgcofre_shopkeeper")
	var refused *restore.RefusedError
	if err := plan(t, sink, set, owner, inPlace()).Missing(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "TABLE app.part belongs to regress_pgcofre_owner") {
		t.Errorf("what is not its own: %v", err)
	}
	oracle.Exec(t, target, "ALTER TABLE app.part OWNER TO regress_pgcofre_shopkeeper; ALTER DATABASE "+oracle.Config(t, target).Database+" OWNER TO postgres")
	if err := plan(t, sink, set, owner, inPlace()).Missing(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "does not own the database") {
		t.Errorf("a database that is not its own: %v", err)
	}
}

// TestReplaceWithoutOwners: as pg_restore --no-owner --no-privileges does it.
func TestReplaceWithoutOwners(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 15), client(t, 15)
	source, sink := sample(t, srv), folder(t)
	set := take(t, sink, source, "gzip")
	ours, stock := damaged(t, srv, source, "DELETE FROM tarefas"), damaged(t, srv, source, "DELETE FROM tarefas")
	opts := inPlace()
	opts.NoOwner, opts.NoPrivileges = true, true
	if _, err := plan(t, sink, set, ours, opts).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	oracle.Restore(t, tools, stock, filepath.Join(sink.String(), filepath.FromSlash(set.ID)), "--clean", "--if-exists", "--no-owner", "--no-privileges")
	if diff := oracle.Difference(content(t, tools, stock), content(t, tools, ours)); diff != "" {
		t.Errorf("pg_restore comes to something else: %s", diff)
	}
}

// TestReplaceExtension: an extension stays with its own rows, and its tables get
// back those that are the user's.
func TestReplaceExtension(t *testing.T) {
	t.Parallel()
	for _, b := range oracle.Databases {
		if b.Name != "configuration" {
			continue
		}
		srv, tools := oracle.Server(t, 15), client(t, 15)
		target, sink := b.Build(t, srv), folder(t)
		set := take(t, sink, target, "zstd")
		want := content(t, tools, target)
		oracle.Exec(t, target, "UPDATE conf.settings SET value = 'spoiled'; INSERT INTO conf.everything VALUES (77, 'late')")
		before := content(t, tools, target)
		if before == want {
			t.Fatal("there is nothing to bring back")
		}
		res := replace(t, sink, set, target)
		if diff := oracle.Difference(want, content(t, tools, target)); diff != "" {
			t.Errorf("what the set holds is not as it was backed up: %s", diff)
		}
		rollBack(t, sink, res.Safety, target)
		if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
			t.Errorf("the rollback did not bring back what was there: %s", diff)
		}
	}
}
