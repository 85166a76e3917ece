package backup_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// madeTable is a table as it changes from set to set, of which each can be made
// without a server.
type madeTable struct {
	name, was string
	columns   []string
	key       *manifest.Key // nil: none
	rows      map[string]madeRow
	before    map[string]madeRow // in the parent
	changed   map[string]bool    // written since the parent, or sent again
	whole     bool               // its rows are all stored
	extra     int                // a bucket that is listed without need; -1: none
	lie       func(*manifest.Table)
}

// madeRow is the fields of a row; nil is NULL.
type madeRow [][]byte

// text is COPY's.
func (r madeRow) text() []byte {
	escape := strings.NewReplacer("\\", "\\\\", "\b", "\\b", "\f", "\\f", "\n", "\\n", "\r", "\\r", "\t", "\\t", "\v", "\\v")
	var out []byte
	for i, f := range r {
		if i > 0 {
			out = append(out, '\t')
		}
		if f == nil {
			out = append(out, `\N`...)
		} else {
			out = append(out, escape.Replace(string(f))...)
		}
	}
	return append(out, '\n')
}

func (t *madeTable) geometry() delta.Geometry {
	if t.key == nil {
		return delta.Geometry{Buckets: 1}
	}
	return delta.Geometry{Buckets: t.key.Buckets, Shift: t.key.Shift, Kinds: t.key.Kinds}
}

// keyOf is the fields of a row's key.
func (t *madeTable) keyOf(r madeRow) (key madeRow) {
	for _, name := range t.key.Columns {
		key = append(key, r[slices.Index(t.columns, name)])
	}
	return key
}

func (t *madeTable) bucket(r madeRow) (bucket int, hash uint64) {
	if t.key == nil {
		return 0, 0
	}
	bucket, hash, err := t.geometry().Key(t.keyOf(r))
	if err != nil {
		panic(err)
	}
	return bucket, hash
}

// put stores rows as objects of a few each, and returns the names.
func putRows(ctx context.Context, w *backup.Writer, stem, end string, rows []madeRow, per int) (names []string, d codec.Digest, err error) {
	for i := 0; i < len(rows); i += per {
		var text bytes.Buffer
		out := codec.NewRowWriter(&text, &d)
		for _, r := range rows[i:min(i+per, len(rows))] {
			if _, err := out.Write(r.text()); err != nil {
				return nil, d, err
			}
		}
		out.Close()
		name := stem + end
		if i > 0 {
			name = fmt.Sprintf("%s.%d%s", stem, i, end)
		}
		obj, err := w.Put(ctx, name, func(w io.Writer) error { _, err := w.Write(text.Bytes()); return err })
		if err != nil {
			return nil, d, err
		}
		names = append(names, obj.Name)
	}
	return names, d, nil
}

// describe stores the table, changes alone where that can be, and says so.
func (t *madeTable) store(ctx context.Context, w *backup.Writer, r *rand.Rand, stem string, full bool) (m manifest.Table, err error) {
	m = manifest.Table{Schema: "public", Name: t.name, Kind: "table", Columns: t.columns, Rows: int64(len(t.rows))}
	sorted := slices.Sorted(maps.Keys(t.rows))
	var all, changed, kept []madeRow
	listed := make([]byte, (t.geometry().Buckets+7)/8)
	list := func(bucket int) { listed[bucket/8] |= 1 << (bucket % 8) }
	for _, id := range sorted {
		all = append(all, t.rows[id])
	}
	if full || t.whole {
		var d codec.Digest
		if m.Objects, d, err = putRows(ctx, w, stem, ".dat", all, 1+r.IntN(100)); err == nil && len(all) == 0 {
			m.Objects, d, err = putRows(ctx, w, stem, ".dat", make([]madeRow, 0), 1)
		}
		m.Digest = d.String()
		return m, err
	}
	for id, row := range t.before {
		if _, ok := t.rows[id]; !ok {
			bucket, _ := t.bucket(row)
			list(bucket)
		}
	}
	if t.extra >= 0 {
		list(t.extra)
	}
	m.Delta = &manifest.Delta{}
	if bytes.Trim(listed, "\x00") != nil {
		m.Delta.Listed = listed
	}
	from := r.IntN(t.geometry().Buckets)
	proof := &manifest.TableProof{From: from, To: from + 1 + r.IntN(t.geometry().Buckets-from)}
	var keys, content uint64
	for _, id := range sorted {
		row := t.rows[id]
		bucket, hash := t.bucket(row)
		keys += hash
		if bucket >= proof.From && bucket < proof.To {
			proof.Rows++
			content += delta.Hash(0, delta.RecordText(row))
		}
		if t.changed[id] {
			changed = append(changed, row)
		} else if delta.Bitmap(m.Delta.Listed).Has(bucket) {
			kept = append(kept, t.keyOf(row))
		}
	}
	proof.Sum = fmt.Sprintf("%016x", content)
	m.Proof = proof
	if m.Key = t.key; t.key != nil {
		m.Keys = fmt.Sprintf("%016x", keys)
	}
	if t.was != t.name {
		m.Delta.Was = &manifest.TableName{Schema: "public", Name: t.was}
	}
	var d codec.Digest
	if m.Objects, d, err = putRows(ctx, w, stem, ".dat", changed, 1+r.IntN(100)); err != nil {
		return m, err
	}
	m.Delta.Rows, m.Delta.Digest = d.Rows, d.String()
	names, d, err := putRows(ctx, w, stem, ".keys", kept, len(kept)+1)
	if len(kept) > 0 && err == nil {
		m.Delta.Kept, m.Delta.KeptRows, m.Delta.KeptDigest = names[0], d.Rows, d.String()
	}
	return m, err
}

