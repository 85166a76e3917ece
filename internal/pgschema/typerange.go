package pgschema

import "strings"

// rangeType is a range with its multirange.
type rangeType struct {
	noParts
	subtype    string
	multirange *string // 14 and later
	opclass    string  // qualified, where it is not the subtype's default
	collation  uint32  // where it is not the subtype's own
	canonical  string  // function, "-" is none
	diff       string
}

func (r *reader) readRanges(oids []uint32) error {
	multirange := "pg_catalog.format_type(r.rngmultitypid, NULL)"
	if r.major < 14 {
		multirange = "NULL::text"
	}
	rows, err := query[struct {
		OID                   uint32
		Subtype               string
		Multirange            *string
		OpcSchema, OpcName    string
		OpcDefault            bool
		Collation             uint32
		Canonical, Difference string
	}](r, "range types", `
		SELECT r.rngtypid, pg_catalog.format_type(r.rngsubtype, NULL), `+multirange+`,
		       n.nspname, opc.opcname, opc.opcdefault,
		       CASE WHEN r.rngcollation = st.typcollation THEN 0 ELSE r.rngcollation END,
		       r.rngcanonical::pg_catalog.text, r.rngsubdiff::pg_catalog.text
		FROM pg_catalog.pg_range r
		JOIN pg_catalog.pg_type st ON st.oid = r.rngsubtype
		JOIN pg_catalog.pg_opclass opc ON opc.oid = r.rngsubopc
		JOIN pg_catalog.pg_namespace n ON n.oid = opc.opcnamespace
		WHERE r.rngtypid = ANY ($1::oid[])`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := &rangeType{
			subtype: row.Subtype, multirange: row.Multirange, collation: row.Collation,
			canonical: row.Canonical, diff: row.Difference,
		}
		if !row.OpcDefault {
			t.opclass = r.qualified(row.OpcSchema, row.OpcName)
		}
		find[*dataType](r, pgType, row.OID).body = t
	}
	return nil
}

func (t *rangeType) statement(r *reader, _ *dataType, name string) string {
	var b strings.Builder
	b.WriteString("CREATE TYPE " + name + " AS RANGE (\n    subtype = " + t.subtype)
	if t.multirange != nil {
		b.WriteString(",\n    multirange_type_name = " + *t.multirange)
	}
	if t.opclass != "" {
		b.WriteString(",\n    subtype_opclass = " + t.opclass)
	}
	b.WriteString(r.collate(",\n    collation = ", t.collation))
	if t.canonical != "-" {
		b.WriteString(",\n    canonical = " + t.canonical)
	}
	if t.diff != "-" {
		b.WriteString(",\n    subtype_diff = " + t.diff)
	}
	b.WriteString("\n);\n")
	return b.String()
}
