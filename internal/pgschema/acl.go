package pgschema

import (
	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// privileges are what an object's or column's ACL says, in aclitem[] output
// form.
type privileges struct {
	column  string  // not quoted; "" for the object itself
	acl     *string // nil: the default
	base    string  // what an object of the kind has by default
	initial *string // what initdb or the extension's script gave it
}

// readPrivileges reads the ACL of everything that has one or was given one at
// its creation (pg_init_privs), of columns too.
func (r *reader) readPrivileges() error {
	r.acls = make(map[catalogID]*privileges)
	r.columns = make(map[uint32][]*privileges)
	rows, err := query[struct {
		Class, OID        uint32
		Public            bool
		Owner             uint32
		ACL, Default, Ini *string
	}](r, "privileges", `
		SELECT o.class, o.oid, o.public, o.owner, o.acl,
		       pg_catalog.acldefault(o.type, o.owner), i.initprivs
		FROM (
			SELECT tableoid AS class, oid, nspname = 'public' AS public, nspowner AS owner, 'n'::"char" AS type, nspacl AS acl
			  FROM pg_catalog.pg_namespace
			UNION ALL
			SELECT tableoid, oid, false, relowner, CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relacl
			  FROM pg_catalog.pg_class
			UNION ALL
			SELECT tableoid, oid, false, proowner, 'f'::"char", proacl FROM pg_catalog.pg_proc
			UNION ALL
			SELECT tableoid, oid, false, typowner, 'T'::"char", typacl FROM pg_catalog.pg_type
			UNION ALL
			SELECT tableoid, oid, false, lanowner, 'l'::"char", lanacl FROM pg_catalog.pg_language
			UNION ALL
			SELECT tableoid, oid, false, fdwowner, 'F'::"char", fdwacl FROM pg_catalog.pg_foreign_data_wrapper
			UNION ALL
			SELECT tableoid, oid, false, srvowner, 'S'::"char", srvacl FROM pg_catalog.pg_foreign_server
		) o LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = o.class AND i.objoid = o.oid AND i.objsubid = 0
		WHERE o.acl IS NOT NULL OR i.initprivs IS NOT NULL OR o.public`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		p := &privileges{acl: row.ACL, initial: row.Ini}
		if row.Default != nil {
			p.base = *row.Default
		}
		if row.Public {
			initial := r.publicPrivileges(row.Owner)
			p.initial = &initial
		}
		r.acls[catalogID{row.Class, row.OID}] = p
	}
	return r.readColumnPrivileges()
}

// publicPrivileges is the ACL that the schema public of a new database has.
// pg_init_privs does not tell: dropping and recreating the schema removes its
// row, and a change of owner does not show there.
func (r *reader) publicPrivileges(owner uint32) string {
	role := aclRoleText(r.roles[owner])
	everyone := "U"
	if r.major < 15 {
		everyone = "UC"
	}
	return "{" + arrayItem(role+"=UC/"+role) + "," + arrayItem("="+everyone+"/"+role) + "}"
}

func (r *reader) readColumnPrivileges() error {
	rows, err := query[struct {
		Rel      uint32
		Column   string
		ACL, Ini *string
	}](r, "privileges on columns", `
		SELECT a.attrelid, a.attname, a.attacl, i.initprivs
		FROM pg_catalog.pg_attribute a
		LEFT JOIN pg_catalog.pg_init_privs i ON i.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
		      AND i.objoid = a.attrelid AND i.objsubid = a.attnum
		WHERE NOT a.attisdropped AND (a.attacl IS NOT NULL OR i.initprivs IS NOT NULL)
		ORDER BY a.attrelid, a.attnum`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r.columns[row.Rel] = append(r.columns[row.Rel],
			&privileges{column: row.Column, acl: row.ACL, base: "{}", initial: row.Ini})
	}
	return nil
}

// acl appends the entry that gives an object its privileges, if they are not
// what it has anyway, and returns the entry's dump ID or 0. typ is the GRANT
// keyword, name what follows the schema in a statement: quoted, with a
// function's arguments.
func (e *emitter) acl(o *object, typ, name, owner string) int {
	p := e.r.acls[o.cat]
	if p == nil || !o.has(compACL) {
		return 0
	}
	return e.privileges(p, aclTarget{typ: typ, schema: o.schema(), name: name, owner: owner}, typ+" "+name, o.id)
}

// relationACL appends the privileges of a table, view or sequence and those
// of its columns. Column privileges depend on the table's, so that a parallel
// restore sets them one after the other.
func (e *emitter) relationACL(o *object, typ, owner string) {
	name := e.r.ident(o.name)
	deps := []int{o.id}
	if id := e.acl(o, typ, name, owner); id != 0 {
		deps = append(deps, id)
	}
	if !o.has(compACL) {
		return
	}
	for _, p := range e.r.columns[o.cat.oid] {
		column := e.r.ident(p.column)
		t := aclTarget{typ: "TABLE", schema: o.schema(), name: name, column: column, owner: owner}
		e.privileges(p, t, "COLUMN "+name+"."+column, deps...)
	}
}

func (e *emitter) privileges(p *privileges, t aclTarget, tag string, deps ...int) int {
	base := p.base
	acl := p.acl
	if p.initial != nil {
		base = *p.initial
		if acl == nil {
			acl = &p.base
		}
	}
	if acl == nil {
		return 0
	}
	sql, err := e.r.aclCommands(t, *acl, base)
	if err != nil {
		e.fail(err)
	}
	if sql == "" {
		return 0
	}
	return e.follow(entryOpts{
		tag: tag, desc: "ACL", section: toc.SectionNone,
		namespace: t.schema, owner: t.owner, defn: sql, deps: deps,
	}).DumpID
}