// madeSource writes a set of made tables.
type madeSource struct {
	tables  []*madeTable
	parent  *manifest.Manifest // nil: a full set
	sums    string             // the set that has those of the first table's state; "": this one
	suspect []string
	random  *rand.Rand
}

func (s *madeSource) SourceName() string { return "made" }

func (s *madeSource) Backup(ctx context.Context, w *backup.Writer) (err error) {
	archive, kind := "toc.dat", manifest.Full
	if s.parent != nil {
		archive, kind = manifest.ArchiveName, manifest.Incremental
		err = w.Begin(kind, s.parent)
	} else {
		err = w.Begin(kind)
	}
	if err != nil {
		return err
	}
	w.Describe(backup.Description{Database: &manifest.Database{Name: "made", Snapshot: "3:3:"}, Suspect: s.suspect})
	c := &manifest.Contents{LargeObjects: manifest.LargeObjects{Count: 1}}
	a := &toc.Archive{ServerVersion: toc.T("15.1")}
	type bucketState struct {
		OID  uint32        `json:"oid"`
		Name string        `json:"name"`
		Key  *manifest.Key `json:"key,omitempty"`
		Sums []byte        `json:"sums,omitempty"`
		In   string        `json:"in,omitempty"`
	}
	state := struct {
		Format int           `json:"format"`
		Tables []bucketState `json:"tables"`
	}{Format: 1}
	for i, t := range s.tables {
		id := 10 * (i + 1)
		a.Entries = append(a.Entries,
			&toc.Entry{DumpID: id, Desc: "TABLE", Section: toc.SectionPreData, Tag: t.name, Namespace: toc.T("public"), Defn: toc.T("CREATE TABLE;\n")},
			&toc.Entry{DumpID: id + 1, Desc: "TABLE DATA", Section: toc.SectionData, Tag: t.name, Namespace: toc.T("public"), HadDumper: true,
				Copy: toc.T("COPY public." + t.name + " (id) FROM stdin;\n"), Deps: []int{id}, File: toc.T(toc.DataFile(id + 1))})
		m, err := t.store(ctx, w, s.random, fmt.Sprint(id+1), s.parent == nil)
		if err != nil {
			return err
		}
		if t.lie != nil {
			t.lie(&m)
		}
		c.Tables = append(c.Tables, m)
		b := bucketState{OID: uint32(i), Name: t.name, Key: t.key}
		if b.In = s.sums; s.sums == "" || i > 0 {
			b.In = ""
			b.Sums, _ = make(delta.Sums, t.geometry().Buckets).AppendBinary(nil)
		}
		state.Tables = append(state.Tables, b)
	}
	a.Entries = append(a.Entries, &toc.Entry{DumpID: 5, Desc: "BLOBS", Section: toc.SectionData, Tag: "BLOBS", HadDumper: true, File: toc.T("blobs.toc")})
	var sum codec.Digest
	sum.AddRow(proof.BlobRow(7, []byte{
		0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
		0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad})) // of abc
	c.LargeObjects.Digest = sum.String()
	c.Exports = []manifest.Export{{Name: "x", SQL: "SELECT 1", Rows: 1}}
	for _, o := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{"blob_7.dat", func(w io.Writer) error { _, err := io.WriteString(w, "abc"); return err }},
		{"blobs.toc", func(w io.Writer) error { _, err := io.WriteString(w, "7 blob_7.dat\n"); return err }},
		{"exports/x.csv", func(w io.Writer) error { _, err := io.WriteString(w, "x\n1\n"); return err }},
		{"schema.sql", func(w io.Writer) error { _, err := io.WriteString(w, "CREATE TABLE;\n"); return err }},
		{"state.json", func(w io.Writer) error { return json.NewEncoder(w).Encode(state) }},
		{archive, func(w io.Writer) error { _, err := a.WriteTo(w); return err }},
		{"contents.json", func(w io.Writer) error {
			b, err := c.Encode()
			if err == nil {
				_, err = w.Write(b)
			}
			return err
		}},
	} {
		obj, err := w.Put(ctx, o.name, o.write)
		if err != nil {
			return err
		}
		if o.name == "exports/x.csv" {
			c.Exports[0].Object = obj.Name
		}
	}
	return nil
}

