package proof

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// Layers are what the rows of a table are made of where no single set holds them
// all: the rows that an earlier set holds, and what changed since.
type Layers struct {
	manifest.Table         // at the point of the chain's newest set
	Base           Layer   // all rows of then
	Changes        []Layer // each with a Delta that changes something, oldest first
}

// Layer is a table as one set of a chain has it.
type Layer struct {
	Set Set
	manifest.Table
}

// Each calls back with every object that holds rows or keys of the table.
func (l *Layers) Each(object func(s Set, name string)) {
	for _, name := range l.Base.Objects {
		object(l.Base.Set, name)
	}
	for _, c := range l.Changes {
		for _, name := range c.Objects {
			object(c.Set, name)
		}
		if c.Delta.Kept != "" {
			object(c.Set, c.Delta.Kept)
		}
	}
}

// Layers returns those of a table; nil if the chain's newest set holds all of its
// rows.
func (c *Chain) Layers(schema, name string) *Layers {
	if c == nil {
		return nil
	}
	return c.layers[manifest.TableName{Schema: schema, Name: name}]
}

// Read finds out where the rows are of the tables of which the chain's newest
// set, whose contents are given, holds changes alone. It reads the contents of
// the sets before as far back as a table needs it. In the contents given it fills
// in the digests of tables that did not change since they were stored whole. What
// is wrong with a link is a *LinkError, but that no identity opens it an
// *IdentityError.
func (c *Chain) Read(ctx context.Context, contents *manifest.Contents) error {
	newest := contents
	c.layers = map[manifest.TableName]*Layers{}
	open := map[manifest.TableName]*Layers{} // by the name in the set that is looked at
	for _, t := range contents.Tables {
		if t.Delta != nil {
			name := manifest.TableName{Schema: t.Schema, Name: t.Name}
			c.layers[name] = &Layers{Table: t}
			open[name] = c.layers[name]
		}
	}
	for _, s := range slices.Backward(c.Sets) {
		if len(open) == 0 {
			break
		}
		if s.ID != c.asked.ID {
			var err error
			if contents, err = s.Contents(ctx); err != nil {
				return c.Blame(err)
			}
		}
		older, err := descend(s, contents, open)
		if err != nil {
			return c.broken(s.ID, &DamageError{Set: s.ID, Object: manifest.ContentsName, Err: err})
		}
		open = older
	}
	for i, t := range newest.Tables {
		l := c.Layers(t.Schema, t.Name)
		if l == nil {
			continue
		}
		slices.Reverse(l.Changes)
		if len(l.Changes) > 0 {
			continue
		}
		if l.Base.Rows != t.Rows {
			return c.broken(c.asked.ID, &DamageError{Set: c.asked.ID, Object: manifest.ContentsName, Err: fmt.Errorf(
				"table %s.%s: it has %d rows, and %d since %s, though nothing changed", t.Schema, t.Name, t.Rows, l.Base.Rows, l.Base.Set.ID)})
		}
		newest.Tables[i].Digest = l.Base.Digest
	}
	return nil
}

// descend adds what a set has of tables to their layers, and returns those that
// build on the set before it.
func descend(s Set, contents *manifest.Contents, open map[manifest.TableName]*Layers) (map[manifest.TableName]*Layers, error) {
	older := map[manifest.TableName]*Layers{}
	for _, t := range contents.Tables {
		name := manifest.TableName{Schema: t.Schema, Name: t.Name}
		l := open[name]
		if l == nil {
			continue
		}
		delete(open, name)
		if err := l.add(s, t); err != nil {
			return nil, fmt.Errorf("table %s.%s: %w", t.Schema, t.Name, err)
		}
		if t.Delta == nil {
			continue
		}
		if t.Delta.Was != nil {
			name = *t.Delta.Was
		}
		if older[name] != nil {
			return nil, fmt.Errorf("two tables were table %s.%s before", name.Schema, name.Name)
		}
		older[name] = l
	}
	for name := range open {
		return nil, fmt.Errorf("it has no table %s.%s, which a later set has the changes of", name.Schema, name.Name)
	}
	return older, nil
}

// add adds the layer that a set has.
func (l *Layers) add(s Set, t manifest.Table) error {
	switch {
	case !slices.Equal(t.Columns, l.Columns):
		return errors.New("its columns are not those that a later set has changes of")
	case t.Root != nil || t.Filter != "":
		return errors.New("it is loaded in a way in which changes cannot be")
	case t.Delta != nil && s.Kind == manifest.Full:
		return errors.New("a full set holds its changes alone")
	}
	if err := checkStored(s.Manifest, t); err != nil {
		return err
	}
	t.Columns = l.Columns // shared: there may be many layers
	if t.Delta == nil {
		l.Base = Layer{s, t}
		return nil
	}
	if t.Delta.Rows == 0 && len(t.Delta.Listed) == 0 {
		return nil
	}
	if k := l.Key; k == nil || !slices.Equal(t.Key.Columns, k.Columns) || t.Key.Buckets != k.Buckets || t.Key.Shift != k.Shift {
		return errors.New("its key is not that of a later set")
	}
	l.Changes = append(l.Changes, Layer{s, t})
	return nil
}

// checkStored makes sure that a manifest lists what a table's rows and keys are
// in.
func checkStored(m *manifest.Manifest, t manifest.Table) error {
	names := t.Objects
	if t.Delta != nil && t.Delta.Kept != "" {
		names = append(slices.Clip(names), t.Delta.Kept)
	}
	for _, name := range names {
		if _, ok := m.Object(name); !ok {
			return fmt.Errorf("its rows are in %s, which the manifest does not list", name)
		}
	}
	if rows := t.Rows; len(t.Objects) == 0 && (t.Delta == nil && rows > 0 || t.Delta != nil && t.Delta.Rows > 0) {
		return errors.New("it has rows, but no object")
	}
	return nil
}
