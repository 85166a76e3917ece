package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// defaultACL is what a role's new objects of one kind get, in one schema or
// anywhere.
type defaultACL struct {
	object
	role      string
	acl, base string // aclitem[] output form
}

var (
	_ dumpable = (*defaultACL)(nil)
	_ tied     = (*defaultACL)(nil)
)

func (d *defaultACL) ties() []string { return []string{d.role} }

// defaultACLTypes are the words for pg_default_acl.defaclobjtype; L came with 18.
var defaultACLTypes = map[string]string{
	"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS", "L": "LARGE OBJECTS",
}

func (r *reader) readDefaultACLs() error {
	// An entry without a schema takes the place of the built-in default, one
	// with a schema can only add.
	rows, err := query[struct {
		OID, Role, Schema uint32
		Type              string
		ACL, Base         string
	}](r, "default privileges", `
		SELECT oid, defaclrole, defaclnamespace, defaclobjtype, defaclacl,
		       CASE WHEN defaclnamespace = 0 THEN pg_catalog.acldefault(
		                CASE defaclobjtype WHEN 'S' THEN 's'::"char" ELSE defaclobjtype END, defaclrole)
		            ELSE '{}' END
		FROM pg_catalog.pg_default_acl ORDER BY oid`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		d := &defaultACL{
			object: object{kind: kindDefaultACL, cat: catalogID{pgDefaultACL, row.OID}, name: row.Type,
				nsp: find[*namespace](r, pgNamespace, row.Schema)},
			role: r.roles[row.Role], acl: row.ACL, base: row.Base,
		}
		r.add(d)
		switch {
		case d.nsp != nil:
			d.dump = d.nsp.contains & compACL
		case r.filter.everything():
			d.dump = compACL
		}
	}
	return nil
}

func (d *defaultACL) emit(e *emitter) {
	if !d.has(compACL) {
		return
	}
	typ := defaultACLTypes[d.name]
	prefix := "ALTER DEFAULT PRIVILEGES FOR ROLE " + e.r.ident(e.r.useRole(d.role)) + " "
	if d.nsp != nil {
		prefix += "IN SCHEMA " + e.r.ident(d.nsp.name) + " "
	}
	sql, err := e.r.aclCommands(aclTarget{typ: typ, owner: d.role, prefix: prefix}, d.acl, d.base)
	if err != nil {
		e.fail(err)
	}
	e.object(&d.object, entryOpts{
		tag: "DEFAULT PRIVILEGES FOR " + typ, desc: "DEFAULT ACL", section: toc.SectionPostData,
		namespace: d.schema(), owner: d.role, defn: sql,
	})
}