// madeTables are tables with keys of each kind, at odd places among the columns.
func madeTables() []*madeTable {
	tables := []*madeTable{
		{name: "numbers", columns: []string{"v", "id", "w"}, key: &manifest.Key{Index: "i", Columns: []string{"id"}, Buckets: 16, Shift: 3, Kinds: []string{delta.Integer}}},
		{name: "ids", columns: []string{"id", "v"}, key: &manifest.Key{Index: "i", Columns: []string{"id"}, Buckets: 8, Kinds: []string{delta.UUID}}},
		{name: "words", columns: []string{"b", "v", "a"}, key: &manifest.Key{Index: "i", Columns: []string{"a", "b"}, Buckets: 1, Kinds: []string{delta.Text, delta.Integer}}},
		{name: "keyless", columns: []string{"v"}},
		{name: "empty", columns: []string{"id"}, key: &manifest.Key{Index: "i", Columns: []string{"id"}, Buckets: 1, Kinds: []string{delta.Integer}}},
	}
	for _, t := range tables {
		t.rows, t.extra = map[string]madeRow{}, -1
	}
	return tables
}

// row is a new one of the table.
func (t *madeTable) row(r *rand.Rand, n int) madeRow {
	row := make(madeRow, len(t.columns))
	for i := range row {
		switch r.IntN(5) {
		case 0:
		case 1:
			row[i] = []byte{}
		default:
			row[i] = fmt.Appendf(nil, "%d\t\\ %q,(\n%s", r.Uint32(), "é\v", strings.Repeat("x", r.IntN(50)))
		}
	}
	if t.key == nil {
		return row
	}
	for i, name := range t.key.Columns {
		at := slices.Index(t.columns, name)
		switch t.key.Kinds[i] {
		case delta.Integer:
			row[at] = strconv.AppendInt(nil, int64(n-300), 10)
		case delta.UUID:
			row[at] = fmt.Appendf(nil, "%08x-0000-4000-8000-%012x", n*77, n)
		default:
			row[at] = fmt.Appendf(nil, "\t\\key %d", n)
		}
	}
	return row
}

// step changes the table at random, since the set before.
func (t *madeTable) step(r *rand.Rand) {
	t.before, t.changed, t.was, t.whole, t.extra = maps.Clone(t.rows), map[string]bool{}, t.name, r.IntN(20) == 0, -1
	if t.name == "empty" || r.IntN(3) == 0 {
		t.whole = t.whole && t.name != "empty"
		return
	}
	if t.key == nil {
		t.whole = true
	} else if r.IntN(4) == 0 {
		t.extra = r.IntN(t.key.Buckets)
	}
	for range r.IntN(60) {
		id := fmt.Sprint(r.IntN(600))
		n, _ := strconv.Atoi(id)
		_, there := t.rows[id]
		switch {
		case there && r.IntN(2) == 0:
			delete(t.rows, id)
			delete(t.changed, id)
		case there && r.IntN(4) == 0: // sent again
			t.changed[id] = true
		default:
			t.rows[id], t.changed[id] = t.row(r, n), true
		}
	}
	if r.IntN(30) == 0 {
		clear(t.rows)
		clear(t.changed)
	}
	if r.IntN(10) == 0 {
		t.name += "x"
	}
}

