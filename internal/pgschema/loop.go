package pgschema

import (
	"errors"
	"slices"
	"strings"
)

// loops finds dependency loops and cuts them where it does no harm: where an
// object can be stated in two steps, or later than usual.
type loops struct {
	r         *reader
	pre, post *object
}

// repair cuts at least one loop among the objects that the sort could not
// place. Loops without a member in common are cut in one go; cutting one of
// two overlapping loops may cut the other.
func (l *loops) repair(stuck []dumpable) error {
	done := make([]bool, l.r.lastID+1)
	failed := make([]int, l.r.lastID+1) // by dump ID: a start that it is known not to lead back to
	repaired := false
	for _, d := range stuck {
		start := d.obj().id
		var path []dumpable
		if l.find(d, start, done, failed, &path) {
			l.cut(path)
			repaired = true
			for _, member := range path {
				done[member.obj().id] = true
			}
		}
		done[start] = true
	}
	if !repaired {
		return errors.New("objects depend on each other in a way that no loop explains")
	}
	return nil
}

// find looks for a way from d back to start that touches no object that is
// done; path is then that loop.
func (l *loops) find(d dumpable, start int, done []bool, failed []int, path *[]dumpable) bool {
	o := d.obj()
	if done[o.id] || failed[o.id] == start || slices.Contains(*path, d) {
		return false
	}
	*path = append(*path, d)
	if slices.Contains(o.deps, start) {
		return true
	}
	for _, id := range o.deps {
		if next := l.r.byID(id); next != nil && l.find(next, start, done, failed, path) {
			return true
		}
	}
	*path = (*path)[:len(*path)-1]
	failed[o.id] = start
	return false
}

// cut breaks one loop, in the first way that fits.
func (l *loops) cut(loop []dumpable) {
	if len(loop) == 1 && loop[0].obj().kind == kindTable {
		// A column that depends on another, or a partition's on the table.
		loop[0].obj().dropDep(loop[0].obj().id)
		return
	}
	cuts := []func([]dumpable) bool{l.cutOuterPart, l.cutBoundary, l.cutTornPart}
	if len(loop) == 2 {
		cuts = []func([]dumpable) bool{l.cutTypeFunction, l.cutPart, l.cutIndex}
	}
	for _, cut := range cuts {
		if cut(loop) {
			return
		}
	}
	names := make([]string, len(loop))
	for i, d := range loop {
		kind, name := l.r.title(d)
		names[i] = kind + " " + name
	}
	l.r.schema.Warnings = append(l.r.schema.Warnings,
		"these objects depend on each other, and one dependency was dropped: "+strings.Join(names, ", "))
	loop[0].obj().dropDep(loop[1%len(loop)].obj().id)
}

// cutTypeFunction: a base or range type and a function that implements it. The
// function then depends on the type's shell.
func (l *loops) cutTypeFunction(loop []dumpable) bool {
	for i, d := range loop {
		t, f := d.obj(), loop[1-i].obj()
		if t.kind != kindType || f.kind != kindFunc {
			continue
		}
		f.dropDep(t.id)
		if s, ok := d.(shelled); ok && s.shell() != nil {
			f.dependOn(s.shell().id)
			if f.dump != compNone {
				s.shell().dump = f.dump | compDefinition
			}
		}
		return true
	}
	return false
}

// cutPart: an object and a part of it, which stays in its statement.
func (l *loops) cutPart(loop []dumpable) bool {
	for i, d := range loop {
		part, whole := d.obj(), loop[1-i].obj()
		if part.of == whole.id {
			part.dropDep(whole.id)
			return true
		}
	}
	return false
}

// cutIndex: a partitioned index and its partition.
func (l *loops) cutIndex(loop []dumpable) bool {
	for i, d := range loop {
		child, ok := d.(interface{ parentOID() uint32 })
		if parent := loop[1-i].obj(); ok && parent.kind == kindIndex && child.parentOID() == parent.cat.oid {
			d.obj().dropDep(parent.id)
			return true
		}
	}
	return false
}

// cutOuterPart: a view and its ON SELECT rule, with more in between. The view
// is first made without a body, the rule behind the data.
func (l *loops) cutOuterPart(loop []dumpable) bool {
	return l.tearPart(loop, kindRule)
}

// cutTornPart: a table or domain and its constraint or default, with more in
// between. The part gets a statement of its own.
func (l *loops) cutTornPart(loop []dumpable) bool {
	return l.tearPart(loop, kindConstraint) || l.tearPart(loop, kindAttrDef)
}

func (l *loops) tearPart(loop []dumpable, k kind) bool {
	for _, w := range loop {
		for _, p := range loop {
			whole, part := w.obj(), p.obj()
			if part.kind != k || part.of != whole.id {
				continue
			}
			if t, ok := w.(*table); ok && k == kindRule {
				if t.relkind != relView {
					continue
				}
				t.dummyView = true
			}
			whole.dropDep(part.id)
			part.separate = true
			part.dependOn(whole.id) // an earlier cut may have dropped it
			if k != kindAttrDef {
				part.dependOn(l.post.id)
			}
			return true
		}
	}
	return false
}

// cutBoundary: a materialized view or function that needs something behind the
// data, an index for its GROUP BY for example. It is moved there too.
func (l *loops) cutBoundary(loop []dumpable) bool {
	at := slices.IndexFunc(loop, func(d dumpable) bool { return d.obj() == l.pre })
	if at < 0 {
		return false
	}
	movable := func(d dumpable) bool {
		t, ok := d.(*table)
		return ok && t.relkind == relMatView || d.obj().kind == kindFunc
	}
	if !slices.ContainsFunc(loop, movable) {
		return false
	}
	next := loop[(at+1)%len(loop)]
	l.pre.dropDep(next.obj().id)
	if movable(next) {
		next.obj().postponed = true
	}
	return true
}
