package pgschema

import "strings"

// composite is the attributes of a composite type that is no table's.
type composite struct {
	attributes []compositeAttribute
}

type compositeAttribute struct {
	name      string
	typ       string // formatted, with its modifier
	collation uint32 // where it is not the type's own
}

func (r *reader) readComposites(oids []uint32) error {
	rows, err := query[struct {
		OID       uint32
		Name, Typ string
		Collation uint32
	}](r, "composite types", `
		SELECT ct.oid, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
		       CASE WHEN a.attcollation <> at.typcollation THEN a.attcollation ELSE 0 END
		FROM pg_catalog.pg_type ct
		JOIN pg_catalog.pg_attribute a ON a.attrelid = ct.typrelid
		JOIN pg_catalog.pg_type at ON at.oid = a.atttypid
		WHERE ct.oid = ANY ($1::oid[]) AND NOT a.attisdropped
		ORDER BY ct.oid, a.attnum`, oids)
	if err != nil {
		return err
	}
	types := make(map[uint32]*composite, len(oids))
	for _, oid := range oids {
		types[oid] = &composite{}
		find[*dataType](r, pgType, oid).body = types[oid]
	}
	for _, row := range rows {
		t := types[row.OID]
		t.attributes = append(t.attributes, compositeAttribute{row.Name, row.Typ, row.Collation})
	}
	return nil
}

func (c *composite) statement(r *reader, _ *dataType, name string) string {
	var b strings.Builder
	b.WriteString("CREATE TYPE " + name + " AS (")
	for i, a := range c.attributes {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n\t" + r.ident(a.name) + " " + a.typ + r.collate(" COLLATE ", a.collation))
	}
	b.WriteString("\n);\n")
	return b.String()
}

// parts emits the comments on attributes.
func (c *composite) parts(e *emitter, t *dataType) {
	e.columnComments(&t.object, t.relation, t.owner)
}
