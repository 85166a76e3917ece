package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// label is one security label.
type label struct {
	sub      int32
	column   string
	provider string
	text     string
}

// readLabels reads all security labels at once.
func (r *reader) readLabels() error {
	rows, err := query[struct {
		Class, OID     uint32
		Sub            int32
		Column         *string
		Provider, Text string
	}](r, "security labels", `
		SELECT l.classoid, l.objoid, l.objsubid, a.attname, l.provider, l.label
		FROM pg_catalog.pg_seclabel l
		LEFT JOIN pg_catalog.pg_attribute a ON l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
		      AND l.objsubid > 0 AND a.attrelid = l.objoid AND a.attnum = l.objsubid
		ORDER BY l.classoid, l.objoid, l.objsubid, l.provider`)
	if err != nil {
		return err
	}
	r.labels = make(map[catalogID][]label)
	for _, row := range rows {
		l := label{sub: row.Sub, provider: row.Provider, text: row.Text}
		if row.Column != nil {
			l.column = *row.Column
		}
		id := catalogID{row.Class, row.OID}
		r.labels[id] = append(r.labels[id], l)
	}
	return nil
}

// label appends an object's own security labels in one entry.
func (e *emitter) label(o *object, typ, name, owner string) {
	var sql strings.Builder
	for _, l := range e.r.labels[o.cat] {
		if l.sub == 0 {
			e.writeLabel(&sql, l, o, typ, name)
		}
	}
	e.labelEntry(o, typ+" "+name, owner, sql.String())
}

// relationLabel is label with the relation's columns.
func (e *emitter) relationLabel(o *object, typ, owner string) {
	name := e.r.ident(o.name)
	var sql strings.Builder
	for _, l := range e.r.labels[o.cat] {
		if l.sub == 0 {
			e.writeLabel(&sql, l, o, typ, name)
		} else {
			e.writeLabel(&sql, l, o, "COLUMN", name+"."+e.r.ident(l.column))
		}
	}
	e.labelEntry(o, typ+" "+name, owner, sql.String())
}

func (e *emitter) writeLabel(sql *strings.Builder, l label, o *object, typ, name string) {
	sql.WriteString("SECURITY LABEL FOR " + e.r.ident(l.provider) + " ON " + typ + " ")
	if schema := o.schema(); schema != "" {
		sql.WriteString(e.r.ident(schema) + ".")
	}
	sql.WriteString(name + " IS " + literal(l.text) + ";\n")
}

func (e *emitter) labelEntry(o *object, tag, owner, sql string) {
	if sql == "" || !o.has(compSecLabel) {
		return
	}
	e.follow(entryOpts{
		tag: tag, desc: "SECURITY LABEL", section: toc.SectionNone,
		namespace: o.schema(), defn: sql, deps: []int{o.id},
	}).Owner = toc.T(owner)
}