// TestConsolidateMade makes random chains and holds what becomes of them against
// the tables that they were made of, whatever room there is for keys and for
// objects.
func TestConsolidateMade(t *testing.T) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 7))
		sink, tables := remotetest.NewMem(), madeTables()
		for _, m := range tables[:4] {
			for n := range 400 {
				m.rows[fmt.Sprint(n)] = m.row(r, n)
			}
		}
		compression := []string{"zstd", "gzip", "none"}
		var set *manifest.Manifest
		sums := ""
		for i := range 12 {
			if i > 0 {
				for _, m := range tables {
					m.step(r)
				}
			}
			res, err := backup.Run(t.Context(), sink, &madeSource{tables: tables, parent: set, sums: sums, random: r}, &backup.Options{Compression: compression[r.IntN(3)]})
			if err != nil {
				t.Fatal(err)
			}
			if set = res.Manifest; set.Kind == manifest.Full {
				sums = set.ID
			}
			if i == 0 || r.IntN(3) > 0 {
				continue
			}
			opts := &backup.ConsolidateOptions{RangeSize: int64(100 + r.IntN(20000)), Options: backup.Options{Compression: compression[r.IntN(3)], ShrinkLimit: -1}}
			made, err := backup.ConsolidateWithin(t.Context(), sink, set, opts, int64(16<<r.IntN(8)))
			if err != nil {
				t.Fatalf("seed %d, set %d: %v", seed, i, err)
			}
			holds(t, sink, made.Manifest, tables)
			checkState(t, sink, made.Manifest, len(tables))
			if r.IntN(2) == 0 { // the chain goes on from it
				set, sums = made.Manifest, made.ID
			}
		}
	}
}

// texts is the table's rows, in order.
func (t *madeTable) texts() (all []string) {
	for _, r := range t.rows {
		all = append(all, string(r.text()))
	}
	slices.Sort(all)
	return all
}

