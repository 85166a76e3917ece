package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// layeredRows is the group of a table whose rows are in several sets. The digest
// of its rows is not known before they are put together.
func (p *TablePlan) layeredRows(l *proof.Layers, base []rowPart) *rowGroup {
	return &rowGroup{Group: &proof.Group{Schema: l.Schema, Name: l.Name, Columns: l.Columns, Want: codec.Digest{Rows: l.Rows}}, parts: base, layers: l}
}

// loader is the entry that loads a table.
func (p *TablePlan) loader(l *proof.Layers) (loader *toc.Entry) {
	l.Each(func(s proof.Set, object string) { loader = p.loaders[manifest.Ref{Set: s.ID, Object: object}] })
	return loader
}

// layer applies the changes to the base's rows of a group, which were loaded,
// proves what comes of it by what the set says, and takes the digest. It needs a
// transaction.
func (a *tableApply) layer(ctx context.Context, g *rowGroup, base codec.Digest, into func(rowPart) (string, error)) error {
	l := g.layers
	if err := checkDigest(l.Base.Set, l.Base.Table, base); err != nil {
		return err
	}
	key, err := pgschema.TableKey(ctx, a.conn, l.Schema, l.Name, l.Key.Index)
	if err != nil {
		return err
	}
	loader := a.loader(l)
	sql, err := into(rowPart{entry: loader, columns: l.Columns})
	if err != nil {
		return err
	}
	rows := l.Table // where they are
	if g.staged != "" {
		rows.Schema, rows.Name, _ = strings.Cut(g.staged, ".")
	}
	table := quoteTable(manifest.TableName{Schema: rows.Schema, Name: rows.Name})
	if g.staged != "" {
		if err := a.exec(ctx, "making an index", "CREATE INDEX ON "+table+" ("+columnList("", l.Key.Columns)+")"); err != nil {
			return err
		}
	}
	c := &changes{feed: feed{a.conn, a.meter, loader}, Layers: l, table: table, copy: sql, key: key}
	if err := c.apply(ctx); err != nil {
		return err
	}
	problem, err := proof.CheckKeyed(ctx, a.conn, rows, key)
	if err == nil && problem != "" {
		err = &proof.DamageError{Set: a.Set, Object: "the rows of table " + g.Table(), Err: fmt.Errorf("they would be others than were backed up: %s", problem)}
	}
	if err != nil {
		return err
	}
	g.Want, err = (&proof.Group{Schema: rows.Schema, Name: rows.Name, Columns: l.Columns}).Live(ctx, a.conn)
	return err
}

// early tells the keys that the changes of a table need which is built anew.
func (a *tableApply) early(e *toc.Entry) bool {
	for _, u := range a.units {
		if u.Action == MergeTable {
			continue
		}
		for _, g := range u.groups {
			if g.layers != nil && slices.Contains(keyEntries(g.layers), entryName(e)) {
				return true
			}
		}
	}
	return false
}
