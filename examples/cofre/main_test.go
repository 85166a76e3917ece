package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cofre": main})
}

const sample = `
	CREATE SCHEMA app;
	CREATE TABLE app.people (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name text NOT NULL);
	INSERT INTO app.people (name) SELECT 'person ' || i FROM generate_series(1, 1000) i;
	CREATE TABLE app.notes (person int REFERENCES app.people, text text);
	INSERT INTO app.notes SELECT i, repeat('note ', i) FROM generate_series(1, 100) i;
	SELECT lo_from_bytea(1002, '\x00ff0a5c')`

// TestScripts runs the program as a shell would. A script has DB, the URL of a
// sample database, NAME; SERVER, that URL without the database; HOST, with the
// port; TARGET, the name of a database that is not there yet; PASSWORD, which
// no output may hold; ODD, what no terminal may get. The server ends with the tests, and all in it.
func TestScripts(t *testing.T) {
	runScripts(t, oracle.Server(t, 0), "testdata")
}

// runScripts runs those in dir, with further variables.
func runScripts(t *testing.T, srv *scratch.Server, dir string, vars ...string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			tb := env.T().(testing.TB)
			db := oracle.Database(tb, srv, sample)
			config, err := pgx.ParseConfig(db)
			if err != nil {
				return err
			}
			host := fmt.Sprintf("%s:%d", config.Host, config.Port)
			env.Setenv("DB", db)
			env.Setenv("NAME", config.Database)
			env.Setenv("HOST", host)
			env.Setenv("SERVER", "postgresql://postgres:"+config.Password+"@"+host)
			env.Setenv("TARGET", config.Database+"_restored")
			env.Setenv("PASSWORD", config.Password)
			env.Setenv("ODD", "\n\x1b[2J")
			env.Setenv("PGSSLMODE", "disable")
			env.Setenv("COFRE_CONFIG", os.DevNull) // not that of this machine
			env.Vars = append(env.Vars, vars...)
			env.Values[theTest{}] = tb
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "sql": sql, "pick": pick, "damage": damage, "json": jsonIs, "store": store, "keys": keys, "tools": tools, "older": older, "locked": locked, "settled": settled, "now": now,
		},
	})
}

// exits CODE PROGRAM ARGS...: the program exits with this code, and tells
// nobody a secret.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	output := ts.ReadFile("stdout") + ts.ReadFile("stderr")
	for _, name := range []string{"PASSWORD", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_KEY"} {
		if secret := ts.Getenv(name); secret != "" && strings.Contains(output, secret) {
			ts.Fatalf("%s was printed", name)
		}
	}
	if secret := regexp.MustCompile(`AGE-SECRET-KEY-(PQ-)?1[A-Z0-9]`).FindString(output); secret != "" {
		ts.Fatalf("an identity was printed")
	}
}

// sql URL STATEMENTS: runs them. With a leading "!" the last one has no rows.
func sql(ts *testscript.TestScript, neg bool, args []string) {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, args[0])
	ts.Check(err)
	defer conn.Close(ctx)
	results, err := conn.PgConn().Exec(ctx, args[1]).ReadAll()
	ts.Check(err)
	rows := results[len(results)-1].Rows
	if neg && len(rows) > 0 {
		ts.Fatalf("%d rows, the first %q", len(rows), rows[0])
	}
	for _, row := range rows {
		fmt.Fprintf(ts.Stdout(), "%s\n", row)
	}
}

// pick VARIABLE PATTERN: sets the variable to the one file that the pattern
// means.
func pick(ts *testscript.TestScript, _ bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[1]))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%s means %q", args[1], found)
	}
	ts.Setenv(args[0], found[0])
}

// damage flip|cut|lose FILE: flips a bit of its middle, cuts off its last byte,
// or removes it.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[1])
	data, err := os.ReadFile(file)
	ts.Check(err)
	switch args[0] {
	case "flip":
		data = slices.Clone(data)
		data[len(data)/2] ^= 1
		ts.Check(os.WriteFile(file, data, 0o600))
	case "cut":
		ts.Check(os.WriteFile(file, data[:len(data)-1], 0o600))
	case "lose":
		ts.Check(os.Remove(file))
	default:
		ts.Fatalf("damage %s", args[0])
	}
}

// json PATH [VALUE]: stdout is one JSON document with something, or this
// value, there; with "!" it has nothing there. A path is of names and indexes,
// between dots.
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	var at any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &at); err != nil {
		ts.Fatalf("stdout is not one JSON document: %v", err)
	}
	for _, step := range strings.Split(args[0], ".") {
		switch v := at.(type) {
		case map[string]any:
			at = v[step]
		case []any:
			at = nil
			if i, err := strconv.Atoi(step); err == nil && i < len(v) {
				at = v[i]
			}
		default:
			at = nil
		}
	}
	if neg != (at == nil) {
		ts.Fatalf("%s is %v", args[0], at)
	}
	if got := fmt.Sprint(at); len(args) > 1 && got != args[1] {
		ts.Fatalf("%s is %s, want %s", args[0], got, args[1])
	}
}

// theTest is the key of a script's testing.TB among its values.
type theTest struct{}
