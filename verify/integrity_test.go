package verify_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/verify"
)

// database is a source without a server: two tables, one of them in two
// objects, two large objects and an export.
type database struct {
	entries  []*toc.Entry
	contents manifest.Contents
	rows     map[string]string // by file
	blobs    map[uint32]string
}

func newDatabase() *database {
	data := func(id, table int, name, file string) *toc.Entry {
		return &toc.Entry{DumpID: id, HadDumper: true, Desc: "TABLE DATA", Section: toc.SectionData, Namespace: toc.T("public"), Tag: name,
			Copy: toc.T("COPY public." + name + ` (id, "Nome") FROM stdin;` + "\n"), Deps: []int{table}, File: toc.T(file)}
	}
	d := &database{
		entries: []*toc.Entry{
			{DumpID: 1, Desc: "TABLE", Section: toc.SectionPreData, Namespace: toc.T("public"), Tag: "a", Defn: toc.T("CREATE TABLE public.a ();\n")},
			{DumpID: 2, Desc: "TABLE", Section: toc.SectionPreData, Namespace: toc.T("public"), Tag: "b", Defn: toc.T("CREATE TABLE public.b ();\n")},
			data(3, 1, "a", "3.dat"), data(4, 2, "b", "4.dat"), data(5, 2, "b", "5.dat"),
			{DumpID: 6, HadDumper: true, Desc: "BLOBS", Section: toc.SectionData, Tag: "BLOBS", File: toc.T("blobs_6.toc")},
		},
		rows:  map[string]string{"3.dat": "1\tum\n2\tdois\n", "4.dat": "3\ttrês\n", "5.dat": "4\t\\N\n5\t\n"},
		blobs: map[uint32]string{16401: "content", 16402: ""},
	}
	for _, t := range []manifest.Table{{Name: "a", Objects: []string{"3.dat"}}, {Name: "b", Objects: []string{"4.dat", "5.dat"}}} {
		var sum codec.Digest
		for _, file := range t.Objects {
			for row := range strings.Lines(d.rows[file]) {
				sum.AddRow([]byte(row[:len(row)-1]))
			}
		}
		t.Schema, t.Kind, t.Columns, t.Rows, t.Digest = "public", "table", []string{"id", "Nome"}, sum.Rows, sum.String()
		d.contents.Tables = append(d.contents.Tables, t)
	}
	var sum codec.Digest
	for oid, content := range d.blobs {
		hash := sha256.Sum256([]byte(content))
		sum.AddRow(proof.BlobRow(oid, hash[:]))
	}
	d.contents.LargeObjects = manifest.LargeObjects{Count: sum.Rows, Digest: sum.String()}
	return d
}

func (d *database) SourceName() string { return "app" }

func (d *database) Backup(ctx context.Context, w *backup.Writer) error {
	if err := w.Begin(manifest.Full); err != nil {
		return err
	}
	objects := map[string]string{"exports/e.csv": "a,b\n", "schema.sql": "-- schema\n"}
	c, err := codec.ParseCompression(w.Compression())
	if err != nil {
		return err
	}
	for name, rows := range d.rows {
		objects[name] = rows + codec.Terminator
	}
	var list strings.Builder
	for oid, content := range d.blobs {
		objects[fmt.Sprintf("blob_%d.dat", oid)] = content
		fmt.Fprintf(&list, "%d blob_%d.dat\n", oid, oid)
	}
	objects["blobs_6.toc"] = list.String()
	contents := d.contents
	contents.Tables = slices.Clone(contents.Tables)
	for i := range contents.Tables {
		t := &contents.Tables[i]
		t.Objects = slices.Clone(t.Objects)
		for j := range t.Objects {
			t.Objects[j] += c.Ext()
		}
	}
	data, err := contents.Encode()
	if err != nil {
		return err
	}
	objects["contents.json"] = string(data)
	var archive bytes.Buffer
	if _, err := (&toc.Archive{Version: toc.V1_16, Entries: d.entries}).WriteTo(&archive); err != nil {
		return err
	}
	objects["toc.dat"] = archive.String()
	for name, content := range objects {
		if _, err := w.Put(ctx, name, func(out io.Writer) error { _, err := io.WriteString(out, content); return err }); err != nil {
			return err
		}
	}
	return nil
}

