package pgschema

import (
	"strconv"
	"strings"
)

// baseType is a type that is implemented by functions. Function names are
// regproc output: quoted and qualified as needed, "-" is none.
type baseType struct {
	noParts
	baseTypeRow
}

type baseTypeRow struct {
	OID                               uint32
	Length                            int // -1: variable
	Input, Output, Receive, Send      string
	ModIn, ModOut, Analyze, Subscript string
	Delimiter                         string
	ByValue                           bool
	Align, Storage                    byte
	Category                          string
	Preferred, Collatable             bool
	Expression, Constant              *string // the default
}

func (r *reader) readBaseTypes(oids []uint32) error {
	subscript := "typsubscript::pg_catalog.text"
	if r.major < 14 {
		subscript = "'-'"
	}
	rows, err := query[baseTypeRow](r, "base types", `
		SELECT oid, typlen, typinput::pg_catalog.text, typoutput::pg_catalog.text,
		       typreceive::pg_catalog.text, typsend::pg_catalog.text,
		       typmodin::pg_catalog.text, typmodout::pg_catalog.text,
		       typanalyze::pg_catalog.text, `+subscript+`,
		       typdelim::pg_catalog.text, typbyval, typalign, typstorage,
		       typcategory::pg_catalog.text, typispreferred, typcollation <> 0,
		       pg_catalog.pg_get_expr(typdefaultbin, 0), typdefault
		FROM pg_catalog.pg_type
		WHERE oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		find[*dataType](r, pgType, row.OID).body = &baseType{baseTypeRow: row}
	}
	return nil
}

func (t *baseType) statement(r *reader, d *dataType, name string) string {
	var b strings.Builder
	length := strconv.Itoa(t.Length)
	if t.Length == -1 {
		length = "variable"
	}
	b.WriteString("CREATE TYPE " + name + " (\n    INTERNALLENGTH = " + length)
	b.WriteString(",\n    INPUT = " + t.Input + ",\n    OUTPUT = " + t.Output)
	for _, f := range []struct{ clause, function string }{
		{"RECEIVE", t.Receive}, {"SEND", t.Send},
		{"TYPMOD_IN", t.ModIn}, {"TYPMOD_OUT", t.ModOut}, {"ANALYZE", t.Analyze},
	} {
		if f.function != "-" {
			b.WriteString(",\n    " + f.clause + " = " + f.function)
		}
	}
	if t.Collatable {
		b.WriteString(",\n    COLLATABLE = true")
	}
	if def := typeDefault(t.Expression, t.Constant); def != "" {
		b.WriteString(",\n    DEFAULT = " + def)
	}
	if t.Subscript != "-" {
		b.WriteString(",\n    SUBSCRIPT = " + t.Subscript)
	}
	if d.elem != 0 {
		b.WriteString(",\n    ELEMENT = " + r.typeName(d.elem))
	}
	if t.Category != "U" {
		b.WriteString(",\n    CATEGORY = " + literal(t.Category))
	}
	if t.Preferred {
		b.WriteString(",\n    PREFERRED = true")
	}
	if t.Delimiter != "," {
		b.WriteString(",\n    DELIMITER = " + literal(t.Delimiter))
	}
	b.WriteString(",\n    ALIGNMENT = " + alignments[t.Align])
	b.WriteString(",\n    STORAGE = " + storages[t.Storage])
	if t.ByValue {
		b.WriteString(",\n    PASSEDBYVALUE")
	}
	b.WriteString("\n);\n")
	return b.String()
}

// Words for pg_type.typalign and typstorage.
var (
	alignments = map[byte]string{'c': "char", 's': "int2", 'i': "int4", 'd': "double"}
	storages   = map[byte]string{'p': "plain", 'e': "external", 'x': "extended", 'm': "main"}
)

// typeDefault is the default of a type: an expression, or a constant that
// needs quotes, or "" for none.
func typeDefault(expression, constant *string) string {
	switch {
	case expression != nil:
		return *expression
	case constant != nil:
		return literal(*constant)
	}
	return ""
}
