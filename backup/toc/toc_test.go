package toc_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// fixtures are archives that pg_dump wrote of testdata/odd.sql, by file name:
// sNNcMM is of server NN by client MM; toc.dat of a directory, or a custom file.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.gz")
	if err != nil || len(names) < 6 {
		t.Fatal("fixtures are missing", err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		z, err := gzip.NewReader(f)
		if err != nil {
			t.Fatal(err)
		}
		if all[filepath.Base(name)], err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func read(t testing.TB, content []byte) *toc.Archive {
	t.Helper()
	a, err := toc.Read(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// roundTrip fails unless what was read is written as it was, and returns it.
// Data may follow in a custom file.
func roundTrip(t testing.TB, content []byte) *toc.Archive {
	t.Helper()
	a := read(t, content)
	out := write(t, a)
	if a.Format == toc.FormatCustom {
		content = content[:min(len(out), len(content))]
	}
	if !bytes.Equal(out, content) {
		t.Fatal("writing what was read gives other bytes")
	}
	return a
}

func write(t testing.TB, a *toc.Archive) []byte {
	t.Helper()
	var out bytes.Buffer
	n, err := a.WriteTo(&out)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(out.Len()) {
		t.Fatalf("WriteTo returned %d for %d bytes", n, out.Len())
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	versions := map[toc.Version]bool{}
	for name, content := range fixtures(t) {
		a := roundTrip(t, content)
		versions[a.Version] = true
		if a.Database.S != "toc odd" || len(a.Entries) < 80 {
			t.Errorf("%s: database %q of %d entries", name, a.Database, len(a.Entries))
		}
		for id, e := range a.Index() {
			if a.Entry(id) != e {
				t.Errorf("%s: Entry(%d) is not %v", name, id, e)
			}
			if hasFile := e.File.Valid || e.Offset.State == toc.OffsetSet; hasFile != e.HadDumper && e.Desc != "STATISTICS DATA" {
				t.Errorf("%s: %v: has data %v, has file %v", name, e, e.HadDumper, hasFile)
			}
		}
		if _, err := toc.Read(iotest.OneByteReader(bytes.NewReader(content))); err != nil {
			t.Errorf("%s: byte by byte: %v", name, err)
		}
	}
	if !versions[toc.V1_14] || !versions[toc.V1_16] {
		t.Errorf("only versions %v are tested", versions)
	}
}

// TestTranscode writes an archive in every version and with every default.
func TestTranscode(t *testing.T) {
	original := read(t, fixtures(t)["s18c18.custom.gz"])
	for _, version := range []toc.Version{{}, toc.V1_14, toc.V1_15, toc.V1_16} {
		a := *original
		a.Version, a.IntSize, a.OffSize, a.Compression = version, 0, 0, toc.CompressGzip
		b := roundTrip(t, write(t, &a))
		if version == toc.V1_16 {
			b.IntSize, b.OffSize = 0, 0
			if !reflect.DeepEqual(&a, b) {
				t.Errorf("%v: reads as something else", version)
			}
		}
		if b.Compression != toc.CompressGzip || b.Level != map[bool]int{true: -1}[version.Minor < 15] {
			t.Errorf("%v: compression %v level %d", version, b.Compression, b.Level)
		}
		a.IntSize, a.OffSize = 8, 4
		roundTrip(t, write(t, &a))
	}
}

func TestNullIsNotEmpty(t *testing.T) {
	for _, text := range []toc.Text{{}, toc.T(""), toc.T("x"), toc.T(strings.Repeat("long", 100_000))} {
		e := &toc.Entry{DumpID: 1, Desc: "TABLE", Section: toc.SectionPreData, Defn: text, Drop: text, Copy: text,
			Namespace: text, Tablespace: text, TableAM: text, Owner: text}
		a := &toc.Archive{Version: toc.V1_16, IntSize: 4, OffSize: 8, Format: toc.FormatTar,
			Database: text, ServerVersion: text, DumperVersion: text, Entries: []*toc.Entry{e}}
		if b := roundTrip(t, write(t, a)); !reflect.DeepEqual(a, b) {
			t.Errorf("%.10q %v reads as something else", text.S, text.Valid)
		}
	}
}

// TestTruncated cuts an archive at every length.
func TestTruncated(t *testing.T) {
	whole := write(t, &toc.Archive{Database: toc.T("db"), Entries: []*toc.Entry{
		{DumpID: 7, Desc: "TABLE", Tag: "a", Section: toc.SectionPreData, Deps: []int{3, 12}, File: toc.T("7.dat")}}})
	for n := range whole {
		if _, err := toc.Read(bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	broken := errors.New("the disk is gone")
	if _, err := toc.Read(io.MultiReader(bytes.NewReader(whole), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error at the end is lost: %v", err)
	}
	if _, err := toc.Read(bytes.NewReader(append(whole, 0))); err == nil {
		t.Error("bytes after the end are not seen")
	}
}

// number is an integer of the archive; str a string.
func number(v int) string {
	sign := byte(0)
	if v < 0 {
		sign, v = 1, -v
	}
	return string([]byte{sign, byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)})
}

func str(s string) string { return number(len(s)) + s }

const null = "\x01\x01\x00\x00\x00"

// head is a header up to the number of entries.
func head(minor byte) string {
	compression := number(0)
	if minor >= 15 {
		compression = "\x00"
	}
	return "PGDMP\x01" + string(minor) + "\x00\x04\x08\x03" + compression +
		number(1) + number(2) + number(3) + number(4) + number(5) + number(126) + number(0) + str("db") + str("9.6") + null
}

func TestHostile(t *testing.T) {
	entry := func(desc, oid, dep, file string) string {
		return head(14) + number(1) + number(9) + number(0) + str("1259") + str(oid) + str("tag") + str(desc) +
			number(2) + null + null + null + null + null + null + null + str("false") + dep + null + file
	}
	good := entry("TABLE", "1", str("4"), str(""))
	if _, err := toc.Read(strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, content, want string }{
		{"another file", "SQLite format 3", "not a PostgreSQL archive"},
		{"older", "PGDMP\x01\x0b\x00\x04\x08\x03", "older than 1.12"},
		{"format", "PGDMP\x01\x0e\x00\x04\x08\x09", "unknown archive format 9"},
		{"integers", "PGDMP\x01\x0e\x00\x20\x08\x03", "integers of 32 bytes"},
		{"compression", "PGDMP\x01\x0f\x00\x04\x08\x03\x07", "unknown compression 7"},
		{"billions of entries", head(14) + number(math.MaxInt32), "entry 1 of 2147483647"},
		{"negative count", head(14) + number(-3), "number of entries: -3"},
		{"huge string", head(14) + number(1) + number(9) + number(0) + number(math.MaxInt32) + "a few bytes", "catalog OID of 2147483647 bytes"},
		{"negative string", head(14) + number(1) + number(9) + number(0) + number(-2), "length -2"},
		{"huge integer", head(14) + "\x00\xff\xff\xff\xff", "out of range"},
		{"negative zero", head(14) + "\x01\x00\x00\x00\x00", "damaged integer"},
		{"NUL", entry("TAB\x00LE", "1", "", str("")), "NUL byte"},
		{"no desc", entry("", "1", "", str("")), "no desc"},
		{"oid", entry("TABLE", "4294967296", "", str("")), "no object identifier"},
		{"oid spelling", entry("TABLE", "007", "", str("")), "no object identifier"},
		{"dependency text", entry("TABLE", "1", str("4x"), str("")), "no dump ID"},
		{"dependency zero", entry("TABLE", "1", str("0"), str("")), "dependency 0 out of range"},
		{"dependency huge", entry("TABLE", "1", str("2147483648"), str("")), "out of range"},
		{"file outside", entry("TABLE", "1", "", str("../x")), "leaves the archive's folder"},
		{"NULL file", entry("TABLE", "1", "", null), "file name: NULL"},
		{"dump ID", strings.Replace(good, number(9), number(-9), 1), "dump ID out of range"},
		{"section", strings.Replace(good, str("TABLE")+number(2), str("TABLE")+number(5), 1), "unknown section 5"},
		{"data mark", strings.Replace(good, number(9)+number(0), number(9)+number(2), 1), "neither 0 nor 1"},
		{"with oids", strings.Replace(good, str("false"), str("maybe"), 1), "WITH OIDS mark"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, err := toc.Read(strings.NewReader(c.content))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) || a != nil {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: allocates %d bytes", c.name, n)
		}
	}
}

func TestNewerVersion(t *testing.T) {
	for _, v := range []toc.Version{{Major: 1, Minor: 17}, {Major: 2}} {
		_, err := toc.Read(strings.NewReader("PGDMP" + string([]byte{v.Major, v.Minor, 0}) + "whatever follows"))
		var newer *toc.NewerVersionError
		if !errors.As(err, &newer) || newer.Version != v || !strings.Contains(err.Error(), v.String()) {
			t.Errorf("%v: %v", v, err)
		}
	}
}

// old is what pg_dump of PostgreSQL 9.0 to 11 writes: no table access methods, a
// table WITH OIDS, and no search path.
func old(minor byte) []byte {
	entry := func(id int, desc, tag, schema, defn, drop string) string {
		return number(id) + number(0) + str("1259") + str("16384") + str(tag) + str(desc) + number(2) +
			str(defn) + str(drop) + str("") + str(schema) + str("") + str("me") + str("true") + str("4") + null + str("")
	}
	return []byte(head(minor) + number(4) +
		entry(8, "SCHEMA", "app", "", "CREATE SCHEMA app AUTHORIZATION me;\n", "DROP SCHEMA app;\n") +
		entry(9, "TABLE", "a", "public", "CREATE TABLE a ();\n", "DROP TABLE public.a;\n") +
		entry(3, "TYPE", "b", "pg_catalog", "CREATE TYPE b;\n", "DROP TYPE pg_catalog.b;\n") +
		entry(2, "FUNCTION", "f(int)", "new", "CREATE FUNCTION f(int);\n", "DROP FUNCTION new.f(int);\n"))
}

func TestReadOld(t *testing.T) {
	for _, minor := range []byte{12, 13} {
		a := read(t, old(minor))
		e := a.Entry(9)
		if !e.WithOIDs || e.Owner != toc.T("me") || e.TableAM.Valid || e.Deps[0] != 4 || e.File.Valid {
			t.Errorf("1.%d: %+v", minor, e)
		}
		if _, err := a.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), "cannot write archive version 1.") {
			t.Errorf("1.%d: %v", minor, err)
		}
		a.Version = toc.V1_14
		roundTrip(t, write(t, a))
	}
}

func TestWriteRefuses(t *testing.T) {
	entry := func(change func(*toc.Entry)) toc.Archive {
		e := &toc.Entry{DumpID: 1, Desc: "TABLE", Section: toc.SectionPreData}
		change(e)
		return toc.Archive{Entries: []*toc.Entry{{DumpID: 2, Desc: "VIEW", Section: toc.SectionPreData}, e}}
	}
	for want, a := range map[string]toc.Archive{
		"only 1.14 to 1.16":      {Version: toc.Version{Major: 1, Minor: 17}},
		"no other compression":   {Version: toc.V1_14, Compression: toc.CompressZstd},
		"unknown compression":    {Version: toc.V1_16, Compression: 9},
		"unknown archive format": {Format: 5},
		"only 4 and 8":           {IntSize: 2},
		"NUL byte":               {Database: toc.T("a\x00b")},
		"dump ID 2 is taken":     entry(func(e *toc.Entry) { e.DumpID = 2 }),
		"dump ID out of range":   entry(func(e *toc.Entry) { e.DumpID = 0 }),
		"dependency 0":           entry(func(e *toc.Entry) { e.Deps = []int{0} }),
		"unknown section 0":      entry(func(e *toc.Entry) { e.Section = 0 }),
		"no desc":                entry(func(e *toc.Entry) { e.Desc = "" }),
		"relation kind":          entry(func(e *toc.Entry) { e.RelKind = 200 }),
		"leaves the archive":     entry(func(e *toc.Entry) { e.File = toc.T("/etc/passwd") }),
		"TABLE a: ":              entry(func(e *toc.Entry) { e.Tag, e.Defn = "a", toc.T("\x00") }),
	} {
		if _, err := a.WriteTo(io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	full := errors.New("full")
	a := read(t, fixtures(t)["s15c15.toc.dat.gz"])
	if _, err := a.WriteTo(failing{full}); !errors.Is(err, full) {
		t.Errorf("error of the writer is lost: %v", err)
	}
	if err := toc.WriteSQL(failing{full}, a, nil); !errors.Is(err, full) {
		t.Errorf("error of the writer is lost: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestTime(t *testing.T) {
	for _, zone := range []string{"UTC", "America/Sao_Paulo", "Europe/Lisbon"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			oracle.Missing(t, "%v", err)
		}
		want := time.Date(2026, 7, 31, 23, 59, 58, 0, loc)
		if got := toc.TimeOf(want).In(loc); !got.Equal(want) {
			t.Errorf("%v becomes %v", want, got)
		}
	}
}

// FuzzRead: no input makes Read panic or allocate out of proportion, and what
// it takes is written as it was.
func FuzzRead(f *testing.F) {
	for _, content := range fixtures(f) {
		a := read(f, content)
		a.Entries = a.Entries[:6]
		f.Add(write(f, a))
		a = read(f, content)
		a.Entries = append(a.Entries[:1:1], a.Entries[len(a.Entries)-4:]...)
		f.Add(write(f, a))
	}
	f.Add(old(12))
	f.Fuzz(func(t *testing.T, content []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a, err := toc.Read(bytes.NewReader(content))
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20+64*uint64(len(content)) {
			t.Fatalf("%d bytes of input allocate %d", len(content), n)
		}
		if err != nil {
			return
		}
		if a.Version.Minor < toc.V1_14.Minor {
			a.Version = toc.V1_14
			content = write(t, a)
		}
		roundTrip(t, content)
		_ = toc.WriteSQL(io.Discard, a, &toc.SQLOptions{Create: true})
	})
}
