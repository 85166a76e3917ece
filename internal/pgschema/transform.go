package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// transform adapts a type to a procedural language.
type transform struct {
	object
	typ            uint32
	language       string
	fromSQL, toSQL uint32 // functions, 0 is none
}

var _ dumpable = (*transform)(nil)

func (r *reader) readTransforms() error {
	rows, err := query[struct {
		OID, Type      uint32
		Language       string
		FromSQL, ToSQL uint32
	}](r, "transforms", `
		SELECT t.oid, t.trftype, l.lanname, t.trffromsql::pg_catalog.oid, t.trftosql::pg_catalog.oid
		FROM pg_catalog.pg_transform t JOIN pg_catalog.pg_language l ON l.oid = t.trflang
		ORDER BY t.trftype, t.trflang`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := &transform{
			object: object{
				kind: kindTransform, cat: catalogID{pgTransform, row.OID},
				name: r.bareTypeName(row.Type) + " " + r.ident(row.Language),
			},
			typ: row.Type, language: row.Language, fromSQL: row.FromSQL, toSQL: row.ToSQL,
		}
		r.add(t)
		r.selectObject(&t.object)
	}
	return nil
}

func (t *transform) emit(e *emitter) {
	target := "FOR " + e.r.typeName(t.typ) + " LANGUAGE " + e.r.ident(t.language)
	if t.has(compDefinition) {
		var functions []string
		if t.fromSQL != 0 {
			functions = append(functions, "FROM SQL WITH FUNCTION "+e.r.functionName(t.fromSQL))
		}
		if t.toSQL != 0 {
			functions = append(functions, "TO SQL WITH FUNCTION "+e.r.functionName(t.toSQL))
		}
		e.object(&t.object, entryOpts{
			tag: "TRANSFORM " + target, desc: "TRANSFORM", section: toc.SectionPreData,
			defn: "CREATE TRANSFORM " + target + " (" + strings.Join(functions, ", ") + ");\n",
			drop: "DROP TRANSFORM " + target + ";\n",
		})
	}
	e.comment(&t.object, "TRANSFORM", target, "")
}
