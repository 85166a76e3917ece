package pgsession_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// findings opens a session that the doctor must refuse.
func findings(t *testing.T, o *pgsession.Options) []pgsession.Finding {
	t.Helper()
	if o.Relations == nil {
		o.Relations = tables
	}
	s, err := pgsession.Open(t.Context(), o)
	if err == nil {
		s.Close()
	}
	var doctor *pgsession.DoctorError
	if !errors.As(err, &doctor) {
		t.Fatalf("Open: %v", err)
	}
	for _, f := range doctor.Findings {
		if !strings.Contains(err.Error(), f.What) || !strings.Contains(err.Error(), f.Way) {
			t.Errorf("the error's text lacks %q: %v", f, err)
		}
	}
	return doctor.Findings
}

func TestRoleThatMayNotReadEverything(t *testing.T) {
	url := database(t, `
		CREATE ROLE pgsession_poor LOGIN PASSWORD 'secret';
		CREATE TABLE fine (); CREATE TABLE "not mine" (); CREATE TABLE nor_this ();
		CREATE TABLE filtered (); ALTER TABLE filtered ENABLE ROW LEVEL SECURITY;
		CREATE TABLE own (); ALTER TABLE own ENABLE ROW LEVEL SECURITY; ALTER TABLE own OWNER TO pgsession_poor;
		CREATE TABLE forced (); ALTER TABLE forced ENABLE ROW LEVEL SECURITY; ALTER TABLE forced FORCE ROW LEVEL SECURITY;
		ALTER TABLE forced OWNER TO pgsession_poor;
		CREATE SCHEMA shut; CREATE TABLE shut.t ();
		GRANT SELECT ON fine, filtered, shut.t TO pgsession_poor;`)
	admin := connect(t, url)
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), `DROP OWNED BY pgsession_poor; DROP ROLE pgsession_poor`); err != nil {
			t.Error(err)
		}
	})
	cfg := oracle.Config(t, url)
	cfg.User, cfg.Password = "pgsession_poor", "secret"

	found := findings(t, &pgsession.Options{Config: cfg})
	want := []pgsession.Finding{
		{What: `may not use 1 schemas`, Way: `GRANT USAGE ON SCHEMA "shut" TO "pgsession_poor"`},
		{What: `may not read 2 tables: "public"."nor_this", "public"."not mine"`,
			Way: `GRANT SELECT ON TABLE "public"."nor_this", "public"."not mine" TO "pgsession_poor"`},
		{What: `hides rows of 1 tables from role "pgsession_poor": "public"."filtered"`, Way: `BYPASSRLS`},
		{What: `1 tables: "public"."forced"`, Way: `NO FORCE`},
	}
	if len(found) != len(want) {
		t.Fatalf("%d findings: %q", len(found), found)
	}
	for i, f := range found {
		if !strings.Contains(f.What, want[i].What) || !strings.Contains(f.Way, want[i].Way) {
			t.Errorf("finding %q, want %q", f, want[i])
		}
	}
	awaitNone(t, url)

	exec1(t, admin, `GRANT USAGE ON SCHEMA "shut" TO "pgsession_poor"; ALTER ROLE pgsession_poor BYPASSRLS;
		GRANT SELECT ON TABLE "public"."nor_this", "public"."not mine" TO "pgsession_poor"`)
	s := open(t, &pgsession.Options{Config: cfg})
	if info := s.Info(); info.Superuser || info.User != "pgsession_poor" || info.SystemID == "" {
		t.Errorf("info: %+v", info)
	}
	worker(t, s)
	if err := s.WaitDurable(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
}

func TestRoomForLocks(t *testing.T) {
	url := database(t)
	found := findings(t, &pgsession.Options{Config: oracle.Config(t, url),
		Relations: func(context.Context, *pgx.Conn) ([]pgsession.Relation, error) {
			return make([]pgsession.Relation, 1_000_000), nil
		}})
	if len(found) != 1 || !strings.Contains(found[0].What, "1000000 tables") || !strings.Contains(found[0].Way, "max_locks_per_transaction") {
		t.Errorf("findings: %q", found)
	}
}

func TestSlotThatHoldsTheHorizon(t *testing.T) {
	url := database(t, `SELECT pg_create_logical_replication_slot('pgsession_idle', 'pgoutput')`)
	admin := connect(t, url)
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), `SELECT pg_drop_replication_slot('pgsession_idle')`); err != nil {
			t.Error(err)
		}
	})
	s := open(t, &pgsession.Options{Config: oracle.Config(t, url)})
	if w := s.Warnings(); len(w) != 1 || !strings.Contains(w[0], "replication slot pgsession_idle") {
		t.Errorf("warnings: %q", w)
	}
	s.Close()
}

