package pgschema

import (
	"maps"
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// emitter collects the archive's entries in dump order.
type emitter struct {
	r       *reader
	entries []*toc.Entry
	err     error // the first thing that could not be said
}

// fail keeps the first error: emit methods return none.
func (e *emitter) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// preamble appends the settings under which the rest must be run. pg_restore
// knows these entries by name and reads their text.
func (e *emitter) preamble() {
	for _, p := range []struct{ desc, sql string }{
		{"ENCODING", "SET client_encoding = " + literal(e.r.schema.Settings.ClientEncoding) + ";\n"},
		{"STDSTRINGS", "SET standard_conforming_strings = 'on';\n"},
		{"SEARCHPATH", "SELECT pg_catalog.set_config('search_path', '', false);\n"},
	} {
		e.follow(entryOpts{tag: p.desc, desc: p.desc, section: toc.SectionPreData, defn: p.sql})
	}
}

// entryOpts is what a family says of an entry; "" becomes NULL where the
// archive knows NULL.
type entryOpts struct {
	tag, desc  string
	section    toc.Section
	namespace  string
	tablespace toc.Text // "" is the default tablespace, NULL means that the object has none
	tableAM    string
	relKind    byte
	owner      string
	defn       string
	drop       string
	copy       string
	deps       []int // nil: the object's own dependencies, worked out at the end
	file       string
	hadData    bool // HadDumper: the entry has data
}

// object appends the main entry of an object, under its dump ID.
func (e *emitter) object(o *object, opts entryOpts) *toc.Entry {
	return e.entry(o.id, o.cat, opts)
}

// follow appends an entry that is no object of its own (a comment, an ACL)
// under a new dump ID.
func (e *emitter) follow(opts entryOpts) *toc.Entry {
	return e.entry(e.r.newID(), catalogID{}, opts)
}

func (e *emitter) entry(id int, cat catalogID, opts entryOpts) *toc.Entry {
	t := &toc.Entry{
		DumpID: id, HadDumper: opts.hadData, TableOID: cat.class, OID: cat.oid,
		Tag: opts.tag, Desc: opts.desc, Section: opts.section,
		Defn: text(opts.defn), Drop: text(opts.drop), Copy: text(opts.copy),
		Namespace: text(opts.namespace), Tablespace: opts.tablespace, TableAM: text(opts.tableAM),
		RelKind: opts.relKind, Owner: text(opts.owner), File: text(opts.file),
		Deps: opts.deps,
	}
	e.entries = append(e.entries, t)
	return t
}

func text(s string) toc.Text {
	if s == "" {
		return toc.Text{}
	}
	return toc.T(s)
}

// roles are the names of all roles that the entries own or name, sorted.
func (e *emitter) roles() []string {
	for _, t := range e.entries {
		e.r.useRole(t.Owner.String())
	}
	return slices.Sorted(maps.Keys(e.r.usedRoles))
}
