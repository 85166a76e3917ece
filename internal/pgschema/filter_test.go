package pgschema_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

const parted = `
	CREATE SCHEMA auth;
	CREATE SCHEMA app;
	CREATE SCHEMA "Odd.Name";
	CREATE TYPE auth.level AS ENUM ('low', 'high');
	CREATE TABLE auth.users (id int PRIMARY KEY, name text);
	INSERT INTO auth.users VALUES (1, 'ana');
	CREATE FUNCTION auth.uid() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE TABLE app.tasks (id serial PRIMARY KEY, owner int REFERENCES auth.users, title text);
	INSERT INTO app.tasks (owner, title) VALUES (1, 'one'), (1, 'two');
	CREATE SEQUENCE app.numbers OWNED BY app.tasks.owner;
	COMMENT ON COLUMN app.tasks.title IS 'what';
	GRANT UPDATE (title) ON app.tasks TO PUBLIC;
	CREATE FUNCTION app.look() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
	CREATE TRIGGER looks AFTER INSERT ON app.tasks EXECUTE FUNCTION app.look();
	CREATE RULE nothing AS ON DELETE TO app.tasks WHERE false DO INSTEAD NOTHING;
	CREATE POLICY own ON app.tasks USING (owner > 0);
	CREATE STATISTICS app.of_tasks ON owner, title FROM app.tasks;
	ALTER STATISTICS app.of_tasks SET STATISTICS 50;
	COMMENT ON STATISTICS app.of_tasks IS 'dependent';
	CREATE STATISTICS auth.elsewhere ON id, title FROM app.tasks;
	CREATE TABLE app.audit (at timestamptz, what text);
	INSERT INTO app.audit VALUES (now(), 'x');
	CREATE TABLE app.audit_old () INHERITS (app.audit);
	CREATE VIEW app.titles AS SELECT title, u.name FROM app.tasks JOIN auth.users u ON u.id = owner;
	CREATE TABLE "Odd.Name"."T*" (a int, l auth.level);
	CREATE TYPE auth.pair AS (a int, l auth.level);
	CREATE TYPE app.wrapped AS (p auth.pair, n int);
	CREATE VIEW app.unwrapped AS SELECT (ROW(1, NULL)::auth.pair).a;
	CREATE TABLE public.plain (a int DEFAULT auth.uid());
	CREATE PUBLICATION all_of_it FOR TABLE app.tasks, public.plain;
	CREATE PUBLICATION "the rest" FOR ALL TABLES;
	ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;
	ALTER DEFAULT PRIVILEGES IN SCHEMA auth GRANT SELECT ON TABLES TO PUBLIC;
	SELECT lo_create(5);`

// TestFilter: a part of a database is what pg_dump makes of the same choice.
func TestFilter(t *testing.T) {
	for _, c := range []struct {
		opts pgschema.Options
		args []string
	}{
		{pgschema.Options{ExcludeSchemas: []string{"auth"}}, []string{"-N", "auth"}},
		{pgschema.Options{Schemas: []string{"app"}}, []string{"-n", "app"}},
		{pgschema.Options{Schemas: []string{"a*"}, ExcludeSchemas: []string{"AUTH"}}, []string{"-n", "a*", "-N", "AUTH"}},
		{pgschema.Options{Schemas: []string{`"Odd.Name"`}}, []string{"-n", `"Odd.Name"`}},
		{pgschema.Options{Tables: []string{"app.t*"}}, []string{"-t", "app.t*"}},
		{pgschema.Options{Tables: []string{`"Odd.Name"."T*"`}}, []string{"-t", `"Odd.Name"."T*"`}},
		{pgschema.Options{ExcludeTables: []string{"*.audit?old", "app.titles"}}, []string{"-T", "*.audit?old", "-T", "app.titles"}},
		{pgschema.Options{ExcludeTableData: []string{"app.audit", "app.tasks"}}, []string{"--exclude-table-data", "app.audit", "--exclude-table-data", "app.tasks"}},
	} {
		for _, tools := range oracle.Clients() {
			t.Run(fmt.Sprint(tools.Major, c.args), func(t *testing.T) {
				srv := oracle.Server(t, tools.Major)
				target := oracle.Database(t, srv, parted)
				sameText(t, oracle.Script(t, tools, archiveOf(t, target, &c.opts), "-C"), oracle.Dump(t, tools, target, append(c.args, "-C")...))
			})
		}
	}
}

