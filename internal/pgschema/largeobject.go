package pgschema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// maxGroup is how many large objects share an entry since 17
// (pg_dump.c, MAX_BLOBS_PER_ARCHIVE_ENTRY).
const maxGroup = 1000

// largeObjects are large objects with one owner and the same privileges; until
// 16, one large object.
type largeObjects struct {
	object
	owner      string
	privileges *privileges
	oids       []uint32
}

// largeObjectData is the data of one group; until 16, of all large objects.
type largeObjectData struct {
	object
	groups []*largeObjects
}

var (
	_ dumpable = (*largeObjects)(nil)
	_ dumpable = (*largeObjectData)(nil)
)

// readLargeObjects registers large objects, which belong to no schema: a
// choice of schemas or tables leaves them out.
func (r *reader) readLargeObjects() error {
	if !r.filter.everything() {
		return nil
	}
	order := "lomowner, CASE WHEN lomacl IS NOT NULL THEN pg_catalog.format('%s', lomacl) END, oid"
	if r.major < 17 {
		order = "oid"
	}
	rows, err := query[struct {
		OID, Owner uint32
		ACL        *string
		Default    string
	}](r, "large objects", `
		SELECT oid, lomowner, lomacl, pg_catalog.acldefault('L', lomowner)
		FROM pg_catalog.pg_largeobject_metadata
		ORDER BY `+order)
	if err != nil || len(rows) == 0 {
		return err
	}
	var groups []*largeObjects
	var last *largeObjects
	for _, row := range rows {
		owner := r.roles[row.Owner]
		if r.major < 17 || last == nil || len(last.oids) == maxGroup || last.owner != owner || !equalText(last.privileges.acl, row.ACL) {
			last = &largeObjects{owner: owner, privileges: &privileges{acl: row.ACL, base: row.Default}}
			groups = append(groups, last)
		}
		last.oids = append(last.oids, row.OID)
	}
	if r.major < 17 {
		for _, g := range groups {
			r.addLargeObjects(g)
		}
		r.add(&largeObjectData{object{kind: kindLargeObjectData, name: "BLOBS", dump: compAll}, groups})
		return nil
	}
	for _, g := range groups {
		r.addLargeObjects(g)
		data := &largeObjectData{object{kind: kindLargeObjectData, name: g.name, dump: compAll}, []*largeObjects{g}}
		r.add(data)
		data.dependOn(g.id)
	}
	return nil
}

func equalText(a, b *string) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// addLargeObjects registers a group; every member leads to it.
func (r *reader) addLargeObjects(g *largeObjects) {
	first, last := g.oids[0], g.oids[len(g.oids)-1]
	g.object = object{kind: kindLargeObject, cat: catalogID{pgLargeObject, first}, name: fmt.Sprint(first), dump: compAll}
	if first != last {
		g.name = fmt.Sprintf("%d..%d", first, last)
	}
	r.add(g)
	for _, oid := range g.oids[1:] {
		r.byCat[catalogID{pgLargeObject, oid}] = g
	}
}

func (g *largeObjects) emit(e *emitter) {
	if e.r.major < 17 {
		e.object(&g.object, entryOpts{
			tag: g.name, desc: "BLOB", section: toc.SectionPreData, owner: g.owner,
			defn: fmt.Sprintf("SELECT pg_catalog.lo_create('%s');\n", g.name),
			drop: fmt.Sprintf("SELECT pg_catalog.lo_unlink('%s');\n", g.name),
		})
	} else {
		var list strings.Builder
		for _, oid := range g.oids {
			fmt.Fprintf(&list, "%d\n", oid)
		}
		e.object(&g.object, entryOpts{
			tag: g.name, desc: "BLOB METADATA", section: toc.SectionData, owner: g.owner,
			defn: list.String(), drop: "-- dummy",
		})
	}
	for _, oid := range g.oids {
		one := g.object
		one.cat.oid = oid
		e.describe(&one, "LARGE OBJECT", fmt.Sprint(oid), g.owner)
	}
	// The entry of a group states the first one's privileges; its tag tells
	// pg_restore to repeat them for each.
	first := fmt.Sprint(g.oids[0])
	tag := "LARGE OBJECT " + first
	if len(g.oids) > 1 {
		tag = "LARGE OBJECTS " + g.name
	}
	e.privileges(g.privileges, aclTarget{typ: "LARGE OBJECT", name: first, owner: g.owner}, tag, g.id)
}

func (d *largeObjectData) emit(e *emitter) {
	opts := entryOpts{tag: d.name, desc: "BLOBS", section: toc.SectionData, file: "blobs.toc", hadData: true}
	if e.r.major >= 17 {
		opts.owner = d.groups[0].owner
		opts.file = fmt.Sprintf("blobs_%d.toc", d.id)
		opts.deps = slices.Clone(d.deps)
	}
	data := &LargeObjects{Entry: e.object(&d.object, opts)}
	for _, g := range d.groups {
		data.OIDs = append(data.OIDs, g.oids...)
	}
	e.r.schema.LargeObjects = append(e.r.schema.LargeObjects, data)
}
