package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// extension is an installed extension. Its members are not dumped: CREATE
// EXTENSION makes them again. Only what users granted on them is.
type extension struct {
	object
	schemaName string
	config     []uint32 // its configuration tables
	condition  []string // a WHERE clause for each of config, or ""
	contains   component
}

var _ dumpable = (*extension)(nil)

// readExtensions registers every extension, the built-in plpgsql included.
func (r *reader) readExtensions() error {
	rows, err := query[struct {
		OID                   uint32
		Name, Schema, Version string
		Config                []uint32
		Condition             texts
	}](r, "extensions", `
		SELECT x.oid, x.extname, n.nspname, x.extversion, x.extconfig, x.extcondition
		FROM pg_catalog.pg_extension x
		JOIN pg_catalog.pg_namespace n ON n.oid = x.extnamespace
		ORDER BY x.extname`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		x := &extension{
			object:     object{kind: kindExtension, cat: catalogID{pgExtension, row.OID}, name: row.Name},
			schemaName: row.Schema, config: row.Config, condition: row.Condition,
		}
		r.add(x)
		switch {
		case row.OID < firstNormalOID:
			x.contains = compACL
		case r.filter.everything():
			x.contains = compAll
		}
		x.dump = x.contains
		r.schema.Extensions = append(r.schema.Extensions, Extension{row.Name, row.Schema, row.Version})
	}
	return nil
}

// readExtensionMembers learns which objects belong to an extension, and which
// are to be dropped with one (ALTER ... DEPENDS ON EXTENSION).
func (r *reader) readExtensionMembers() error {
	rows, err := query[struct {
		Class, OID, Extension uint32
		Automatic             bool
	}](r, "extension members", `
		SELECT classid, objid, refobjid, deptype = 'x'
		FROM pg_catalog.pg_depend
		WHERE refclassid = 3079 AND deptype IN ('e', 'x')
		ORDER BY refobjid`)
	if err != nil {
		return err
	}
	r.members = make(map[catalogID]*extension, len(rows))
	r.droppedWith = make(map[catalogID][]*extension)
	for _, row := range rows {
		x := find[*extension](r, pgExtension, row.Extension)
		cat := catalogID{row.Class, row.OID}
		switch {
		case x == nil:
		case row.Automatic:
			r.droppedWith[cat] = append(r.droppedWith[cat], x)
		default:
			r.members[cat] = x
		}
	}
	return nil
}

// isMember reports whether an object belongs to an extension. It then has its
// dump flag and the arrow to the extension, and no further choice matters.
func (r *reader) isMember(o *object) bool {
	x := r.members[o.cat]
	if x == nil {
		return false
	}
	o.extID = x.id
	o.dependOn(x.id)
	o.dump = x.contains & compACL
	return true
}

// dependsOnExtension is the statements that tie an object to the extensions it
// is to be dropped with. keyword and name are what ALTER calls it; the text
// goes behind the object's own statement.
func (r *reader) dependsOnExtension(o *object, keyword, name string) string {
	var b strings.Builder
	for _, x := range r.droppedWith[o.cat] {
		stmt := "ALTER " + keyword + " " + name + " DEPENDS ON EXTENSION " + r.ident(x.name) + ";"
		if r.major < 16 {
			b.WriteString(stmt + "\n")
		} else {
			b.WriteString("\n" + stmt)
		}
	}
	return b.String()
}

func (x *extension) emit(e *emitter) {
	name := e.r.ident(x.name)
	if x.has(compDefinition) {
		e.object(&x.object, entryOpts{
			tag: x.name, desc: "EXTENSION", section: toc.SectionPreData,
			// No version: the target's default one is made.
			defn: "CREATE EXTENSION IF NOT EXISTS " + name + " WITH SCHEMA " + e.r.ident(x.schemaName) + ";\n",
			drop: "DROP EXTENSION " + name + ";\n",
		})
	}
	e.describe(&x.object, "EXTENSION", name, "")
}
