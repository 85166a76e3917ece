package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// namespace is a schema.
type namespace struct {
	object
	owner    string
	public   bool      // initdb makes it: there is nothing to create or drop
	contains component // what of the objects in it is dumped
}

var _ dumpable = (*namespace)(nil)

// readNamespaces registers all schemas, the system's as well, so that every
// object finds its own.
func (r *reader) readNamespaces() error {
	rows, err := query[struct {
		OID   uint32
		Name  string
		Owner uint32
	}](r, "schemas", `SELECT oid, nspname, nspowner FROM pg_catalog.pg_namespace`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		n := &namespace{
			object: object{kind: kindNamespace, cat: catalogID{pgNamespace, row.OID}, name: row.Name},
			owner:  r.roles[row.Owner],
		}
		r.add(n)
		r.selectNamespace(n, row.Owner)
	}
	return nil
}

// selectNamespace decides what of a schema, and of what is in it, is dumped.
// An extension makes its own schema, but what users put there is dumped.
func (r *reader) selectNamespace(n *namespace, owner uint32) {
	usual := compAll
	switch {
	case n.name == "pg_catalog":
		usual = compACL // what users granted on built-in objects
	case strings.HasPrefix(n.name, "pg_"), n.name == "information_schema":
		usual = compNone
	}
	n.contains = r.filter.namespace(n.cat.oid, usual)
	n.dump = n.contains
	if n.name == "public" && r.filter.everything() {
		n.public = true
		if owner == r.publicOwner() {
			n.dump &^= compDefinition
		}
	}
	r.isMember(&n.object)
}

// publicOwner is the role that owns the schema public of a new database: since
// 15 pg_database_owner (src/include/catalog/pg_authid.dat).
func (r *reader) publicOwner() uint32 {
	if r.major < 15 {
		return bootstrapSuperuser
	}
	return 6171
}

// bootstrapSuperuser is the OID of the role that initdb made
// (src/include/catalog/pg_authid.dat).
const bootstrapSuperuser = 10

func (n *namespace) emit(e *emitter) {
	name := e.r.ident(n.name)
	create := "CREATE SCHEMA " + name + ";\n"
	drop := "DROP SCHEMA " + name + ";\n"
	if n.public {
		create = "-- *not* creating schema, since initdb creates it\n"
		drop = "-- *not* dropping schema, since initdb creates it\n"
	}
	if n.has(compDefinition) {
		e.object(&n.object, entryOpts{
			tag: n.name, desc: "SCHEMA", section: toc.SectionPreData, owner: n.owner,
			defn: create, drop: drop,
		})
	}
	if n.public {
		e.commentUnless(&n.object, "SCHEMA", name, n.owner, "standard public schema")
	} else {
		e.comment(&n.object, "SCHEMA", name, n.owner)
	}
	e.label(&n.object, "SCHEMA", name, n.owner)
	e.acl(&n.object, "SCHEMA", name, n.owner)
}
