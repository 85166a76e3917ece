package toc_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

const restrictKey = "aKeyThatBothPrint0123456789"

// cases are options of ours and of pg_restore that mean the same.
var cases = []struct {
	args []string
	opts toc.SQLOptions
}{
	{nil, toc.SQLOptions{}},
	{[]string{"-C"}, toc.SQLOptions{Create: true}},
	{[]string{"-C", "-O"}, toc.SQLOptions{Create: true, NoOwner: true}},
	{[]string{"-x"}, toc.SQLOptions{NoPrivileges: true}},
}

// compare holds the script of an archive in dir against that of pg_restore.
func compare(t *testing.T, tools oracle.Tools, a *toc.Archive, dir string) {
	t.Helper()
	for _, c := range cases {
		want, _ := oracle.Run(t, tools.PgRestore, append(slices.Clone(c.args), "-s", "-f", "-", "--restrict-key="+restrictKey, dir)...)
		c.opts.Major, c.opts.RestrictKey = tools.Major, restrictKey
		var got strings.Builder
		if err := toc.WriteSQL(&got, a, &c.opts); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Errorf("pg_restore %d -s %v prints something else:\n%s", tools.Major, c.args, difference(got.String(), want))
		}
	}
}

// difference shows the first line that differs, with those around it.
func difference(got, want string) string {
	g, w := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	around := func(lines []string) string {
		return strings.Join(lines[max(0, min(i-4, len(lines))):min(len(lines), i+4)], "")
	}
	return fmt.Sprintf("line %d\ngot:\n%s\nwant:\n%s", i+1, around(g), around(w))
}

// newestReadable is the archive version that a pg_restore can read.
func newestReadable(major int) toc.Version {
	switch {
	case major < 16:
		return toc.V1_14
	case major < 17:
		return toc.V1_15
	}
	return toc.V1_16
}

func readable(tools oracle.Tools, a *toc.Archive) bool {
	return a.Version.Minor <= newestReadable(tools.Major).Minor
}

func TestWriteSQLOfFixtures(t *testing.T) {
	clients := oracle.Clients()
	if len(clients) == 0 {
		oracle.Client(t, 0) // skips, with the way out
	}
	archives := fixtures(t)
	transcoded := read(t, archives["s18c18.custom.gz"])
	transcoded.Version, transcoded.DumperVersion = toc.V1_15, toc.Text{}
	for i, e := range transcoded.Entries {
		if e.Desc == "TABLE" && i%2 == 0 {
			e.Tablespace, e.Owner = toc.T("Fast disk"), toc.T("new\r\nowner")
		}
	}
	archives["1.15"] = write(t, transcoded)
	archives["1.12"], archives["1.13"] = old(12), old(13)
	for name, content := range archives {
		a := read(t, content)
		for _, tools := range clients {
			if !readable(tools, a) || strings.Contains(name, "statistics") && tools.Major < 18 {
				continue // pg_restore before 18 takes statistics for schema
			}
			t.Run(fmt.Sprint(name, "/", tools.Major), func(t *testing.T) {
				compare(t, tools, a, store(t, a, content))
			})
		}
	}
}

// store writes what pg_restore needs to list an archive, and returns its path.
func store(t *testing.T, a *toc.Archive, content []byte) string {
	path := filepath.Join(t.TempDir(), "archive")
	name := path
	if a.Format == toc.FormatTar {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(path, toc.FileName)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWriteSQLOfServers dumps a database of servers between which the syntax
// changed with every client that can, and compares.
func TestWriteSQLOfServers(t *testing.T) {
	odd, err := os.ReadFile("testdata/odd.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, major := range []int{13, 16, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			target := oracle.Database(t, oracle.Server(t, major), string(odd))
			for _, tools := range oracle.Clients() {
				if tools.Major < major {
					continue
				}
				dir := filepath.Join(t.TempDir(), "dump")
				oracle.Run(t, tools.PgDump, "-Fd", "--no-sync", "-f", dir, target)
				content, err := os.ReadFile(filepath.Join(dir, toc.FileName))
				if err != nil {
					t.Fatal(err)
				}
				a := roundTrip(t, content)
				compare(t, tools, a, dir)
			}
			oracle.Exec(t, target, "DROP SUBSCRIPTION sub") // else the database stays
			keywords(t, target, major)
		})
	}
}

// keywords checks that names which are keywords of the server get quoted.
func keywords(t *testing.T, target string, major int) {
	conn, err := pgx.Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT word, catcode <> 'U' FROM pg_get_keywords()")
	if err != nil {
		t.Fatal(err)
	}
	var word string
	var quoted bool
	_, err = pgx.ForEachRow(rows, []any{&word, &quoted}, func() error {
		want := word
		if quoted {
			want = `"` + word + `"`
		}
		s := toc.NewSession(&toc.Archive{}, &toc.SQLOptions{Major: major})
		got := s.Prepare(&toc.Entry{Tablespace: toc.T(word)})
		if want := "SET default_tablespace = " + want + ";"; len(got) != 1 || got[0] != want {
			t.Errorf("%d: %q, want %q", major, got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestStatementsOfLargeObjects compares the entries that -s leaves out, of which
// pg_restore prints the same statements when it prints all.
func TestStatementsOfLargeObjects(t *testing.T) {
	for _, name := range []string{"s15c15.custom", "s18c18.custom"} {
		content := fixtures(t)[name+".gz"]
		a := read(t, content)
		tools := oracle.Client(t, map[string]int{"s15c15.custom": 15, "s18c18.custom": 18}[name])
		script, _ := oracle.Run(t, tools.PgRestore, "-f", "-", store(t, a, content))
		s := toc.NewSession(a, &toc.SQLOptions{Major: tools.Major})
		var got []string
		for _, pass := range toc.Passes {
			for _, e := range a.Entries {
				if e.Pass() != pass || e.IsSchema() || !e.IsData() || e.HadDumper {
					continue
				}
				statements, err := s.Statements(e)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range statements {
					got = append(got, strings.TrimSpace(text))
				}
			}
		}
		at := 0
		for _, text := range got {
			i := strings.Index(script[at:], text)
			if i < 0 {
				t.Fatalf("%s: pg_restore does not print, at its place, %q", name, text)
			}
			at += i + len(text)
		}
		count := func(text string) int { return strings.Count(text, "LARGE OBJECT") + strings.Count(text, "lo_create") }
		if g, w := count(strings.Join(got, "\n")), count(withoutComments(script)); g != w || g < 6 {
			t.Errorf("%s: %d statements on large objects, pg_restore has %d", name, g, w)
		}
	}
}

func withoutComments(script string) string {
	var b bytes.Buffer
	for line := range strings.Lines(script) {
		if !strings.HasPrefix(line, "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}
