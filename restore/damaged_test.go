package restore_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// sample is the database of the quickstart, with fewer rows, on a server whose
// roles are shared.
func sample(t *testing.T, srv *scratch.Server) string {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash("../examples/quickstart/sample.sql"))
	if err != nil {
		t.Fatal(err)
	}
	sql := strings.NewReplacer("125000", "5000", "40000", "2000", "30000", "2000", "10000)", "1000)",
		"CREATE ROLE atendimento NOLOGIN;", "", "CREATE ROLE relatorios NOLOGIN;", "").Replace(string(text))
	sql = strings.NewReplacer("atendimento", "regress_pgcofre_owner", "relatorios", "regress_pgcofre_reader").Replace(sql)
	oracle.Roles(t, srv)
	return oracle.Database(t, srv, sql)
}

// damage does to the sample what a restore in place is there for.
const damage = `
	DROP TABLE feed_posts;
	UPDATE profiles SET pontos = 7, nome = 'ninguém' WHERE papel = 'admin';
	DELETE FROM tarefas WHERE id % 3 = 0;
	INSERT INTO tarefas (oficina, titulo) VALUES (1, 'depois');
	SET CONSTRAINTS ALL IMMEDIATE;
	ALTER TABLE beneficiarias DROP COLUMN ficha, ADD COLUMN nova text DEFAULT 'sim', DISABLE ROW LEVEL SECURITY;
	DROP POLICY so_as_suas ON beneficiarias;
	ALTER TYPE situacao ADD VALUE 'esquecida';
	DROP VIEW agenda;
	CREATE TABLE agenda (id int PRIMARY KEY);
	DROP FUNCTION registra_pontos() CASCADE;
	CREATE PROCEDURE registra_pontos() LANGUAGE sql AS 'SELECT 1';
	REVOKE SELECT ON resumo FROM regress_pgcofre_reader;
	GRANT DELETE ON profiles TO PUBLIC;
	CREATE INDEX tardia ON tarefas (prazo);
	GRANT CREATE ON SCHEMA public TO regress_pgcofre_reader WITH GRANT OPTION;
	REVOKE USAGE ON SCHEMA public FROM PUBLIC;
	COMMENT ON SCHEMA public IS 'estragado';
	ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_pgcofre_reader;
	COMMENT ON DATABASE CURRENT IS 'meu';`

// foreign is what the backup does not hold.
const foreign = `
	CREATE TABLE extra (id int PRIMARY KEY, v text);
	INSERT INTO extra VALUES (1, 'fica');
	CREATE SCHEMA outro;
	CREATE TABLE outro.coisas (id serial PRIMARY KEY, v text UNIQUE);
	INSERT INTO outro.coisas (v) SELECT 'n' || i FROM generate_series(1, 50) i;
	CREATE FUNCTION outro.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE VIEW outro.v AS SELECT * FROM public.extra;
	SELECT lo_from_bytea(4711, 'fica')`

// damaged is a copy of a database to which something happened.
func damaged(t *testing.T, srv *scratch.Server, source string, sql ...string) string {
	t.Helper()
	target := newName(t, srv)
	name := oracle.Config(t, target).Database
	oracle.Exec(t, srv.URL("postgres"), "CREATE DATABASE "+name+" TEMPLATE "+oracle.Config(t, source).Database)
	for i, text := range sql {
		sql[i] = strings.ReplaceAll(text, "DATABASE CURRENT", "DATABASE "+name)
	}
	oracle.Exec(t, target, sql...)
	return target
}

// content is what a database holds, by pg_dump, whatever the order of its rows.
func content(t *testing.T, tools oracle.Tools, target string, options ...string) string {
	t.Helper()
	lines := strings.Split(oracle.Dump(t, tools, target, options...), "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "COPY ") {
			continue
		}
		if n := slices.Index(lines[i:], `\.`); n > 0 {
			slices.Sort(lines[i+1 : i+n])
			i += n
		}
	}
	return strings.Join(lines, "\n")
}

// withoutForeign are pg_dump's options that leave out what foreign made.
var withoutForeign = []string{"--exclude-schema=outro", "--exclude-table=extra", "--no-large-objects"}

// TestReplaceDamaged restores the sample in place over a damaged one with
// objects of others in it, and rolls that back.
func TestReplaceDamaged(t *testing.T) {
	t.Parallel()
	majors := []int{15}
	if long {
		majors = []int{13, 15, 18}
	}
	for _, major := range majors {
		srv, tools := oracle.Server(t, major), client(t, major)
		source, sink := sample(t, srv), folder(t)
		set := take(t, sink, source, "zstd")
		target := damaged(t, srv, source, damage, foreign)
		options := withoutForeign
		if tools.Major < 16 {
			options = slices.Concat(options[:2], []string{"--no-blobs"})
		}
		before, outside := content(t, tools, target, "--create"), content(t, tools, target, "--schema=outro", "--table=extra")
		p := plan(t, sink, set, target, inPlace())
		text := planText(t, p)
		for _, want := range []string{"TABLE public.tarefas (about", "INDEX public.tardia", "TABLE outro.coisas", "TABLE public.extra", "PROCEDURE public.registra_pontos()"} {
			if !strings.Contains(text, want) {
				t.Errorf("the plan does not say %q:\n%s", want, text)
			}
		}
		res := replace(t, sink, set, target)
		oracle.Exec(t, source, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_pgcofre_reader") // is of others
		if diff := oracle.Difference(content(t, tools, source, options...), content(t, tools, target, options...)); diff != "" {
			t.Errorf("%d: what the set holds is not as it was backed up: %s", major, diff)
		}
		if diff := oracle.Difference(outside, content(t, tools, target, "--schema=outro", "--table=extra")); diff != "" {
			t.Errorf("%d: what is not in the set has changed: %s", major, diff)
		}
		safety := find(t, sink, res.Safety)
		intact(t, sink, safety)
		rollBack(t, sink, res.Safety, target)
		if diff := oracle.Difference(before, content(t, tools, target, "--create")); diff != "" {
			t.Errorf("%d: the rollback did not bring back what was there: %s", major, diff)
		}
	}
}

// TestReplaceLikeStock: where stock pg_restore --clean gets through, it comes to
// the same.
func TestReplaceLikeStock(t *testing.T) {
	t.Parallel()
	const mild = `
		DROP TABLE feed_posts;
		DELETE FROM tarefas WHERE id % 3 = 0;
		ALTER TABLE beneficiarias ADD COLUMN nova text;
		CREATE INDEX tardia ON tarefas (prazo);
		REVOKE SELECT ON resumo FROM regress_pgcofre_reader;
		CREATE TABLE extra (id int PRIMARY KEY, v text);
		CREATE SCHEMA outro CREATE TABLE coisas (id serial PRIMARY KEY)`
	srv := oracle.Server(t, 15)
	tools := oracle.Client(t, 15)
	source, sink := sample(t, srv), folder(t)
	set := take(t, sink, source, "gzip")
	ours, stock := damaged(t, srv, source, mild), damaged(t, srv, source, mild)
	replace(t, sink, set, ours)
	oracle.Restore(t, tools, stock, filepath.Join(sink.String(), filepath.FromSlash(set.ID)), "--clean", "--if-exists")
	if diff := oracle.Difference(content(t, tools, stock), content(t, tools, ours)); diff != "" {
		t.Errorf("pg_restore --clean --if-exists comes to something else: %s", diff)
	}
}
