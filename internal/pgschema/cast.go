package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// cast is a conversion between two types that a user defined.
type cast struct {
	object
	source, target, function uint32
	context                  byte // 'e' explicit, 'a' assignment, 'i' implicit
	method                   byte // 'f' function, 'b' binary, 'i' by input and output
}

var _ dumpable = (*cast)(nil)

// readCasts registers users' casts; that of a range to its multirange comes
// with the range.
func (r *reader) readCasts() error {
	multirange := ""
	if r.major >= 14 {
		multirange = `AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_range r
		     WHERE r.rngtypid = c.castsource AND r.rngmultitypid = c.casttarget)`
	}
	rows, err := query[struct {
		OID, Source, Target, Function uint32
		Context, Method               byte
	}](r, "casts", `
		SELECT c.oid, c.castsource, c.casttarget, c.castfunc, c.castcontext, c.castmethod
		FROM pg_catalog.pg_cast c
		WHERE c.oid >= 16384 `+multirange+`
		ORDER BY c.castsource, c.casttarget`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		c := &cast{
			object: object{
				kind: kindCast, cat: catalogID{pgCast, row.OID},
				name: r.bareTypeName(row.Source) + " " + r.bareTypeName(row.Target),
			},
			source: row.Source, target: row.Target, function: row.Function,
			context: row.Context, method: row.Method,
		}
		r.add(c)
		r.selectGlobal(&c.object, compNone)
	}
	return nil
}

// bareTypeName is a type's name without schema.
func (r *reader) bareTypeName(oid uint32) string {
	if t := find[*dataType](r, pgType, oid); t != nil {
		return t.name
	}
	return ""
}

func (c *cast) emit(e *emitter) {
	types := "(" + e.r.typeName(c.source) + " AS " + e.r.typeName(c.target) + ")"
	if c.has(compDefinition) {
		e.object(&c.object, entryOpts{
			tag: "CAST " + types, desc: "CAST", section: toc.SectionPreData,
			defn: "CREATE CAST " + types + " " + c.how(e) + ";\n",
			drop: "DROP CAST " + types + ";\n",
		})
	}
	e.comment(&c.object, "CAST", types, "")
}

// how is the clauses that say what the cast does and when.
func (c *cast) how(e *emitter) string {
	how := ""
	switch c.method {
	case 'b':
		how = "WITHOUT FUNCTION"
	case 'i':
		how = "WITH INOUT"
	default:
		how = "WITH FUNCTION " + e.r.functionName(c.function)
	}
	switch c.context {
	case 'a':
		how += " AS ASSIGNMENT"
	case 'i':
		how += " AS IMPLICIT"
	}
	return how
}

// functionName is a function as statements about other objects name it:
// qualified, with its argument types.
func (r *reader) functionName(oid uint32) string {
	f := find[*function](r, pgProc, oid)
	if f == nil {
		return "-"
	}
	return r.ident(f.schema()) + "." + f.signature(r.ident(f.name))
}
