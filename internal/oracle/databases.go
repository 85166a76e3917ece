package oracle

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

//go:embed databases/*.sql roles.sql extension
var files embed.FS

// Builder is a database that holds every feature of one family of objects.
type Builder struct {
	Name string // of its file in databases, without the suffix
	// Drifts says that stock tools restore a database that differs from this
	// one: its text is not that of the source when dumped again. The file says
	// why.
	Drifts bool
	text   string
}

// Databases are the databases to test with, in order of their names. Together
// they hold all that a backup must reproduce.
var Databases = load()

func load() []Builder {
	entries, err := files.ReadDir("databases")
	if err != nil {
		panic(err) // the folder is embedded
	}
	var all []Builder
	for _, entry := range entries {
		const mark = "\n--@ drifts\n"
		text := embedded("databases/" + entry.Name())
		drifts := strings.Contains(text, mark)
		text = strings.Replace(text, mark, "\n", 1)
		all = append(all, Builder{Name: strings.TrimSuffix(entry.Name(), ".sql"), text: text, Drifts: drifts})
	}
	slices.SortFunc(all, func(a, b Builder) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func embedded(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the names are constants
	}
	return string(text)
}

// SQL is what builds the database on a server of that major: the lines of its
// file that belong there. A line "--@ 15+" says that what follows needs that
// major or a newer one, "--@ ..14" that it needs that one or an older one,
// "--@ 13+" that all have it again.
func (b Builder) SQL(major int) string {
	var sql strings.Builder
	from, to := 0, math.MaxInt
	for line := range strings.Lines(b.text) {
		if mark, ok := strings.CutPrefix(line, "--@ "); ok {
			from, to = b.span(strings.TrimSpace(mark))
		} else if from <= major && major <= to {
			sql.WriteString(line)
		}
	}
	return sql.String()
}

// span is the majors that a mark names.
func (b Builder) span(mark string) (from, to int) {
	var err error
	if last, ok := strings.CutPrefix(mark, ".."); ok {
		to, err = strconv.Atoi(last)
	} else if first, ok := strings.CutSuffix(mark, "+"); ok {
		from, err = strconv.Atoi(first)
		to = math.MaxInt
	} else {
		err = errors.New("neither N+ nor ..N")
	}
	if err != nil {
		panic(fmt.Sprintf("oracle: databases/%s.sql: the mark %q: %v", b.Name, mark, err))
	}
	return from, to
}

// Build creates the database on the server, with the roles that it names, and
// returns its URL. It is dropped when the test ends.
func (b Builder) Build(t testing.TB, srv *scratch.Server) string {
	t.Helper()
	Roles(t, srv)
	conn, err := pgx.ConnectConfig(t.Context(), srv.Config("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for line := range strings.Lines(b.text) {
		if name, ok := strings.CutPrefix(line, "CREATE EXTENSION "); ok {
			name = strings.Trim(strings.TrimRight(strings.Fields(name)[0], ";"), `"`)
			needExtension(t, conn, srv, name)
		}
	}
	return Database(t, srv, b.SQL(srv.Major()))
}

// withRoles are the servers that have the roles.
var withRoles struct {
	sync.Mutex
	servers map[*scratch.Server]bool
}

// Roles creates the roles that [Databases] name, all called regress_pgcofre_*,
// on a server that lacks them. They stay.
func Roles(t testing.TB, srv *scratch.Server) {
	t.Helper()
	withRoles.Lock()
	defer withRoles.Unlock()
	if withRoles.servers[srv] {
		return
	}
	conn, err := pgx.ConnectConfig(t.Context(), srv.Config("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// One text is one transaction: there are all of the roles or none.
	_, err = conn.PgConn().Exec(t.Context(), embedded("roles.sql")).ReadAll()
	if pgErr := (*pgconn.PgError)(nil); err != nil && (!errors.As(err, &pgErr) || pgErr.Code != "42710") {
		t.Fatal(err)
	}
	if withRoles.servers == nil {
		withRoles.servers = map[*scratch.Server]bool{}
	}
	withRoles.servers[srv] = true
}

// testExtension has configuration tables, as no extension of PostgreSQL's own
// has.
const testExtension = "regress_pgcofre"

// needExtension skips the test where the server lacks an extension. That of
// the tests it puts beside the server's own, if it may.
func needExtension(t testing.TB, conn *pgx.Conn, srv *scratch.Server, name string) {
	t.Helper()
	if name == testExtension {
		installExtension(t, conn)
	}
	var there bool
	if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)", name).Scan(&there); err != nil {
		t.Fatal(err)
	}
	if !there {
		Missing(t, "the server in %s has no extension %s; Debian, Ubuntu: apt-get install postgresql-%d; Red Hat: dnf install postgresql%d-contrib", srv.BinDir(), name, srv.Major(), srv.Major())
	}
}

// installExtension writes the files of the test extension where the server
// looks for extensions. They stay there: other test programs may be using them.
func installExtension(t testing.TB, conn *pgx.Conn) {
	t.Helper()
	var share string
	if err := conn.QueryRow(t.Context(), "SELECT setting FROM pg_config WHERE name = 'SHAREDIR'").Scan(&share); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(share, "extension")
	for _, name := range []string{testExtension + "--1.0.sql", testExtension + ".control"} {
		want := embedded("extension/" + name)
		path := filepath.Join(dir, name)
		if have, err := os.ReadFile(path); err == nil && string(have) == want {
			continue
		}
		if err := replaceFile(path, want); err != nil {
			Missing(t, "the test extension cannot be put beside the server's: %v; sudo chmod a+w %s", err, dir)
		}
	}
}

// replaceFile writes a file that other processes read at any time.
func replaceFile(path, text string) error {
	file, err := os.CreateTemp(filepath.Dir(path), "pgcofre-*.tmp")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
