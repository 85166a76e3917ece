package restore_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
)

// TestNotEmpty: a database that holds anything is refused, and stays as it is.
func TestNotEmpty(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	set := take(t, sink, oracle.Database(t, srv, `CREATE TABLE t (a int); INSERT INTO t VALUES (1)`), "zstd")
	for what, sql := range map[string]string{
		"relation":     `CREATE TABLE mine ()`,
		"sequence":     `CREATE SEQUENCE mine`,
		"function":     `CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		"type":         `CREATE TYPE mine AS ENUM ()`,
		"schema":       `CREATE SCHEMA mine`,
		"large object": `SELECT lo_create(77)`,
		"publication":  `CREATE PUBLICATION mine`,
	} {
		target := oracle.Database(t, srv, sql)
		_, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).Plan(t.Context(), set, nil)
		var notEmpty *restore.NotEmptyError
		if !errors.As(err, &notEmpty) || len(notEmpty.Holds) != 1 || !strings.Contains(err.Error(), oracle.Config(t, target).Database) {
			t.Errorf("a %s: %v", what, err)
		}
	}
	// One that was filled since the plan was made.
	target := oracle.Database(t, srv)
	p := plan(t, sink, set, target, nil)
	oracle.Exec(t, target, `CREATE TABLE t (a int)`)
	var notEmpty *restore.NotEmptyError
	if _, err := p.Apply(t.Context()); !errors.As(err, &notEmpty) {
		t.Errorf("Apply: %v", err)
	}
	if value[int](t, target, `SELECT count(*) FROM t`) != 0 {
		t.Error("rows were restored into somebody's table")
	}
}

// TestEmptyTarget restores into a database that exists.
func TestEmptyTarget(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 18), folder(t)
	set := take(t, sink, oracle.Database(t, srv, large), "zstd", smallRanges)
	target := oracle.Database(t, srv)
	p := plan(t, sink, set, target, nil)
	if p.Create {
		t.Error("the plan creates a database that there is")
	}
	res, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	same(t, sink, set, target, nil)
	if res.Rows != p.Rows || res.Tables != p.Tables || res.Database != oracle.Config(t, target).Database || res.Took <= 0 {
		t.Errorf("result %+v of plan %+v", res, p)
	}
	if _, err := p.Apply(t.Context()); err == nil || !strings.Contains(err.Error(), "make a new one") {
		t.Errorf("the second Apply: %v", err)
	}
}

// TestTargetErrors: what keeps a restore from being planned.
func TestTargetErrors(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	set := take(t, sink, oracle.Database(t, srv, `CREATE TABLE t (a int)`), "zstd")
	oracle.Exec(t, srv.URL("postgres"), `DROP ROLE IF EXISTS regress_pgcofre_poor; CREATE ROLE regress_pgcofre_poor LOGIN PASSWORD 'poor'`)
	poor := oracle.Config(t, newName(t, srv))
	poor.User, poor.Password = "regress_pgcofre_poor", "poor"
	wrong := oracle.Config(t, newName(t, srv))
	wrong.Password = "guessed-secret"
	nameless := oracle.Config(t, newName(t, srv))
	nameless.Database = ""
	storage := *set
	storage.Kind = manifest.Storage
	for _, c := range []struct {
		restorer restore.Restorer
		set      *manifest.Manifest
		err      string
	}{
		{restore.Restorer{Target: wrong}, set, "Sink is nil"},
		{restore.Restorer{Sink: sink}, set, "Target is nil"},
		{restore.Restorer{Sink: sink, Target: nameless}, set, "names no database"},
		{restore.Restorer{Sink: sink, Target: wrong}, &storage, "not a backup of a database"},
		{restore.Restorer{Sink: sink, Target: wrong}, set, "password authentication failed"},
		{restore.Restorer{Sink: sink, Target: poor}, set, "CREATEDB"},
	} {
		_, err := c.restorer.Plan(t.Context(), c.set, nil)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v, which does not say %q", err, c.err)
		} else if strings.Contains(err.Error(), "guessed-secret") {
			t.Errorf("%v tells a password", err)
		}
	}
}

// TestRestoreBusy: two restores of one target keep off each other.
func TestRestoreBusy(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	set := take(t, sink, oracle.Database(t, srv, large), "zstd")
	target := newName(t, srv)
	var second error
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
	other := plan(t, sink, set, target, nil)
	r.Progress = func(p restore.Progress) {
		if p.Phase == "data and indexes" && second == nil {
			_, second = other.Apply(t.Context())
		}
	}
	p, err := r.Plan(t.Context(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(second, restore.ErrBusy) {
		t.Errorf("the second restore: %v", second)
	}
	same(t, sink, set, target, nil)
}

// TestEntryError: an error of the server names the entry, the statement and
// the place in it.
func TestEntryError(t *testing.T) {
	t.Parallel()
	srv, old, sink := oracle.Server(t, 18), oracle.Server(t, 13), folder(t)
	set := take(t, sink, oracle.Database(t, srv, `
		CREATE TABLE before (a int);
		CREATE TABLE "New" (a int, b int, UNIQUE NULLS NOT DISTINCT (a))`), "zstd")
	p := plan(t, sink, set, oracle.Database(t, old), nil)
	if len(p.Notes) == 0 || !strings.Contains(p.Notes[0], "older") {
		t.Errorf("the plan does not say that the server is older: %q", p.Notes)
	}
	_, err := p.Apply(t.Context())
	var entry *restore.EntryError
	if !errors.As(err, &entry) || entry.Desc == "" || entry.Name == "" || entry.Statement == "" || entry.Position == 0 ||
		!strings.Contains(err.Error(), entry.Statement) {
		t.Errorf("%v", err)
	}
}

// TestPlanText: the plan tells people and programs the same.
func TestPlanText(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	set := take(t, sink, oracle.Database(t, srv, `CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)`), "zstd")
	p := plan(t, sink, set, newName(t, srv), nil)
	var text, sql strings.Builder
	if err := errors.Join(p.WriteText(&text), p.WriteSQL(&sql)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{set.ID, p.Database, "1 table, 2 rows", "rights of the role"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text does not say %q:\n%s", want, text.String())
		}
	}
	if !strings.Contains(sql.String(), "CREATE TABLE public.t") || !strings.Contains(sql.String(), "CREATE DATABASE") {
		t.Errorf("the SQL lacks statements:\n%s", sql.String())
	}
	data, err := json.Marshal(p)
	var back restore.Plan
	if err = errors.Join(err, json.Unmarshal(data, &back)); err != nil || back.Rows != 2 || !back.Create || back.Set != set.ID {
		t.Errorf("%s: %v", data, err)
	}
}

// TestEventTriggers: those of the backup are there, and refused nothing of what
// was restored before them.
func TestEventTriggers(t *testing.T) {
	t.Parallel()
	for _, major := range []int{15, 18} {
		srv, sink := oracle.Server(t, major), folder(t)
		set := take(t, sink, oracle.Database(t, srv, large, `
			CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no DDL''; END';
			CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM big;
			CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE INDEX', 'CREATE MATERIALIZED VIEW') EXECUTE FUNCTION refuse()`), "zstd")
		bringBack(t, sink, set, srv)
	}
}

// TestPropertiesFail: a database whose owner or settings cannot be restored
// does not get its name, and nothing is left of it, though it was a template.
func TestPropertiesFail(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	source := oracle.Database(t, srv, `CREATE TABLE t (a int)`)
	name := oracle.Config(t, source).Database
	oracle.Exec(t, source, `CREATE ROLE regress_pgcofre_setting`, `ALTER DATABASE `+name+` IS_TEMPLATE true`,
		`ALTER ROLE regress_pgcofre_setting IN DATABASE `+name+` SET work_mem TO '1MB'`)
	set := take(t, sink, source, "zstd")
	oracle.Exec(t, source, `ALTER DATABASE `+name+` IS_TEMPLATE false`, `ALTER ROLE regress_pgcofre_setting IN DATABASE `+name+` RESET ALL`)
	target := newName(t, srv)
	p := plan(t, sink, set, target, nil)
	oracle.Exec(t, source, `DROP ROLE regress_pgcofre_setting`) // since the plan was made
	var entry *restore.EntryError
	if _, err := p.Apply(t.Context()); !errors.As(err, &entry) || entry.Desc != "DATABASE PROPERTIES" {
		t.Errorf("Apply: %v", err)
	}
	(&spoiled{srv: srv}).gone(t, target)
}