// read reads a database's schema.
func read(t *testing.T, target string, opts *pgschema.Options) (*pgschema.Schema, error) {
	t.Helper()
	cfg, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgsession.Connect(t.Context(), cfg, pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	return pgschema.Read(t.Context(), conn, opts)
}

// TestRecords: what is left out is recorded, and what the rest needs of it.
func TestRecords(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), parted)
	s, err := read(t, target, &pgschema.Options{ExcludeSchemas: []string{"auth", "nowhere"}, ExcludeTableData: []string{"audit"}})
	if err != nil {
		t.Fatal(err)
	}
	wantExcluded := []pgschema.Exclusion{
		{Kind: "schema", Name: "auth", Reason: "excluded by auth", UserData: true},
		{Kind: "table data", Name: "app.audit", Reason: "rows excluded by audit", UserData: true},
	}
	if !slices.Equal(s.Excluded, wantExcluded) {
		t.Errorf("excluded %+v, want %+v", s.Excluded, wantExcluded)
	}
	wantNeeded := []pgschema.Prerequisite{
		{Kind: "TYPE", Name: "auth.level", NeededBy: `TABLE "Odd.Name"."T*"`},
		{Kind: "TABLE", Name: "auth.users", NeededBy: "VIEW app.titles"},
		{Kind: "TYPE", Name: "auth.pair", NeededBy: "TYPE app.wrapped"},
		{Kind: "FUNCTION", Name: "auth.uid", NeededBy: "TABLE public.plain"},
	}
	for _, want := range wantNeeded {
		if !slices.Contains(s.Prerequisites, want) {
			t.Errorf("prerequisites %+v: want %+v", s.Prerequisites, want)
		}
	}
	if len(s.Prerequisites) != len(wantNeeded) {
		t.Errorf("prerequisites %+v: want %d", s.Prerequisites, len(wantNeeded))
	}
	if len(s.Warnings) != 1 {
		t.Errorf("warnings %q: want one, on the pattern that matches nothing", s.Warnings)
	}
	if s, err := read(t, target, nil); err != nil || s.Excluded != nil || s.Prerequisites != nil || s.Warnings != nil {
		t.Errorf("everything: %v, %+v %+v %q", err, s.Excluded, s.Prerequisites, s.Warnings)
	}
	for _, opts := range []pgschema.Options{{Schemas: []string{"nowhere"}}, {Tables: []string{"a.b.c"}}, {Tables: []string{`"open`}}, {Tables: []string{""}}} {
		if _, err := read(t, target, &opts); err == nil {
			t.Errorf("%+v: no error", opts)
		}
	}
}

// TestBelongings: chosen tables take along what a dump of the whole database
// has on them, and nothing else.
func TestBelongings(t *testing.T) {
	for _, major := range []int{13, 15, 18} {
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			target := oracle.Database(t, oracle.Server(t, major), parted)
			if major >= 15 {
				oracle.Exec(t, target, `CREATE PUBLICATION narrow FOR TABLE app.tasks (id, title) WHERE (id > 1); CREATE PUBLICATION schemas FOR TABLES IN SCHEMA app`)
			}
			statements := func(opts *pgschema.Options) (all []string) {
				s, err := read(t, target, opts)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range s.Entries {
					all = append(all, fmt.Sprint(e, " ", e.Owner, " ", e.Defn))
				}
				return all
			}
			whole := statements(nil)
			if !slices.Equal(statements(&pgschema.Options{Belongings: true}), whole) {
				t.Error("a dump of everything is not the same with belongings")
			}
			stock := statements(&pgschema.Options{Tables: []string{"app.tasks"}})
			var want []string
			for _, text := range whole {
				belongs := strings.HasPrefix(text, "STATISTICS ") || strings.HasPrefix(text, "COMMENT app.STATISTICS ") ||
					strings.HasPrefix(text, "PUBLICATION TABLE app.")
				if belongs || slices.Contains(stock, text) {
					want = append(want, text)
				}
			}
			if n := map[bool]int{false: 4, true: 5}[major >= 15]; len(want) != len(stock)+n {
				t.Fatalf("%d statements belong to the table, want %d: %q", len(want)-len(stock), n, want)
			}
			opts := &pgschema.Options{Tables: []string{"app.tasks"}, Belongings: true}
			if got := statements(opts); !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			s, err := read(t, target, opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []pgschema.Prerequisite{
				{Kind: "PUBLICATION", Name: "all_of_it", NeededBy: "PUBLICATION TABLE app.tasks"},
				{Kind: "SCHEMA", Name: "auth", NeededBy: "STATISTICS auth.elsewhere"},
			} {
				if !slices.Contains(s.Prerequisites, want) {
					t.Errorf("prerequisites %+v: want %+v", s.Prerequisites, want)
				}
			}
		})
	}
}

// TestUnsupported: what cannot be reproduced is refused by name, and left out
// when it is excluded by that name.
func TestUnsupported(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), `CREATE SUBSCRIPTION one CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)`,
		`CREATE SUBSCRIPTION two CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false, slot_name = NONE)`)
	// A database with a subscription cannot be dropped.
	defer oracle.Exec(t, target, `ALTER SUBSCRIPTION one SET (slot_name = NONE)`, `DROP SUBSCRIPTION one`, `DROP SUBSCRIPTION two`)
	_, err := read(t, target, nil)
	refused := (*pgschema.UnsupportedError)(nil)
	if want := []string{"SUBSCRIPTION one", "SUBSCRIPTION two"}; !errors.As(err, &refused) || !slices.Equal(refused.Objects, want) {
		t.Fatalf("%v: want %q refused", err, want)
	}
	s, err := read(t, target, &pgschema.Options{ExcludeObjects: append(refused.Objects, "SUBSCRIPTION three")})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Excluded) != 2 || s.Excluded[0].Name != "one" || s.Excluded[0].UserData || len(s.Warnings) != 1 {
		t.Errorf("excluded %+v, warnings %q", s.Excluded, s.Warnings)
	}
}
