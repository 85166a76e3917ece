package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// conversion is a conversion between character encodings that a user defined.
type conversion struct {
	object
	owner     string
	from, to  string
	function  string // regproc output
	isDefault bool
}

var _ dumpable = (*conversion)(nil)

func (r *reader) readConversions() error {
	rows, err := query[struct {
		OID                uint32
		Name               string
		Namespace, Owner   uint32
		From, To, Function string
		Default            bool
	}](r, "conversions", `
		SELECT oid, conname, connamespace, conowner,
		       pg_catalog.pg_encoding_to_char(conforencoding), pg_catalog.pg_encoding_to_char(contoencoding),
		       conproc::pg_catalog.regproc::pg_catalog.text, condefault
		FROM pg_catalog.pg_conversion WHERE oid >= 16384`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		c := &conversion{
			object: object{
				kind: kindConversion, cat: catalogID{pgConversion, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			owner: r.roles[row.Owner], from: row.From, to: row.To, function: row.Function, isDefault: row.Default,
		}
		r.add(c)
		r.selectObject(&c.object)
	}
	return nil
}

func (c *conversion) emit(e *emitter) {
	qualified := e.r.qualified(c.schema(), c.name)
	if c.has(compDefinition) {
		create := "CREATE "
		if c.isDefault {
			create += "DEFAULT "
		}
		e.object(&c.object, entryOpts{
			tag: c.name, desc: "CONVERSION", section: toc.SectionPreData,
			namespace: c.schema(), owner: c.owner,
			defn: create + "CONVERSION " + qualified + " FOR " + literal(c.from) + " TO " + literal(c.to) +
				" FROM " + c.function + ";\n",
			drop: "DROP CONVERSION " + qualified + ";\n",
		})
	}
	e.comment(&c.object, "CONVERSION", e.r.ident(c.name), c.owner)
}
