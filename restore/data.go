package restore

import (
	"context"
	"fmt"
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
	objects map[manifest.Ref]codec.Digest
}

// sum is the digest of some objects of a set.
func (l *loaded) sum(s proof.Set, objects []string) (sum codec.Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range objects {
		sum.Merge(l.objects[manifest.Ref{Set: s.ID, Object: name}])
	}
	return sum
}

// plot makes a graph of the entries behind the schema.
type plot struct {
	nodes  []*node
	byID   map[int]*node        // by dump ID; of several nodes the last
	tables map[int]bool         // dump IDs of tables
	data   map[int][]*node      // the nodes that load a table, by its dump ID
	size   map[int]int64        // bytes of a table's rows, by its dump ID
	others []*node              // load tables that come with an extension
	late   map[object]*late     // by the key that they need, as its entry may be named
	early  map[*toc.Entry]*late // by that entry
}

// graph makes a node of every entry behind the schema: rows, indexes,
// constraints, triggers and the rest, each after what it depends on.
func (a *apply) graph(later map[*toc.Entry]bool) []*node {
	a.loaded.objects = map[manifest.Ref]codec.Digest{}
	g := &plot{byID: map[int]*node{}, tables: map[int]bool{}, data: map[int][]*node{}, size: map[int]int64{},
		late: map[object]*late{}, early: map[*toc.Entry]*late{}}
	for i, e := range a.archive.Entries {
		if e.Desc == "TABLE" {
			g.tables[e.DumpID] = true
		}
		if !later[e] || !a.wanted(e) || a.leaves(e) || e.IsDatabase() {
			continue
		}
		n := &node{order: i}
		if l := a.layers(e); l != nil {
			n = a.plotLayers(g, e, l, i)
		} else {
			n.run, n.weight = a.step(e)
		}
		if e.Desc == "TABLE DATA" {
			g.load(e, n)
		}
		if t := g.late[entryName(e)]; t != nil {
			g.early[e] = t
		}
		g.byID[e.DumpID] = n
		g.nodes = append(g.nodes, n)
	}
	g.hurry()
	for _, n := range g.nodes {
		g.connect(n, a.archive.Entries[n.order])
	}
	return g.nodes
}

// load notes which table a node loads.
func (g *plot) load(e *toc.Entry, n *node) {
	known := false
	for _, id := range e.Deps {
		if g.tables[id] {
			g.data[id] = append(g.data[id], n)
			g.size[id] += n.weight
			known = true
		}
	}
	if !known {
		g.others = append(g.others, n)
	}
}

// connect makes a node wait for what its entry depends on.
func (g *plot) connect(n *node, e *toc.Entry) {
	if e.Desc == "FK CONSTRAINT" { // it may refer to one of them, and names the extension only
		for _, dep := range g.others {
			n.after(dep)
		}
	}
	for _, id := range e.Deps {
		if dep := g.byID[id]; dep != nil && dep != n {
			n.after(dep)
		}
		if e.Section != toc.SectionPostData || !g.tables[id] {
			continue
		}
		loads := g.data[id]
		if l := g.early[e]; l != nil {
			loads = l.base
		}
		for _, dep := range loads {
			n.after(dep)
		}
		n.weight = max(n.weight, g.size[id])
		if e.Desc == "INDEX" {
			n.share = append(n.share, id)
		} else {
			n.alone = append(n.alone, id)
		}
	}
}

// step is what one entry does, and the bytes that it moves.
func (a *apply) step(e *toc.Entry) (run func(context.Context, *worker) error, weight int64) {
	switch e.Desc {
	case "TABLE DATA":
		name, _ := proof.Stored(a.set.Manifest, e.File.String()) // it is there: the plan looked
		obj, _ := a.set.Object(name)
		return func(ctx context.Context, w *worker) error {
			rows, err := w.load(ctx, e, a.set, name)
			w.meter.addRows(rows)
			return err
		}, obj.Raw
	case "BLOBS":
		return func(ctx context.Context, w *worker) error { return w.blobs(ctx, e) }, 0
	}
	return func(ctx context.Context, w *worker) error { return w.entry(ctx, e) }, 0
}

// load sends one object's rows to the table of an entry.
func (w *worker) load(ctx context.Context, e *toc.Entry, s proof.Set, name string) (rows int64, err error) {
	sql, err := e.CopyFrom()
	if err != nil {
		return 0, err
	}
	d, err := feed{w.conn, w.meter, e}.rows(ctx, s, name, sql, nil)
	if err != nil {
		return 0, err
	}
	w.loaded.mu.Lock()
	defer w.loaded.mu.Unlock()
	w.loaded.objects[manifest.Ref{Set: s.ID, Object: name}] = d
	return d.Rows, nil
}

// checkDigests compares what was loaded with what the backup recorded, table
// by table. Those in layers were proven when they were loaded.
func (a *apply) checkDigests() error {
	for _, t := range a.contents.Tables {
		if t.Delta != nil {
			continue
		}
		if err := checkDigest(a.set, t, a.loaded.sum(a.set, t.Objects)); err != nil {
			return err
		}
	}
	return nil
}

// checkDigest compares what was loaded of a table with what its set recorded.
func checkDigest(s proof.Set, t manifest.Table, got codec.Digest) error {
	want, err := codec.ParseDigest(t.Digest)
	if err == nil && !got.Equal(want) {
		err = fmt.Errorf("table %s.%s: %d rows were restored whose digest is not that of the %d rows that were backed up",
			t.Schema, t.Name, got.Rows, want.Rows)
	}
	if err != nil {
		return &proof.DamageError{Set: s.ID, Object: strings.Join(t.Objects, ", "), Err: err}
	}
	return nil
}
