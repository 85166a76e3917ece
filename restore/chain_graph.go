package restore

import (
	"context"
	"fmt"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// late is a table in the graph whose rows are in several sets. The rows of the
// base are loaded as any others are; the key is built next, for the changes to
// find rows by; the changes follow in one step; and all that waits for the rows
// of a table waits for that.
type late struct {
	base    []*node
	changes *node
}

// plotLayers makes the nodes of an entry whose rows are in several sets, and
// returns the last.
func (a *apply) plotLayers(g *plot, e *toc.Entry, l *proof.Layers, order int) *node {
	t := &late{changes: &node{order: order, run: func(ctx context.Context, w *worker) error { return w.layer(ctx, e, l) }}}
	for _, name := range l.Base.Objects {
		obj, _ := l.Base.Set.Object(name)
		n := &node{order: order, weight: obj.Raw, run: func(ctx context.Context, w *worker) error {
			_, err := w.load(ctx, e, l.Base.Set, name)
			return err
		}}
		t.changes.after(n)
		t.changes.weight += n.weight
		t.base = append(t.base, n)
		g.nodes = append(g.nodes, n)
	}
	for _, c := range l.Changes {
		for _, name := range c.Objects {
			obj, _ := c.Set.Object(name)
			t.changes.weight += obj.Raw
		}
	}
	for _, name := range keyEntries(l) {
		g.late[name] = t
	}
	return t.changes
}

// keyEntries are the names that the entry of a table's key may have: one that
// is a constraint is named after the table as well.
func keyEntries(l *proof.Layers) []object {
	if l.Key == nil {
		return nil
	}
	return []object{{Kind: "CONSTRAINT", Schema: l.Schema, Name: l.Name + " " + l.Key.Index}, {Kind: "INDEX", Schema: l.Schema, Name: l.Key.Index}}
}

// entryName is the name of an entry among those of its kind.
func entryName(e *toc.Entry) object {
	return object{Kind: e.Desc, Schema: e.Namespace.String(), Name: e.Tag}
}

// hurry puts keys before the changes that need them. What needs the key may need
// all rows as well, as a foreign key does: it waits for the changes.
func (g *plot) hurry() {
	for key, t := range g.early {
		t.changes.after(g.byID[key.DumpID])
		g.byID[key.DumpID] = t.changes
	}
}

// layer applies the changes of a table, and proves its rows: what the base's
// objects held, and then what the table holds.
func (w *worker) layer(ctx context.Context, e *toc.Entry, l *proof.Layers) error {
	if err := checkDigest(l.Base.Set, l.Base.Table, w.loaded.sum(l.Base.Set, l.Base.Objects)); err != nil {
		return err
	}
	sql, err := e.CopyFrom()
	if err != nil {
		return err
	}
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if l.Key != nil {
		key, err := pgschema.TableKey(ctx, w.conn, l.Schema, l.Name, l.Key.Index)
		if err != nil {
			return err
		}
		c := &changes{feed: feed{w.conn, w.meter, e}, Layers: l, table: sqlName(e), copy: sql, key: key}
		if err := c.apply(ctx); err != nil {
			return err
		}
	}
	problem, err := proof.CheckRows(ctx, w.conn, l.Table)
	if err == nil && problem != "" {
		err = &proof.DamageError{Set: w.Set, Object: "the rows of table " + sqlName(e), Err: fmt.Errorf("they would be others than were backed up: %s", problem)}
	}
	if err != nil {
		return err
	}
	w.meter.addRows(l.Rows)
	return tx.Commit(ctx)
}

// checkSequences holds the sequences of a restored chain against its newest set.
func (a *apply) checkSequences(ctx context.Context, w *worker) error {
	if a.chain == nil {
		return nil
	}
	for _, s := range a.contents.Sequences {
		last, called, err := proof.Sequence(ctx, w.conn, s.Schema, s.Name)
		if err != nil {
			return err
		}
		if last != s.Last || called != s.Called {
			return &proof.DamageError{Set: a.Set, Object: proof.ArchiveName(a.set.Manifest), Err: fmt.Errorf("sequence %s.%s: its last value is %d (used: %t), that of the backup %d (used: %t)",
				s.Schema, s.Name, last, called, s.Last, s.Called)}
		}
	}
	return nil
}
