package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// slow is an index that takes as long as the database's setting cofre.slow is on.
const slow = `
	CREATE FUNCTION app.slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS
		$$BEGIN IF current_setting('cofre.slow', true) = 'on' THEN PERFORM pg_sleep(600); END IF; RETURN i; END$$;
	CREATE INDEX slow ON app.people (app.slow(id))`

// others tells that somebody else is connected to the database.
const others = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"

// midway starts the program, and returns it when it is where it stays until the
// database's setting is taken back.
func midway(t *testing.T, db string, args ...string) *process {
	t.Helper()
	name := oracle.Config(t, db).Database
	oracle.Exec(t, db, "ALTER DATABASE "+name+" SET cofre.slow = 'on'")
	p := start(t, args...)
	await(t, "the index is built", func() bool {
		return exists(t, db, others+" AND query LIKE '%CREATE INDEX slow%' AND state = 'active'")
	})
	oracle.Exec(t, db, "ALTER DATABASE "+name+" RESET cofre.slow")
	return p
}

// ended awaits the backends of a process that has ended, which may not have
// noticed.
func ended(t *testing.T, db string) {
	t.Helper()
	oracle.Exec(t, db, strings.Replace(others, "SELECT", "SELECT pg_terminate_backend(pid)", 1))
	await(t, "the backends end", func() bool { return !exists(t, db, others) })
}

// TestKilledReplace: what a restore in place that was killed leaves is told,
// and undone by a rollback, even by the second one.
func TestKilledReplace(t *testing.T) {
	t.Parallel()
	tools := oracle.Client(t, 0)
	db, sink := oracle.Database(t, oracle.Server(t, 0), sample, slow), t.TempDir()
	name := oracle.Config(t, db).Database
	cofre(t, exitDone, "full", "--db", db, "--sink", sink)
	set := glob(t, sink, "full", "*")[0]
	oracle.Exec(t, db, "DELETE FROM app.notes; UPDATE app.people SET name = 'damaged' WHERE id % 2 = 0; CREATE TABLE app.kept (i int)")
	before := oracle.Dump(t, tools, db)

	p := midway(t, db, "restore", "--replace", "--sink", sink, "--to", db, "--confirm", name, "latest")
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	ended(t, db)
	var safety string
	for _, folder := range glob(t, sink, "full", "*") {
		if folder != set {
			safety = "full/" + filepath.Base(folder)
		}
	}
	if out := cofre(t, exitUsage, "restore", "--replace", "--sink", sink, "--to", db, "latest"); !strings.Contains(out, "UNFINISHED") || !strings.Contains(out, safety) {
		t.Errorf("the next plan says nothing of %s:\n%s", safety, out)
	}

	p = midway(t, db, "rollback", "--sink", sink, "--to", db, "--confirm", name, "latest")
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := p.code(); got != 130 {
		t.Errorf("exit code %d, want 130", got)
	}
	for _, want := range []string{"stopped by a signal (interrupt)", "is INCOMPLETE"} {
		if !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%s\nwant %s", &p.stderr, want)
		}
	}
	if want := "to bring it back:\n  cofre rollback --sink "; !strings.Contains(p.stdout.String(), want) {
		t.Errorf("%s\nwant %s", &p.stdout, want)
	}
	ended(t, db)
	p = start(t, "rollback", "--sink", sink, "--to", db, "--confirm", name, "latest")
	if got, want := p.code(), "latest is unclear, as the restore of "+safety; got != exitUsage || !strings.Contains(p.stderr.String(), want) {
		t.Errorf("exit code %d, want %d\n%s\nwant %s", got, exitUsage, &p.stderr, want)
	}
	cofre(t, exitDone, "rollback", "--sink", sink, "--to", db, "--confirm", name, safety)
	if diff := oracle.Difference(before, oracle.Dump(t, tools, db)); diff != "" {
		t.Errorf("rolled back: %s", diff)
	}
}

// TestKilledRestoreTable: a restore of tables that is killed has changed
// nothing; the next one is done, and undone.
func TestKilledRestoreTable(t *testing.T) {
	t.Parallel()
	db, sink := oracle.Database(t, oracle.Server(t, 0), sample), t.TempDir()
	name := oracle.Config(t, db).Database
	state := func() string {
		conn, err := pgx.Connect(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		var s string
		err = conn.QueryRow(t.Context(), `SELECT md5(string_agg(p::text, ',' ORDER BY p)) || (SELECT count(*) FROM app.notes)
			|| (SELECT string_agg(pg_get_constraintdef(oid), ',' ORDER BY conname) FROM pg_constraint WHERE connamespace = 'app'::regnamespace) FROM app.people p`).Scan(&s)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	cofre(t, exitDone, "full", "--db", db, "--sink", sink)
	whole := state()
	oracle.Exec(t, db, "DELETE FROM app.notes; UPDATE app.people SET name = 'damaged' WHERE id % 2 = 0")
	damaged := state()

	reader, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "BEGIN; SELECT FROM app.people"); err != nil {
		t.Fatal(err)
	}
	args := []string{"restore-table", "--sink", sink, "--to", db, "--confirm", name, "latest", "people", "notes"}
	p := start(t, args...)
	await(t, "it waits for who reads", func() bool { return exists(t, db, others+" AND wait_event_type = 'Lock'") })
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait()
	if err := reader.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the backends end", func() bool { return !exists(t, db, others) })
	if got := state(); got != damaged {
		t.Errorf("killed: %s, want %s", got, damaged)
	}
	cofre(t, exitDone, args...)
	if got := state(); got != whole {
		t.Errorf("restored: %s, want %s", got, whole)
	}
	cofre(t, exitDone, "rollback", "--sink", sink, "--to", db, "--confirm", name, "latest")
	if got := state(); got != damaged {
		t.Errorf("rolled back: %s, want %s", got, damaged)
	}
}

// TestOverwriteBusy: nothing is overwritten while a backup is at work.
func TestOverwriteBusy(t *testing.T) {
	t.Parallel()
	db, sink := oracle.Database(t, oracle.Server(t, 0), sample), t.TempDir()
	name := oracle.Config(t, db).Database
	cofre(t, exitDone, "full", "--db", db, "--sink", sink)
	oracle.Exec(t, db, "DELETE FROM app.notes")
	stuck(t, db, t.TempDir())
	cofre(t, exitBusy, "restore", "--replace", "--sink", sink, "--to", db, "--confirm", name, "latest")
	cofre(t, exitBusy, "restore-table", "--sink", sink, "--to", db, "--confirm", name, "latest", "notes")
	if exists(t, db, "SELECT FROM app.notes") {
		t.Error("something was restored")
	}
}
