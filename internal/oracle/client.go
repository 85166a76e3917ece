package oracle

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// ClientsVariable names the environment variable that lists folders with stock
// clients, separated as PATH is.
const ClientsVariable = "PGCOFRE_CLIENTS"

// Tools are the stock clients of one major.
type Tools struct {
	PgDump, PgRestore, Psql string // paths of the programs
	Major                   int
}

// Client returns the stock clients of exactly that major (0: the newest found).
// They are looked for in [ClientsVariable], then where servers are.
func Client(t testing.TB, major int) Tools {
	t.Helper()
	var best Tools
	for _, tools := range clients() {
		if tools.Major == major {
			return tools
		}
		if major == 0 && tools.Major > best.Major {
			best = tools
		}
	}
	if best.Major == 0 {
		name := "postgresql-client"
		if major != 0 {
			name += "-" + strconv.Itoa(major)
		}
		Missing(t, "no pg_dump, pg_restore and psql of major %d (0: any) found; apt-get install %s, or list their bin folder in %s", major, name, ClientsVariable)
	}
	return best
}

// Clients returns the stock clients found, one of each major, in no order.
func Clients() []Tools { return clients() }

var clientVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

var clients = sync.OnceValue(func() []Tools {
	var found []Tools
	seen := map[int]bool{}
	for _, dir := range append(filepath.SplitList(os.Getenv(ClientsVariable)), scratch.Places()...) {
		tools := Tools{
			PgDump:    filepath.Join(dir, "pg_dump"),
			PgRestore: filepath.Join(dir, "pg_restore"),
			Psql:      filepath.Join(dir, "psql"),
		}
		whole := true
		for _, program := range []string{tools.PgDump, tools.PgRestore, tools.Psql} {
			_, err := os.Stat(program)
			whole = whole && err == nil
		}
		if !whole {
			continue
		}
		out, err := exec.Command(tools.PgDump, "-V").Output()
		if m := clientVersion.FindSubmatch(out); err == nil && m != nil {
			tools.Major, _ = strconv.Atoi(string(m[1]))
			if !seen[tools.Major] {
				seen[tools.Major] = true
				found = append(found, tools)
			}
		}
	}
	return found
})

// Run runs a stock client and returns what it printed to its two outputs. It
// fails the test when the program fails.
func Run(t testing.TB, program string, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := Try(t, program, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, stderr)
	}
	return stdout, stderr
}

// Try is [Run] for a program that may fail. The password of a URL among args
// goes to the program by its environment, where other users do not see it.
func Try(t testing.TB, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = os.Environ()
	for i, arg := range cmd.Args {
		option, rest, ok := strings.Cut(arg, "postgresql://")
		if !ok || (option != "" && option != "--dbname=") {
			continue
		}
		u, err := url.Parse("postgresql://" + rest)
		if err != nil {
			return "", "", err
		}
		if password, ok := u.User.Password(); ok {
			u.User = url.User(u.User.Username())
			cmd.Args[i] = option + u.String()
			cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
		}
	}
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// Dump returns the text of pg_dump for a database, cleaned by [Clean].
func Dump(t testing.TB, tools Tools, target string, args ...string) string {
	t.Helper()
	out, _ := Run(t, tools.PgDump, append([]string{"--dbname=" + target}, args...)...)
	return Clean(out)
}

// Script returns the text that pg_restore makes of an archive, cleaned by
// [Clean]. args are further options, such as -C.
func Script(t testing.TB, tools Tools, archive string, args ...string) string {
	t.Helper()
	out, _ := Run(t, tools.PgRestore, append(append([]string{"--file=-"}, args...), archive)...)
	return Clean(out)
}

// Restore restores an archive into a database with pg_restore, and fails the
// test when it prints as much as a warning.
func Restore(t testing.TB, tools Tools, target, archive string, args ...string) {
	t.Helper()
	args = append([]string{"--exit-on-error", "--dbname=" + target}, args...)
	if _, stderr := Run(t, tools.PgRestore, append(args, archive)...); stderr != "" {
		t.Fatalf("pg_restore of %s warned:\n%s", archive, stderr)
	}
}

// header matches what depends on the program and on the moment: versions,
// times, and the random key of \restrict.
var header = regexp.MustCompile(`(?m)^(-- Dumped (from database|by pg_dump) version .*|-- (Started|Completed) on .*|\\(un)?restrict [0-9A-Za-z]{20,}\n?)\n`)

// Clean removes from the text of pg_dump or pg_restore what differs between
// two runs over the same database.
func Clean(script string) string { return header.ReplaceAllString(script, "") }

// excerpt is the line of a text that an error of the server points to.
func excerpt(text string, err error) string {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Position == 0 || len(text) < 400 {
		return text[:min(len(text), 400)]
	}
	runes := []rune(text)
	at := min(int(pgErr.Position)-1, len(runes))
	return string(runes[max(0, at-200):min(len(runes), at+200)])
}

// Difference describes the first lines in which two texts differ, with some of
// what surrounds them; "" for equal texts.
func Difference(want, got string) string {
	if want == got {
		return ""
	}
	w, g := strings.SplitAfter(want, "\n"), strings.SplitAfter(got, "\n")
	at := 0
	for at < len(w) && at < len(g) && w[at] == g[at] {
		at++
	}
	around := func(lines []string) string {
		return strings.Join(lines[min(max(at-3, 0), len(lines)):min(at+8, len(lines))], "")
	}
	return fmt.Sprintf("at line %d\nwant:\n%s\ngot:\n%s", at+1, around(w), around(g))
}
