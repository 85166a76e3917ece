package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// comment is one row of pg_description; column is set where it is a
// relation's column that is spoken of.
type comment struct {
	sub    int32
	column string
	text   string
}

// readComments reads all comments at once.
func (r *reader) readComments() error {
	rows, err := query[struct {
		Class, OID uint32
		Sub        int32
		Column     *string
		Text       string
	}](r, "comments", `
		SELECT d.classoid, d.objoid, d.objsubid, a.attname, d.description
		FROM pg_catalog.pg_description d
		LEFT JOIN pg_catalog.pg_attribute a ON d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
		      AND d.objsubid > 0 AND a.attrelid = d.objoid AND a.attnum = d.objsubid
		WHERE d.objoid >= 16384
		   OR d.classoid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_largeobject'::pg_catalog.regclass)
		ORDER BY d.classoid, d.objoid, d.objsubid`)
	if err != nil {
		return err
	}
	r.comments = make(map[catalogID][]comment)
	for _, row := range rows {
		c := comment{sub: row.Sub, text: row.Text}
		if row.Column != nil {
			c.column = *row.Column
		}
		id := catalogID{row.Class, row.OID}
		r.comments[id] = append(r.comments[id], c)
	}
	return nil
}

// describe appends an object's comment and its security labels. typ and name
// are what COMMENT ON takes: name is quoted, without the schema, with a
// function's arguments.
func (e *emitter) describe(o *object, typ, name, owner string) {
	e.comment(o, typ, name, owner)
	e.label(o, typ, name, owner)
}

// comment appends an object's own comment, if it has one.
func (e *emitter) comment(o *object, typ, name, owner string) {
	if !o.has(compComment) {
		return
	}
	for _, c := range e.r.comments[o.cat] {
		if c.sub == 0 {
			e.commentText(o, typ, name, owner, c.text)
		}
	}
}

// commentUnless appends the comment of an object that initdb makes with one:
// nothing when it is still the same, an empty one when it was dropped.
func (e *emitter) commentUnless(o *object, typ, name, owner, initial string) {
	if !o.has(compComment) {
		return
	}
	now := ""
	for _, c := range e.r.comments[o.cat] {
		if c.sub == 0 {
			now = c.text
		}
	}
	if now != initial {
		e.commentText(o, typ, name, owner, now)
	}
}

// commentText appends a comment that is known to be wanted.
func (e *emitter) commentText(o *object, typ, name, owner, text string) {
	schema := o.schema()
	target := name
	if schema != "" {
		target = e.r.ident(schema) + "." + name
	}
	e.follow(entryOpts{
		tag: typ + " " + name, desc: "COMMENT", section: toc.SectionNone, namespace: schema,
		defn: "COMMENT ON " + typ + " " + target + " IS " + literal(text) + ";\n",
		deps: []int{o.id},
	}).Owner = toc.T(owner) // "", not NULL, for what has no owner
}

// describeRelation appends the comments and labels of a relation and of its
// columns. typ is TABLE, VIEW, FOREIGN TABLE, ...
func (e *emitter) describeRelation(o *object, typ, owner string) {
	if o.has(compComment) {
		name := e.r.ident(o.name)
		for _, c := range e.r.comments[o.cat] {
			switch {
			case c.sub == 0:
				e.commentText(o, typ, name, owner, c.text)
			case c.column != "":
				e.commentText(o, "COLUMN", name+"."+e.r.ident(c.column), owner, c.text)
			}
		}
	}
	e.relationLabel(o, typ, owner)
}

// columnComments appends the comments of a composite type's columns, which
// pg_description files under the type's pg_class row.
func (e *emitter) columnComments(o *object, relation uint32, owner string) {
	if !o.has(compComment) {
		return
	}
	for _, c := range e.r.comments[catalogID{pgClass, relation}] {
		if c.sub > 0 && c.column != "" {
			e.commentText(o, "COLUMN", e.r.ident(o.name)+"."+e.r.ident(c.column), owner, c.text)
		}
	}
}
