package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// readDependencies adds what pg_depend knows: an arrow from each object to
// what it needs. A dependency of or on a column is one of or on its table.
// Rows of pg_amop and pg_amproc count as their operator family's.
func (r *reader) readDependencies() error {
	rows, err := query[struct {
		Class, OID, RefClass, RefOID uint32
		Internal                     bool
	}](r, "dependencies", `
		SELECT classid, objid, refclassid, refobjid, deptype = 'i'
		FROM pg_catalog.pg_depend
		WHERE deptype NOT IN ('p', 'e')
		UNION ALL
		SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, o.amopfamily, refclassid, refobjid, false
		FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_amop o ON o.oid = d.objid
		WHERE deptype NOT IN ('p', 'e', 'i') AND classid = 'pg_catalog.pg_amop'::pg_catalog.regclass
		  AND NOT (refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND o.amopfamily = refobjid)
		UNION ALL
		SELECT 'pg_catalog.pg_opfamily'::pg_catalog.regclass, p.amprocfamily, refclassid, refobjid, false
		FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_amproc p ON p.oid = d.objid
		WHERE deptype NOT IN ('p', 'e', 'i') AND classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass
		  AND NOT (refclassid = 'pg_catalog.pg_opfamily'::pg_catalog.regclass AND p.amprocfamily = refobjid)
		ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		from, to := r.byCat[catalogID{row.Class, row.OID}], r.byCat[catalogID{row.RefClass, row.RefOID}]
		if from == nil || to == nil {
			continue // TOAST tables and the like
		}
		// A composite type's pg_class row depends on the type, where the order
		// of the dump needs the reverse.
		if row.Internal && from.obj().kind == kindTable && to.obj().kind == kindType {
			from, to = to, from
		}
		from.obj().dependOn(to.obj().id)
	}
	return nil
}

// boundary stands between two sections, so that the sort keeps them apart.
type boundary struct{ object }

func (*boundary) emit(*emitter) {}

// addBoundaries registers the two boundaries and ties every object to the
// section that its entry says it is in.
func (r *reader) addBoundaries() (pre, post *object) {
	objs := r.objs
	first := &boundary{object{kind: kindPreDataBoundary, name: "PRE-DATA BOUNDARY"}}
	second := &boundary{object{kind: kindPostDataBoundary, name: "POST-DATA BOUNDARY"}}
	r.add(first)
	r.add(second)
	pre, post = &first.object, &second.object
	for _, d := range objs {
		if d == nil {
			continue
		}
		o := d.obj()
		switch r.sectionOf(o) {
		case toc.SectionPreData:
			pre.dependOn(o.id)
		case toc.SectionData:
			o.dependOn(pre.id)
			post.dependOn(o.id)
		case toc.SectionPostData:
			o.dependOn(post.id)
		}
	}
	post.dependOn(pre.id)
	return pre, post
}

// sectionOf is where an object belongs; SectionNone when it is part of
// another one's statement.
func (r *reader) sectionOf(o *object) toc.Section {
	switch o.kind {
	case kindTableData, kindSequenceSet, kindLargeObjectData:
		return toc.SectionData
	case kindLargeObject:
		if r.major >= 17 {
			return toc.SectionData
		}
	case kindIndex, kindIndexAttach, kindStatsExt, kindRefreshMatView, kindTrigger, kindEventTrigger,
		kindDefaultACL, kindPolicy, kindPublication, kindPublicationRel, kindPublicationSchema, kindSubscription:
		return toc.SectionPostData
	case kindRule, kindConstraint, kindFKConstraint:
		if o.separate {
			return toc.SectionPostData
		}
		return toc.SectionNone
	}
	return toc.SectionPreData
}

// resolveDependencies gives each entry that has no dependencies of its own
// those of its object. Where an object leads to one that has no entry, what
// that one depends on takes its place.
func (e *emitter) resolveDependencies() {
	emitted := make(map[int]bool, len(e.entries))
	for _, t := range e.entries {
		emitted[t.DumpID] = true
	}
	var walk func(o *object, deps []int) []int
	walk = func(o *object, deps []int) []int {
		if o.kind == kindPreDataBoundary || o.kind == kindPostDataBoundary {
			return deps
		}
		for _, id := range o.deps {
			if emitted[id] {
				deps = append(deps, id)
			} else if d := e.r.byID(id); d != nil {
				deps = walk(d.obj(), deps)
			}
		}
		return deps
	}
	for _, t := range e.entries {
		if len(t.Deps) > 0 {
			continue
		}
		if d := e.r.byID(t.DumpID); d != nil {
			t.Deps = walk(d.obj(), nil)
		}
	}
}
