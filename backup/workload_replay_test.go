package backup_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// replay holds the rows of a chain of sets as far as they were applied, in
// memory and after FORMAT.md alone: what a restore must come to.
type replay struct {
	t      *testing.T
	sink   remote.RemoteSink
	parent string
	tables map[manifest.TableName][]string // lines of COPY text
}

// apply makes of the parent's rows those of the set.
func (p *replay) apply(set *manifest.Manifest) {
	p.t.Helper()
	if set.Kind == manifest.Incremental && set.Parents[0].ID != p.parent {
		p.t.Fatalf("%s builds on %s, not on %s", set.ID, set.Parents[0].ID, p.parent)
	}
	s := proof.Set{Manifest: set, Sink: p.sink}
	contents, err := s.Contents(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	tables := map[manifest.TableName][]string{}
	for _, table := range contents.Tables {
		name := manifest.TableName{Schema: table.Schema, Name: table.Name}
		rows := p.lines(s, table.Objects...)
		if d := table.Delta; d != nil {
			if int64(len(rows)) != d.Rows {
				p.t.Errorf("%s: %v has %d changed rows, %d are recorded", set.ID, name, len(rows), d.Rows)
			}
			was := name
			if d.Was != nil {
				was = *d.Was
			}
			before, ok := p.tables[was]
			if !ok {
				p.t.Fatalf("%s: %v builds on %v, which the parent does not have", set.ID, name, was)
			}
			rows = p.merge(s, table, before, rows)
		}
		if err := check(table, rows); err != nil {
			p.t.Errorf("%s: %v: %v", set.ID, name, err)
		}
		slices.Sort(rows)
		tables[name] = rows
	}
	p.parent, p.tables = set.ID, tables
}

// merge puts the changed rows of a table in the place of older ones.
func (p *replay) merge(s proof.Set, table manifest.Table, before, changed []string) []string {
	p.t.Helper()
	if table.Key == nil || len(table.Delta.Listed) == 0 && len(changed) == 0 {
		return slices.Clone(before)
	}
	replaced, kept := map[string]bool{}, map[string]bool{}
	for _, line := range changed {
		replaced[strings.Join(keyOf(table, line), "\t")] = true
	}
	if table.Delta.Kept != "" {
		for _, line := range p.lines(s, table.Delta.Kept) {
			kept[strings.TrimSuffix(line, "\n")] = true
		}
	}
	if int64(len(kept)) != table.Delta.KeptRows {
		p.t.Errorf("%s has %d kept keys, %d are recorded", table.Name, len(kept), table.Delta.KeptRows)
	}
	rows := slices.Clone(changed)
	for _, line := range before {
		fields := keyOf(table, line)
		key := strings.Join(fields, "\t")
		bucket, _, err := geometry(table).Key(unescaped(fields))
		if err != nil {
			p.t.Fatal(err)
		}
		if !replaced[key] && (kept[key] || !delta.Bitmap(table.Delta.Listed).Has(bucket)) {
			rows = append(rows, line)
		}
	}
	return rows
}

// check holds the rows against what is recorded of them: their number, their
// keys, and the content of some.
func check(table manifest.Table, rows []string) error {
	if table.Kind == "table" && int64(len(rows)) != table.Rows {
		return fmt.Errorf("%d rows, %d are recorded", len(rows), table.Rows)
	}
	if table.Key == nil {
		if table.Proof != nil {
			return prove(table, rows, func(string) bool { return true })
		}
		return nil
	}
	var sum uint64
	buckets := map[string]int{}
	for _, line := range rows {
		bucket, hash, err := geometry(table).Key(unescaped(keyOf(table, line)))
		if err != nil {
			return err
		}
		sum += hash
		buckets[line] = bucket
	}
	if got := fmt.Sprintf("%016x", sum); table.Keys != "" && got != table.Keys {
		return fmt.Errorf("the keys have the sum %s, recorded is %s", got, table.Keys)
	}
	if table.Proof == nil {
		return nil
	}
	return prove(table, rows, func(line string) bool { return table.Proof.From <= buckets[line] && buckets[line] < table.Proof.To })
}

func prove(table manifest.Table, rows []string, chosen func(string) bool) error {
	var sum uint64
	var n int64
	for _, line := range rows {
		if !chosen(line) {
			continue
		}
		var fields [][]byte
		if len(table.Columns) > 0 {
			fields = unescaped(strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
		}
		sum += delta.Hash(0, delta.RecordText(fields))
		n++
	}
	if got := fmt.Sprintf("%016x", sum); got != table.Proof.Sum || n != table.Proof.Rows {
		return fmt.Errorf("%d rows have the sum %s, recorded are %d with %s", n, got, table.Proof.Rows, table.Proof.Sum)
	}
	return nil
}

func geometry(table manifest.Table) delta.Geometry {
	return delta.Geometry{Buckets: table.Key.Buckets, Shift: table.Key.Shift, Kinds: table.Key.Kinds}
}

// keyOf is the fields of a row's key, as they stand in the line.
func keyOf(table manifest.Table, line string) []string {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
	key := make([]string, len(table.Key.Columns))
	for i, column := range table.Key.Columns {
		key[i] = fields[slices.Index(table.Columns, column)]
	}
	return key
}

// unescaped is what the fields of COPY text mean; nil is NULL.
func unescaped(fields []string) [][]byte {
	values := make([][]byte, len(fields))
	for i, f := range fields {
		if f != `\N` {
			values[i] = []byte(copyEscapes.Replace(f))
		}
	}
	return values
}

var copyEscapes = strings.NewReplacer(`\\`, `\`, `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v")

// lines are those of some of the set's objects.
func (p *replay) lines(s proof.Set, objects ...string) (lines []string) {
	p.t.Helper()
	for _, name := range objects {
		obj, err := s.Open(p.t.Context(), name)
		if err != nil {
			p.t.Fatal(err)
		}
		data, err := io.ReadAll(obj)
		obj.Close()
		if err != nil {
			p.t.Fatal(err)
		}
		text, ok := strings.CutSuffix(string(data), "\\.\n\n\n")
		if !ok {
			p.t.Fatalf("%s: %s has no end", s.ID, name)
		}
		lines = slices.AppendSeq(lines, strings.Lines(text))
	}
	return lines
}

// compare holds the rows against those of the database. Rows of an extension's
// tables that it brings itself are not in the set, and rows that are loaded by
// their partitions' root are that root's.
func (p *replay) compare(contents *manifest.Contents, want holdings) {
	p.t.Helper()
	roots := map[string][]string{}
	for _, table := range contents.Tables {
		rows := reordered(table, p.tables[manifest.TableName{Schema: table.Schema, Name: table.Name}])
		name := quoted(table.Schema, table.Name)
		switch {
		case table.Kind != "table" || table.Filter != "":
		case table.Root != nil:
			name = quoted(table.Root.Schema, table.Root.Name)
			roots[name] = append(roots[name], rows...)
		default:
			if d := difference(want[name], rows); d != "" {
				p.t.Errorf("%s: %s %s", p.parent, name, d)
			}
		}
	}
	for name, rows := range roots {
		slices.Sort(rows)
		if d := difference(want[name], rows); d != "" {
			p.t.Errorf("%s: %s %s", p.parent, name, d)
		}
	}
}

// reordered are the rows with the columns in the order of their names, which
// may differ between a partition and its root, or a database and its copy.
func reordered(table manifest.Table, rows []string) []string {
	if slices.IsSorted(table.Columns) {
		return rows
	}
	names := slices.Sorted(slices.Values(table.Columns))
	var lines []string
	for _, line := range rows {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		ordered := make([]string, len(names))
		for i, name := range names {
			ordered[i] = fields[slices.Index(table.Columns, name)]
		}
		lines = append(lines, strings.Join(ordered, "\t")+"\n")
	}
	slices.Sort(lines)
	return lines
}

// quoted is the name as format's %I.%I has it; names here need no quotes.
func quoted(schema, name string) string { return schema + "." + name }
