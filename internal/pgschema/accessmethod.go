package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// accessMethod is a table or index access method that a user installed.
type accessMethod struct {
	object
	typ     byte   // 't' table, 'i' index
	handler string // regproc output
}

var _ dumpable = (*accessMethod)(nil)

func (r *reader) readAccessMethods() error {
	rows, err := query[struct {
		OID     uint32
		Name    string
		Type    byte
		Handler string
	}](r, "access methods", `
		SELECT oid, amname, amtype, amhandler::pg_catalog.regproc::pg_catalog.text
		FROM pg_catalog.pg_am WHERE oid >= 16384`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		m := &accessMethod{
			object: object{kind: kindAccessMethod, cat: catalogID{pgAccessMethod, row.OID}, name: row.Name},
			typ:    row.Type, handler: row.Handler,
		}
		r.add(m)
		r.selectGlobal(&m.object, compNone)
	}
	return nil
}

func (m *accessMethod) emit(e *emitter) {
	name := e.r.ident(m.name)
	if m.has(compDefinition) {
		typ := "TABLE"
		if m.typ == 'i' {
			typ = "INDEX"
		}
		e.object(&m.object, entryOpts{
			tag: m.name, desc: "ACCESS METHOD", section: toc.SectionPreData,
			defn: "CREATE ACCESS METHOD " + name + " TYPE " + typ + " HANDLER " + m.handler + ";\n",
			drop: "DROP ACCESS METHOD " + name + ";\n",
		})
	}
	e.comment(&m.object, "ACCESS METHOD", name, "")
}