// rowsIn is the rows that a set has of a table, in order.
func rowsIn(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, table manifest.Table) (all []string) {
	t.Helper()
	for _, name := range table.Objects {
		obj, err := (proof.Set{Manifest: set, Sink: sink}).Open(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(codec.NewRowReader(obj))
		if err != nil {
			t.Fatal(err)
		}
		all = slices.AppendSeq(all, strings.Lines(string(text)))
		obj.Close()
	}
	slices.Sort(all)
	return all
}

// checkState: the state refers to no other set.
func checkState(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, tables int) {
	t.Helper()
	name, ok := proof.Stored(set, "state.json")
	if !ok {
		t.Fatalf("%s has no state", set.ID)
	}
	obj, err := (proof.Set{Manifest: set, Sink: sink}).Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer obj.Close()
	var state struct {
		Tables []struct {
			Sums []byte
			In   string
		}
	}
	if err := json.NewDecoder(obj).Decode(&state); err != nil {
		t.Fatal(err)
	}
	if len(state.Tables) != tables {
		t.Errorf("%d tables in the state, want %d", len(state.Tables), tables)
	}
	for i, s := range state.Tables {
		if len(s.Sums) == 0 || s.In != "" {
			t.Errorf("the state of table %d is %d bytes, in %q", i, len(s.Sums), s.In)
		}
	}
}

// TestConsolidateRefuses: what is not as it was recorded, or not there, fails by
// name and leaves nothing.
func TestConsolidateRefuses(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	type chain struct {
		sink   *remotetest.Mem
		tables []*madeTable
		full   *manifest.Manifest
		point  *manifest.Manifest
		opts   backup.ConsolidateOptions
	}
	for _, c := range []struct {
		name    string
		lie     func(*manifest.Table) // of the point's first table
		suspect bool
		sealed  bool // encrypted
		spoil   func(*chain)
		err     string
	}{
		{name: "rows", lie: func(m *manifest.Table) { m.Rows++ }, err: `table "public"."numbers": the chain gives 400 rows, but there were 401`},
		{name: "keys", lie: func(m *manifest.Table) { m.Keys = "0123456789abcdef" }, err: `table "public"."numbers": the keys`},
		{name: "content", lie: func(m *manifest.Table) { m.Proof = &manifest.TableProof{To: 16, Rows: 400, Sum: "0123456789abcdef"} }, err: `table "public"."numbers": the content`},
		{name: "proven rows", lie: func(m *manifest.Table) { m.Proof.Rows-- }, err: `table "public"."numbers": the content`},
		{name: "digest", lie: func(m *manifest.Table) { m.Digest = "400:0123456789abcdef0123456789abcdef" }, err: `table "public"."numbers": the content`},
		{name: "columns", lie: func(m *manifest.Table) { m.Columns = []string{"v", "id", "other"} }, err: `table "public"."numbers": it has other columns`},
		{name: "key", lie: func(m *manifest.Table) { m.Key.Columns = []string{"nothing"} }, err: `column of its key`},
		{name: "table", lie: func(m *manifest.Table) { m.Delta.Was = &manifest.TableName{Schema: "public", Name: "gone"} }, err: `table "public"."gone": it is not there`},
		{name: "entry", lie: func(m *manifest.Table) {
			m.Delta.Was, m.Name = &manifest.TableName{Schema: "public", Name: m.Name}, "other"
		}, err: `no entry for the rows of table "public"."other"`},
		{name: "suspect", suspect: true, err: "is suspect: it looks odd"},
		{name: "parent", spoil: func(c *chain) { c.sink.Delete(t.Context(), c.full.ID+"/manifest.json") }, err: ", which cannot be used: "},
		{name: "point", spoil: func(c *chain) { c.sink.Delete(t.Context(), c.point.ID+"/manifest.json") }, err: "the sink does not hold it"},
		{name: "object", spoil: func(c *chain) { c.sink.Delete(t.Context(), c.full.ID+"/11.dat.zst") }, err: "is damaged: object 11.dat.zst: it is missing"},
		{name: "state", spoil: func(c *chain) { c.sink.Delete(t.Context(), c.full.ID+"/state.json.zst") }, err: "state.json.zst: it is missing"},
		{name: "identity", sealed: true, spoil: func(c *chain) { c.opts.Identities = nil }, err: "no identity was given"},
		{name: "recipients", sealed: true, spoil: func(c *chain) { c.opts.Recipients = nil }, err: "there are no Options.Recipients"},
		{name: "full", spoil: func(c *chain) { c.point = c.full }, err: "is a full backup"},
		{name: "none", spoil: func(c *chain) { c.point = nil }, err: "it is nil"},
		{name: "purpose", spoil: func(c *chain) { c.opts.Purpose = manifest.Backup }, err: "Purpose"},
		{name: "jobs", spoil: func(c *chain) { c.opts.Jobs = -1 }, err: "Jobs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			x := &chain{sink: remotetest.NewMem(), tables: madeTables()}
			numbers := x.tables[0]
			for n := range 400 {
				numbers.rows[fmt.Sprint(n)] = numbers.row(r, n)
			}
			opts := &backup.Options{}
			if c.sealed {
				opts.Recipients, x.opts.Recipients, x.opts.Identities = []age.Recipient{id.Recipient()}, []age.Recipient{id.Recipient()}, []age.Identity{id}
			}
			take := func(src *madeSource) *manifest.Manifest {
				src.tables, src.random = x.tables, r
				res, err := backup.Run(t.Context(), x.sink, src, opts)
				var suspect *backup.SuspectError
				if err != nil && !errors.As(err, &suspect) {
					t.Fatal(err)
				}
				return res.Manifest
			}
			x.full = take(&madeSource{})
			for _, m := range x.tables {
				m.before, m.changed, m.was = m.rows, map[string]bool{"7": len(m.rows) > 0, "9": len(m.rows) > 0}, m.name
			}
			numbers.lie = c.lie
			src := &madeSource{parent: x.full, sums: x.full.ID}
			if c.suspect {
				src.suspect = []string{"it looks odd"}
			}
			x.point = take(src)
			if c.spoil != nil {
				c.spoil(x)
			}
			before := left(t, x.sink)
			_, err := backup.Consolidate(t.Context(), x.sink, x.point, &x.opts)
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, which does not say %q", err, c.err)
			}
			if after := left(t, x.sink); !slices.Equal(before, after) {
				t.Errorf("%d objects are left, there were %d", len(after), len(before))
			}
		})
	}
}
