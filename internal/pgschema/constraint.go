package pgschema

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// constraint is a constraint of a table: CHECK (c), NOT NULL that is not valid
// (n), primary key (p), unique (u), exclusion (x), foreign key (f). A valid
// CHECK is part of CREATE TABLE unless separate is set.
type constraint struct {
	object
	table      *table
	contype    byte
	definition string // as pg_get_constraintdef has it; unused for p and u
	local      bool   // not only inherited
	index      *index // of p, u and x

	deferrable, deferred bool
	period               bool // WITHOUT OVERLAPS, since PostgreSQL 18
}

var (
	_ dumpable = (*constraint)(nil)
	_ tied     = (*constraint)(nil)
)

// ties puts the constraints of domains, which start with "0", first.
func (c *constraint) ties() []string { return []string{"1", c.table.name} }

// tableConstraint is a row of pg_constraint.
type tableConstraint struct {
	OID, Table uint32
	Name       string
	Definition string
	Local      bool
	Validated  bool
}

func (r *reader) queryConstraints(contype, where string, tables []uint32) ([]tableConstraint, error) {
	return query[tableConstraint](r, "pg_constraint", fmt.Sprintf(`
		SELECT c.oid, c.conrelid, c.conname, pg_get_constraintdef(c.oid), c.conislocal, c.convalidated
		  FROM unnest($1::oid[]) AS src(tbloid)
		  JOIN pg_constraint c ON c.conrelid = src.tbloid
		 WHERE c.contype = '%s' %s
		 ORDER BY c.conrelid, c.conname`, contype, where), tables)
}

func (r *reader) addConstraint(t *table, contype byte, row tableConstraint) *constraint {
	c := &constraint{
		object: object{kind: kindConstraint, cat: catalogID{pgConstraint, row.OID}, name: row.Name, nsp: t.nsp},
		table:  t, contype: contype, definition: row.Definition, local: row.Local,
	}
	if contype == 'f' {
		c.kind = kindFKConstraint
	}
	r.add(c)
	c.dump = t.dump
	return c
}

// readInvalidNotNulls reads the NOT NULL constraints that are NOT VALID: they
// come after the data, which may violate them.
func (r *reader) readInvalidNotNulls() error {
	rows, err := r.queryConstraints("n", "AND NOT c.convalidated",
		r.interestingTables(func(t *table) bool { return true }))
	if err != nil {
		return err
	}
	for _, row := range rows {
		r.addConstraint(find[*table](r, pgClass, row.Table), 'n', row).separate = true
	}
	return nil
}

func (r *reader) readChecks() error {
	rows, err := r.queryConstraints("c", "",
		r.interestingTables(func(t *table) bool { return t.checkCount > 0 }))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		c := r.addConstraint(t, 'c', row)
		t.checks = append(t.checks, c)
		if c.separate = !row.Validated; !c.separate {
			// What the expression needs must come before the table.
			c.of = t.id
			t.dependOn(c.id)
		}
	}
	return nil
}

// readConstraints reads the foreign keys; the other kinds come with the
// columns and the indexes. Those of partitions that were cloned from the
// parent's are left to the parent's.
func (r *reader) readConstraints() error {
	rows, err := r.queryConstraints("f", "AND c.conparentid = 0", r.defined("rpf"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		c := r.addConstraint(t, 'f', row)
		c.separate, c.local = true, true
	}
	return r.readReferencedIndexes()
}

// readReferencedIndexes makes a foreign key to a partitioned table wait until
// all partitions of the index that it rests on are attached.
func (r *reader) readReferencedIndexes() error {
	rows, err := query[struct{ Constraint, Index uint32 }](r, "pg_constraint", `
		SELECT c.oid, c.conindid FROM pg_constraint c
		  JOIN pg_class t ON t.oid = c.confrelid AND t.relkind = 'p'
		 WHERE c.contype = 'f' AND c.conparentid = 0 AND c.conindid <> 0`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		c := find[*constraint](r, pgConstraint, row.Constraint)
		index := find[*index](r, pgClass, row.Index)
		if c != nil && index != nil {
			c.dependOnPartitions(index)
		}
	}
	return nil
}

func (c *constraint) dependOnPartitions(i *index) {
	for _, attach := range i.attached {
		c.dependOn(attach.id)
		c.dependOnPartitions(attach.index)
	}
}

func (c *constraint) emit(e *emitter) {
	if !c.separate {
		return // part of CREATE TABLE
	}
	t := c.table
	only, desc := "", ""
	switch c.contype {
	case 'p', 'u', 'x':
		only, desc = "ONLY ", "CONSTRAINT"
	case 'f':
		desc = "FK CONSTRAINT"
		if t.relkind != relPartitioned {
			only = "ONLY "
		}
	case 'c':
		desc = "CHECK CONSTRAINT"
	case 'n':
		desc = "CONSTRAINT"
	}
	if c.local && c.has(compDefinition) {
		alter := "ALTER " + t.foreign() + "TABLE " + only + e.r.qualified(t.schema(), t.name)
		opts := entryOpts{
			tag: t.name + " " + c.name, desc: desc, section: toc.SectionPostData,
			namespace: t.schema(), owner: t.owner,
			defn: alter + "\n    ADD CONSTRAINT " + e.r.ident(c.name) + " " + c.body(e.r) + ";\n",
			drop: alter + " DROP CONSTRAINT " + e.r.ident(c.name) + ";\n",
		}
		if c.index != nil {
			opts.defn += c.index.alterations(e.r)
			opts.tablespace = toc.T(c.index.tablespace)
		}
		e.object(&c.object, opts)
	}
	c.comment(e, c.id)
}

// body is what follows the constraint's name.
func (c *constraint) body(r *reader) string {
	if c.contype != 'p' && c.contype != 'u' {
		return c.definition
	}
	var b strings.Builder
	b.WriteString("UNIQUE")
	if c.contype == 'p' {
		b.Reset()
		b.WriteString("PRIMARY KEY")
	}
	// Older minor releases let a primary key rest on such an index; newer ones
	// refuse it, so that it restores only without the words.
	if c.index.nullsNotDistinct && c.contype == 'u' {
		b.WriteString(" NULLS NOT DISTINCT")
	}
	b.WriteString(" (" + strings.Join(c.index.keyNames(r, 0, c.index.keyCount), ", "))
	if c.period {
		b.WriteString(" WITHOUT OVERLAPS")
	}
	if c.index.keyCount < len(c.index.keys) {
		b.WriteString(") INCLUDE (")
		b.WriteString(strings.Join(c.index.keyNames(r, c.index.keyCount, len(c.index.keys)), ", "))
	}
	b.WriteString(")")
	if len(c.index.options) > 0 {
		b.WriteString(" WITH (" + r.reloptions(c.index.options, "") + ")")
	}
	if c.deferrable {
		b.WriteString(" DEFERRABLE")
		if c.deferred {
			b.WriteString(" INITIALLY DEFERRED")
		}
	}
	return b.String()
}

// comment appends the constraint's comment behind the entry that creates it,
// which for a CHECK inside CREATE TABLE is the table's.
func (c *constraint) comment(e *emitter, on int) {
	carrier := c.object
	carrier.id = on
	e.comment(&carrier, "CONSTRAINT "+e.r.ident(c.name)+" ON", e.r.ident(c.table.name), c.table.owner)
}
