package pgschema_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// TestSameAsPgDump: pg_restore of our archive prints what pg_dump prints, and
// the archive's entries say the same in the same order, for every database and
// every major that a stock client is found for.
func TestSameAsPgDump(t *testing.T) {
	for _, tools := range oracle.Clients() {
		t.Run(strconv.Itoa(tools.Major), func(t *testing.T) {
			t.Parallel()
			srv := oracle.Server(t, tools.Major)
			for _, b := range oracle.Databases {
				t.Run(b.Name, func(t *testing.T) {
					sameAsPgDump(t, tools, b.Build(t, srv))
				})
			}
		})
	}
}

// sameAsPgDump compares our archive of a database with pg_dump's, and returns
// its folder.
func sameAsPgDump(t *testing.T, tools oracle.Tools, target string) string {
	t.Helper()
	ours := archiveOf(t, target, nil)
	sameText(t, oracle.Script(t, tools, ours, "-C"), oracle.Dump(t, tools, target, "-C"))
	theirs := filepath.Join(t.TempDir(), "theirs")
	oracle.Run(t, tools.PgDump, "-Fd", "-f", theirs, "-d", target)
	sameText(t, entriesOf(t, ours), entriesOf(t, theirs))
	return ours
}

// entriesOf prints an archive's entries without what may differ: dump IDs, and
// texts that the scripts show.
func entriesOf(t *testing.T, dir string) string {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, toc.FileName))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	a, err := toc.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[int]string)
	for _, e := range a.Entries {
		names[e.DumpID] = fmt.Sprintf("%s %q.%q", e.Desc, e.Namespace.S, e.Tag)
	}
	var b strings.Builder
	for _, e := range a.Entries {
		var deps []string
		for _, id := range e.Deps {
			if name, ok := names[id]; ok {
				deps = append(deps, name)
			}
		}
		slices.Sort(deps)
		deps = slices.Compact(deps) // how often something is needed depends on which loop was found first
		fmt.Fprintf(&b, "%s section %d data %v catalog %d drop %q copy %q tablespace %v am %v kind %d owner %v schema %v file %v needs %s\n",
			names[e.DumpID], e.Section, e.HadDumper, e.TableOID, e.Drop, e.Copy, e.Tablespace, e.TableAM, e.RelKind,
			e.Owner, e.Namespace, e.File.Valid, strings.Join(deps, ", "))
	}
	return b.String()
}

// archiveOf writes a database as a directory-format archive, data included,
// and returns its folder.
func archiveOf(t *testing.T, target string, opts *pgschema.Options) string {
	t.Helper()
	conn := snapshot(t, target)
	s, err := pgschema.Read(t.Context(), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ReadSequences(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range s.Tables {
		writeRows(t, conn, dir, d)
	}
	for _, lo := range s.LargeObjects {
		writeLargeObjects(t, conn, dir, lo)
	}
	writeTOC(t, dir, s)
	return dir
}

// snapshot connects and begins the transaction that catalogs are read in.
func snapshot(t *testing.T, target string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgsession.Connect(t.Context(), cfg, pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
		t.Fatal(err)
	}
	return conn
}

func writeTOC(t *testing.T, dir string, s *pgschema.Schema) {
	t.Helper()
	a := &toc.Archive{
		Version: toc.V1_14, Created: toc.TimeOf(time.Now()), Entries: s.Entries,
		Database: toc.T("source"), ServerVersion: toc.T(strconv.Itoa(s.Version)), DumperVersion: toc.T("test"),
	}
	if s.Version >= 170000 {
		a.Version = toc.V1_16
	}
	var b bytes.Buffer
	if _, err := a.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, toc.FileName, b.Bytes())
}

func writeRows(t *testing.T, conn *pgx.Conn, dir string, d *pgschema.TableData) {
	t.Helper()
	quoted := make([]string, len(d.Columns))
	for i, c := range d.Columns {
		quoted[i] = pgsession.QuoteIdent(c)
	}
	source := pgsession.QuoteIdent(d.Schema, d.Name)
	switch columns := strings.Join(quoted, ", "); {
	case d.Filter != "":
		source = fmt.Sprintf("(SELECT %s FROM ONLY %s %s)", columns, source, d.Filter)
	case columns != "":
		source += " (" + columns + ")"
	}
	var b bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &b, "COPY "+source+" TO STDOUT"); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\\.\n\n\n")
	writeFile(t, dir, d.Entry.File.String(), b.Bytes())
}

func writeLargeObjects(t *testing.T, conn *pgx.Conn, dir string, lo *pgschema.LargeObjects) {
	t.Helper()
	var list bytes.Buffer
	for _, oid := range lo.OIDs {
		var content []byte
		if err := conn.QueryRow(t.Context(), "SELECT pg_catalog.lo_get($1)", oid).Scan(&content); err != nil {
			t.Fatal(err)
		}
		file := fmt.Sprintf("blob_%d.dat", oid)
		fmt.Fprintf(&list, "%d %s\n", oid, file)
		writeFile(t, dir, file, content)
	}
	writeFile(t, dir, lo.Entry.File.String(), list.Bytes())
}

func writeFile(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// sameText fails the test with the first lines that differ.
func sameText(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i < len(g) && i < len(w) && g[i] == w[i] {
			continue
		}
		from := max(0, i-6)
		t.Fatalf("line %d differs\n--- pg_dump\n%s\n--- ours\n%s", i+1,
			strings.Join(w[min(from, len(w)):min(i+8, len(w))], "\n"), strings.Join(g[min(from, len(g)):min(i+8, len(g))], "\n"))
	}
}

// TestRestores: on a major without a stock client of its own, another one
// restores our archive without a warning, and dumps the same from the source
// and from the copy.
func TestRestores(t *testing.T) {
	clients := oracle.Clients()
	for _, major := range oracle.Majors {
		if slices.ContainsFunc(clients, func(c oracle.Tools) bool { return c.Major == major }) {
			continue
		}
		t.Run(strconv.Itoa(major), func(t *testing.T) {
			t.Parallel()
			// pg_restore 17 sets a parameter that older servers lack; pg_dump
			// refuses servers newer than itself.
			restore, dump := oracle.Client(t, 15), oracle.Client(t, 0)
			srv := oracle.Server(t, major)
			for _, b := range oracle.Databases {
				if b.Drifts || b.Name == "many" && os.Getenv("PGCOFRE_LONG") == "" {
					continue // restored by no one to the same, or to nothing new for half a minute
				}
				t.Run(b.Name, func(t *testing.T) {
					source, target := b.Build(t, srv), oracle.Database(t, srv)
					oracle.Restore(t, restore, target, archiveOf(t, source, nil))
					sameText(t, oracle.Dump(t, dump, target), oracle.Dump(t, dump, source))
				})
			}
		})
	}
}
