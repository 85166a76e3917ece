package pgschema

import "strings"

// enum is the labels of an enumerated type, in their order.
type enum struct {
	noParts
	labels []string
}

func (r *reader) readEnums(oids []uint32) error {
	rows, err := query[struct {
		OID   uint32
		Label string
	}](r, "enum labels", `
		SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum
		WHERE enumtypid = ANY ($1::oid[]) ORDER BY enumtypid, enumsortorder`, oids)
	if err != nil {
		return err
	}
	enums := make(map[uint32]*enum, len(oids))
	for _, oid := range oids { // one may have no label at all
		enums[oid] = &enum{}
		find[*dataType](r, pgType, oid).body = enums[oid]
	}
	for _, row := range rows {
		enums[row.OID].labels = append(enums[row.OID].labels, row.Label)
	}
	return nil
}

func (t *enum) statement(r *reader, _ *dataType, name string) string {
	var b strings.Builder
	b.WriteString("CREATE TYPE " + name + " AS ENUM (")
	for i, label := range t.labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    " + literal(label))
	}
	b.WriteString("\n);\n")
	return b.String()
}
