package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// domain is a type with constraints over another.
type domain struct {
	base        string // formatted, with its modifier
	notNull     bool
	collation   uint32 // where it is not the base type's own
	value       string // the DEFAULT, or ""
	constraints []*domainConstraint
}

// domainConstraint is a CHECK of a domain or, in 17 and later, its NOT NULL.
// One that is not valid yet is added after the data.
type domainConstraint struct {
	object
	domain     *dataType
	isNotNull  bool
	definition string
}

var _ dumpable = (*domainConstraint)(nil)

func (r *reader) readDomains(oids []uint32) error {
	rows, err := query[struct {
		OID                  uint32
		NotNull              bool
		Base                 string
		Expression, Constant *string
		Collation            uint32
	}](r, "domains", `
		SELECT t.oid, t.typnotnull, pg_catalog.format_type(t.typbasetype, t.typtypmod),
		       pg_catalog.pg_get_expr(t.typdefaultbin, 'pg_catalog.pg_type'::pg_catalog.regclass),
		       t.typdefault,
		       CASE WHEN t.typcollation <> u.typcollation THEN t.typcollation ELSE 0 END
		FROM pg_catalog.pg_type t
		LEFT JOIN pg_catalog.pg_type u ON u.oid = t.typbasetype
		WHERE t.oid = ANY ($1::oid[])`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		find[*dataType](r, pgType, row.OID).body = &domain{
			base: row.Base, notNull: row.NotNull, collation: row.Collation,
			value: typeDefault(row.Expression, row.Constant),
		}
	}
	return nil
}

// readDomainConstraints registers the constraints of domains. A domain depends
// on its valid ones, so that it comes after what they use.
func (r *reader) readDomainConstraints(oids []uint32) error {
	rows, err := query[struct {
		OID, Domain      uint32
		Name, Definition string
		Validated        bool
		Type             byte
	}](r, "domain constraints", `
		SELECT oid, contypid, conname, pg_catalog.pg_get_constraintdef(oid), convalidated, contype
		FROM pg_catalog.pg_constraint
		WHERE contypid = ANY ($1::oid[]) AND contype IN ('c', 'n')
		ORDER BY contypid, conname`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*dataType](r, pgType, row.Domain)
		c := &domainConstraint{
			object: object{
				kind: kindConstraint, cat: catalogID{pgConstraint, row.OID}, name: row.Name, nsp: t.nsp,
				dump: compAll, of: t.id, separate: !row.Validated,
			},
			domain: t, isNotNull: row.Type == 'n', definition: row.Definition,
		}
		r.add(c)
		d := t.body.(*domain)
		d.constraints = append(d.constraints, c)
		if row.Validated {
			t.dependOn(c.id)
		}
	}
	return nil
}

// ties sort domains before tables.
func (c *domainConstraint) ties() []string { return []string{"", c.domain.name} }

func (d *domain) statement(r *reader, t *dataType, name string) string {
	var b strings.Builder
	b.WriteString("CREATE DOMAIN " + name + " AS " + d.base + r.collate(" COLLATE ", d.collation))
	b.WriteString(d.notNullClause(r, t))
	if d.value != "" {
		b.WriteString(" DEFAULT " + d.value)
	}
	for _, c := range d.constraints {
		if !c.separate && !c.isNotNull {
			b.WriteString("\n\tCONSTRAINT " + r.ident(c.name) + " " + c.definition)
		}
	}
	b.WriteString(";\n")
	return b.String()
}

// notNullClause names the constraint only where its name is not the usual one.
func (d *domain) notNullClause(r *reader, t *dataType) string {
	if !d.notNull {
		return ""
	}
	for _, c := range d.constraints {
		switch {
		case !c.isNotNull:
		case c.separate:
			return ""
		case c.name != t.name+"_not_null":
			return " CONSTRAINT " + r.ident(c.name) + " " + c.definition
		}
	}
	return " NOT NULL"
}

// parts emits the comments on the constraints that the domain holds: first the
// CHECKs', then the NOT NULL's.
func (d *domain) parts(e *emitter, t *dataType) {
	for _, notNull := range []bool{false, true} {
		for _, c := range d.constraints {
			if c.isNotNull == notNull && !c.separate {
				c.comment(e, &t.object)
			}
		}
	}
}

func (c *domainConstraint) emit(e *emitter) {
	if !c.separate {
		return
	}
	desc := "CHECK CONSTRAINT"
	if c.isNotNull {
		desc = "CONSTRAINT"
	}
	if c.has(compDefinition) {
		alter := "ALTER DOMAIN " + e.r.qualified(c.schema(), c.domain.name)
		e.object(&c.object, entryOpts{
			tag: c.domain.name + " " + c.name, desc: desc, section: toc.SectionPostData,
			namespace: c.schema(), owner: c.domain.owner,
			defn: alter + "\n    ADD CONSTRAINT " + e.r.ident(c.name) + " " + c.definition + ";\n",
			drop: alter + " DROP CONSTRAINT " + e.r.ident(c.name) + ";\n",
		})
	}
	c.comment(e, &c.object)
}

// comment emits the constraint's comment, which belongs to the entry that
// creates the constraint: the domain's or its own.
func (c *domainConstraint) comment(e *emitter, holder *object) {
	if !c.has(compComment) {
		return
	}
	for _, comment := range e.r.comments[c.cat] {
		e.commentText(holder, "CONSTRAINT "+e.r.ident(c.name)+" ON DOMAIN", e.r.ident(c.domain.name),
			c.domain.owner, comment.text)
	}
}