func TestBadAddress(t *testing.T) {
	url := database(t)
	for name, change := range map[string]func(*pgx.ConnConfig){
		"no such database": func(c *pgx.ConnConfig) { c.Database = "no such" },
		"wrong password":   func(c *pgx.ConnConfig) { c.Password = "hunter2" },
		"nobody there":     func(c *pgx.ConnConfig) { c.Port, c.Password = 1, "hunter2" },
	} {
		cfg := oracle.Config(t, url)
		secret := cfg.Password
		change(cfg)
		_, err := pgsession.Open(t.Context(), &pgsession.Options{Config: cfg, Relations: tables})
		if err == nil || strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	cfg := oracle.Config(t, "postgresql://h/d")
	for name, o := range map[string]*pgsession.Options{
		"Config":      {Relations: tables},
		"Relations":   {Config: cfg},
		"LockTimeout": {Config: cfg, Relations: tables, LockTimeout: -1},
		"Heartbeat":   {Config: cfg, Relations: tables, Heartbeat: -1},
	} {
		if _, err := pgsession.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	url := database(t, `
		CREATE SCHEMA evil;
		CREATE FUNCTION evil.same(text, text) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil was run'; END $$;
		CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.same);
		DO $$ BEGIN
			EXECUTE format('ALTER DATABASE %I SET search_path = evil, pg_catalog', current_database());
			EXECUTE format('ALTER DATABASE %I SET DateStyle = ''SQL, DMY''', current_database());
			EXECUTE format('ALTER DATABASE %I SET IntervalStyle = iso_8601', current_database());
			EXECUTE format('ALTER DATABASE %I SET TimeZone = ''America/Sao_Paulo''', current_database());
			EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database());
			EXECUTE format('ALTER DATABASE %I SET bytea_output = escape', current_database());
			EXECUTE format('ALTER DATABASE %I SET client_encoding = LATIN1', current_database());
			EXECUTE format('ALTER DATABASE %I SET statement_timeout = 10000', current_database());
			EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database());
			EXECUTE format('ALTER DATABASE %I SET exit_on_error = on', current_database());
			EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = serializable', current_database());
			EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
		END $$;
		CREATE TABLE t AS SELECT 1`)
	read := map[string]string{"search_path": "", "DateStyle": "ISO, DMY", "IntervalStyle": "postgres", "TimeZone": "UTC",
		"extra_float_digits": "3", "bytea_output": "hex", "client_encoding": "UTF8", "statement_timeout": "0",
		"standard_conforming_strings": "on", "exit_on_error": "off", "row_security": "off", "synchronize_seqscans": "off", "lock_timeout": "0",
		"restrict_nonsystem_relation_kind": "view, foreign-table", "application_name": pgsession.ApplicationName}
	check := func(t *testing.T, conn *pgx.Conn, want map[string]string) {
		t.Helper()
		for name, v := range want {
			if got := value[string](t, conn, `SELECT current_setting($1)`, name); strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(v, " ", "") {
				t.Errorf("%s = %q, want %q", name, got, v)
			}
		}
	}
	conn, err := pgsession.Connect(t.Context(), oracle.Config(t, url), pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	check(t, conn, read)

	s := open(t, &pgsession.Options{Config: oracle.Config(t, url)})
	read["lock_timeout"] = "1min"
	check(t, worker(t, s).Conn(), read)

	restoring, err := pgsession.Connect(t.Context(), oracle.Config(t, url), pgsession.Settings{ClientEncoding: "LATIN1", LCMonetary: "C", Restoring: true})
	if err != nil {
		t.Fatal(err)
	}
	defer restoring.Close(t.Context())
	check(t, restoring, map[string]string{"search_path": "", "client_encoding": "LATIN1", "lc_monetary": "C",
		"check_function_bodies": "off", "restrict_nonsystem_relation_kind": "",
		"transaction_isolation": "read committed", "transaction_read_only": "off"})

	_, err = pgsession.Connect(t.Context(), oracle.Config(t, url), pgsession.Settings{LCMonetary: "no such"})
	if err == nil {
		t.Error("a locale that does not exist was accepted")
	}
}