// backUp takes a set of d.
func backUp(t *testing.T, sink remote.RemoteSink, d *database, compression string) *manifest.Manifest {
	t.Helper()
	m, err := backup.Run(t.Context(), sink, d, &backup.Options{Compression: compression})
	if err != nil {
		t.Fatal(err)
	}
	return m.Manifest
}

func integrity(t *testing.T, sink remote.RemoteSink, m *manifest.Manifest) *verify.Report {
	t.Helper()
	rep, err := (&verify.Verifier{Sink: sink}).Integrity(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func content(t *testing.T, sink remote.RemoteSink, name string) []byte {
	t.Helper()
	r, err := sink.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Every byte of every object counts: one flipped bit, an end one byte too
// early or too late, or a missing object is found, under the object's name.
func TestIntegrityFindsEveryDamage(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip:9", "none"} {
		t.Run(compression, func(t *testing.T) {
			sink := remotetest.NewMem()
			m := backUp(t, sink, newDatabase(), compression)
			if rep := integrity(t, sink, m); !rep.OK() || rep.Tables != 2 || rep.Rows != 5 || rep.LargeObjects != 2 {
				t.Fatalf("undamaged: %+v", rep)
			}
			for _, obj := range m.Objects {
				name := m.ID + "/" + obj.Name
				whole := content(t, sink, name)
				try := func(what string, damaged []byte) {
					if _, err := sink.Put(t.Context(), name, bytes.NewReader(damaged), nil); err != nil {
						t.Fatal(err)
					}
					rep := integrity(t, sink, m)
					if !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool { return f.What == "object "+obj.Name }) {
						t.Errorf("%s, %s: %+v", obj.Name, what, rep.Findings)
					}
				}
				for i := range whole {
					flipped := slices.Clone(whole)
					flipped[i] ^= 1 << (i % 8)
					try(fmt.Sprintf("bit %d of byte %d flipped", i%8, i), flipped)
					try(fmt.Sprintf("cut at %d", i), whole[:i])
				}
				try("a byte more", append(slices.Clone(whole), 0))
				if len(whole) > 0 { // twice nothing is the same
					try("twice", append(slices.Clone(whole), whole...))
				}
				if err := sink.Delete(t.Context(), name); err != nil {
					t.Fatal(err)
				}
				if rep := integrity(t, sink, m); rep.OK() {
					t.Errorf("%s is missing: no finding", obj.Name)
				}
				if _, err := sink.Put(t.Context(), name, bytes.NewReader(whole), nil); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What is wrong with one object does not keep the others from being read.
func TestIntegrityGoesOn(t *testing.T) {
	sink := remotetest.NewMem()
	m := backUp(t, sink, newDatabase(), "zstd")
	bad := []string{"3.dat.zst", "contents.json.zst", "toc.dat"}
	rep := integrity(t, &remotetest.Faulty{RemoteSink: sink, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if slices.Contains(bad, strings.TrimPrefix(name, m.ID+"/")) {
			return remotetest.FlipBit(r, 9), nil
		}
		return r, nil
	}}, m)
	var found []string
	for _, f := range rep.Findings {
		found = append(found, strings.TrimPrefix(f.What, "object "))
	}
	slices.Sort(found)
	if !slices.Equal(found, bad) {
		t.Errorf("%+v", rep.Findings)
	}
}

// An archive, contents and a manifest that were each written whole but do not
// belong together are found.
func TestIntegrityFindsContradictions(t *testing.T) {
	for want, spoil := range map[string]func(d *database){
		"contents.json has it for table public.a": func(d *database) { d.entries[2].Tag = "b" },
		"contents.json has it for table public.b": func(d *database) { d.entries[3].Namespace = toc.T("other") },
		"loads it again":                   func(d *database) { d.entries[3].File = d.entries[2].File },
		"no entry of the archive loads it": func(d *database) { d.entries = slices.Delete(d.entries, 4, 5) },
		"contents.json does not know of":   func(d *database) { d.contents.Tables = d.contents.Tables[:1] },
		"the manifest does not list it":    func(d *database) { delete(d.rows, "4.dat") },
		"no COPY table FROM stdin":         func(d *database) { d.entries[2].Copy = toc.T("COPY public.a FROM PROGRAM 'id';\n") },
		`which is no COPY`: func(d *database) {
			d.entries[2].Copy = toc.T("COPY public.a FROM PROGRAM $$id$$ WHERE id IS DISTINCT FROM stdin;\n")
		},
		"has 2 rows, but no object":                        func(d *database) { d.contents.Tables[0].Objects = nil },
		"its objects hold 2 rows whose digest is not that": func(d *database) { d.rows["3.dat"] = "1\tum\n2\ttrês\n" },
		"ends before its terminator":                       func(d *database) { d.rows["3.dat"] = "1\tum" },
		"does not end with its terminator":                 func(d *database) { d.rows["3.dat"] = "1\tum\n\\.\n\n\nx" },
		"is not that of the 2 backed up":                   func(d *database) { d.blobs[16402] = "x" },
	} {
		t.Run(want, func(t *testing.T) {
			sink := remotetest.NewMem()
			d := newDatabase()
			spoil(d)
			rep := integrity(t, sink, backUp(t, sink, d, "zstd"))
			if !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool { return strings.Contains(f.Problem, want) }) {
				t.Errorf("%+v", rep.Findings)
			}
		})
	}
}

// A store that fails is an error: it says nothing about the set.
func TestIntegrityOfFailingStore(t *testing.T) {
	for _, compression := range []string{"zstd", "gzip", "none"} {
		sink := remotetest.NewMem()
		m := backUp(t, sink, newDatabase(), compression)
		for _, obj := range m.Objects {
			rep, err := (&verify.Verifier{Sink: &remotetest.Faulty{RemoteSink: sink, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
				if name == m.ID+"/"+obj.Name {
					return remotetest.FailAfter(r, 0, syscall.EIO), nil
				}
				return r, nil
			}}}).Integrity(t.Context(), m)
			if !errors.Is(err, syscall.EIO) {
				t.Errorf("%s: %+v, %v", obj.Name, rep, err)
			}
		}
	}
}

// bomb is what a few kilobytes decompress to, in bytes.
const bomb = 8 << 30

// No object is read beyond what the manifest says of it.
func TestIntegrityOfBombs(t *testing.T) {
	sink := remotetest.NewMem()
	m := backUp(t, sink, newDatabase(), "zstd")
	var packed bytes.Buffer
	w, err := codec.NewWriter(&packed, codec.Compression{})
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 1<<20)
	for range bomb / 64 / len(block) {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	frames := bytes.Repeat(packed.Bytes(), 64)
	for i, obj := range m.Objects {
		if !strings.HasSuffix(obj.Name, ".zst") {
			continue
		}
		if _, err := sink.Put(t.Context(), m.ID+"/"+obj.Name, bytes.NewReader(frames), nil); err != nil {
			t.Fatal(err)
		}
		m.Objects[i].Size = int64(len(frames)) // all but the raw size agrees
		m.Objects[i].SHA256 = fmt.Sprintf("%x", sha256.Sum256(frames))
	}
	rep := integrity(t, sink, m)
	for _, obj := range m.Objects {
		if strings.HasSuffix(obj.Name, ".zst") && !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool {
			return f.What == "object "+obj.Name && strings.Contains(f.Problem, "holds more than")
		}) {
			t.Errorf("%s: %+v", obj.Name, rep.Findings)
		}
	}
	// Again, with contents that admit their size.
	m.Objects[slices.IndexFunc(m.Objects, func(o manifest.Object) bool { return o.Name == "contents.json.zst" })].Raw = bomb
	if rep := integrity(t, sink, m); !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool {
		return f.What == "object contents.json.zst" && strings.Contains(f.Problem, "larger than")
	}) {
		t.Errorf("%+v", rep.Findings)
	}
}
