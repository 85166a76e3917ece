package restore

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// loaded adds up the digests of what was sent to the server, by object.
type loaded struct {
	mu      sync.Mutex
	objects map[string]codec.Digest
}

// graph makes a node of every entry behind the schema: rows, indexes,
// constraints, triggers and the rest, each after what it depends on.
func (a *apply) graph(later map[*toc.Entry]bool) ([]*node, error) {
	a.loaded.objects = map[string]codec.Digest{}
	tables := map[int]bool{}  // dump IDs of tables
	data := map[int][]*node{} // the nodes that load a table, by its dump ID
	size := map[int]int64{}   // bytes of a table's rows, by its dump ID
	byID := map[int]*node{}
	var nodes, others []*node // others load tables that come with an extension
	for i, e := range a.archive.Entries {
		if e.Desc == "TABLE" {
			tables[e.DumpID] = true
		}
		if !later[e] || !a.wanted(e) || a.leaves(e) || e.IsDatabase() {
			continue
		}
		n := &node{order: i}
		run, weight, err := a.step(e)
		if err != nil {
			return nil, err
		}
		n.run, n.weight = run, weight
		if e.Desc == "TABLE DATA" {
			known := false
			for _, id := range e.Deps {
				if tables[id] {
					data[id] = append(data[id], n)
					size[id] += weight
					known = true
				}
			}
			if !known {
				others = append(others, n)
			}
		}
		byID[e.DumpID] = n
		nodes = append(nodes, n)
	}
	for _, n := range nodes {
		e := a.archive.Entries[n.order]
		if e.Desc == "FK CONSTRAINT" { // it may refer to one of them, and names the extension only
			for _, dep := range others {
				n.after(dep)
			}
		}
		for _, id := range e.Deps {
			if dep := byID[id]; dep != nil && dep != n {
				n.after(dep)
			}
			if e.Section != toc.SectionPostData || !tables[id] {
				continue
			}
			for _, dep := range data[id] {
				n.after(dep)
			}
			n.weight = max(n.weight, size[id])
			if e.Desc == "INDEX" {
				n.share = append(n.share, id)
			} else {
				n.alone = append(n.alone, id)
			}
		}
	}
	return nodes, nil
}

// step is what one entry does, and the bytes that it moves.
func (a *apply) step(e *toc.Entry) (run func(context.Context, *worker) error, weight int64, err error) {
	switch e.Desc {
	case "TABLE DATA":
		name, _ := proof.Stored(a.set.Manifest, e.File.String()) // it is there: the plan looked
		obj, _ := a.set.Object(name)
		return func(ctx context.Context, w *worker) error { return w.load(ctx, e, name) }, obj.Raw, nil
	case "BLOBS":
		return func(ctx context.Context, w *worker) error { return w.blobs(ctx, e) }, 0, nil
	}
	return func(ctx context.Context, w *worker) error { return w.entry(ctx, e) }, 0, nil
}

// load sends one object's rows to its table. The stream ends well only when
// the object's checksum was right, so that the server commits nothing else.
func (w *worker) load(ctx context.Context, e *toc.Entry, name string) error {
	obj, err := w.set.Open(ctx, name)
	if err != nil {
		return err
	}
	defer obj.Close()
	rows := codec.NewRowReader(obj)
	sql, err := e.CopyFrom()
	if err != nil {
		return err
	}
	in := &countingReader{r: rows, meter: w.meter}
	tag, err := w.conn.PgConn().CopyFrom(ctx, in, sql)
	if in.err != nil {
		return in.err // why the COPY was given up; the server only repeats it
	}
	if err != nil {
		return entryError(e, sql, err)
	}
	d := rows.Digest()
	if tag.RowsAffected() != d.Rows {
		return &EntryError{Desc: e.Desc, Name: e.Tag, Err: fmt.Errorf("the server took %d rows of %d", tag.RowsAffected(), d.Rows)}
	}
	w.meter.addRows(d.Rows)
	w.loaded.mu.Lock()
	defer w.loaded.mu.Unlock()
	w.loaded.objects[name] = d
	return nil
}

// checkDigests compares what was loaded with what the backup recorded, table
// by table.
func (a *apply) checkDigests() error {
	for _, t := range a.contents.Tables {
		if err := a.checkDigest(t); err != nil {
			return &proof.DamageError{Set: a.Set, Object: strings.Join(t.Objects, ", "), Err: err}
		}
	}
	return nil
}

func (a *apply) checkDigest(t manifest.Table) error {
	want, err := codec.ParseDigest(t.Digest)
	if err != nil {
		return err
	}
	var sum codec.Digest
	for _, name := range t.Objects {
		sum.Merge(a.loaded.objects[name])
	}
	if !sum.Equal(want) {
		return fmt.Errorf("table %s.%s: %d rows were restored whose digest is not that of the %d rows that were backed up",
			t.Schema, t.Name, sum.Rows, want.Rows)
	}
	return nil
}

// countingReader tells the meter of every mebibyte that passes, and keeps the
// error that ended the stream.
type countingReader struct {
	r       io.Reader
	meter   *meter
	pending int64
	err     error // of r, but io.EOF
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && err != io.EOF {
		c.err = err
	}
	if c.pending += int64(n); c.pending >= 1<<20 || err != nil {
		c.meter.add(c.pending)
		c.pending = 0
	}
	return n, err
}
