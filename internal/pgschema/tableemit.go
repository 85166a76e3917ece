package pgschema

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

func (t *table) emit(e *emitter) {
	switch {
	case t.relkind == relComposite:
		return // its type is dumped
	case t.relkind == relSequence:
		t.emitSequence(e)
	case t.has(compDefinition):
		t.emitRelation(e)
	}
	desc := t.class()
	if t.relkind != relSequence {
		desc = "TABLE" // of whatever kind
	}
	e.relationACL(&t.object, desc, t.owner)
}

// emitRelation appends the entries of all but sequences.
func (t *table) emitRelation(e *emitter) {
	name := e.r.qualified(t.schema(), t.name)
	opts := entryOpts{
		tag: t.name, desc: t.class(), section: t.section(), namespace: t.schema(),
		relKind: t.relkind, owner: t.owner,
		defn: t.statement(e.r, name) + t.properties(e.r, name),
		drop: "DROP " + t.class() + " " + name + ";\n",
	}
	if t.hasTablespace() {
		opts.tablespace = toc.T(t.tablespace)
	}
	if t.relkind == relTable || t.relkind == relMatView || (t.relkind == relPartitioned && e.r.major >= 17) {
		opts.tableAM = t.am
	}
	e.object(&t.object, opts)
	e.describeRelation(&t.object, t.class(), t.owner)
	for _, c := range t.columns {
		if c.notNull.set && c.notNull.comment != nil {
			e.commentText(&t.object, "CONSTRAINT "+e.r.ident(c.notNull.name)+" ON",
				e.r.ident(t.name), t.owner, *c.notNull.comment)
		}
	}
	for _, c := range t.checks {
		if !c.separate && c.local {
			c.comment(e, t.id)
		}
	}
}

// statement is the CREATE of the relation called name.
func (t *table) statement(r *reader, name string) string {
	if t.relkind == relView {
		if t.dummyView {
			return "CREATE VIEW " + name + " AS\n" + t.dummyBody(r) + ";\n"
		}
		return t.viewStatement(r, "CREATE VIEW "+name)
	}
	var b strings.Builder
	b.WriteString("CREATE ")
	if t.persistence == 'u' && (t.relkind != relPartitioned || r.major < 18) {
		b.WriteString("UNLOGGED ")
	}
	b.WriteString(t.class() + " " + name)
	if t.ofType != "" {
		b.WriteString(" OF " + t.ofType)
	}
	if t.relkind != relMatView {
		b.WriteString(t.body(r))
	}
	var options []string
	if len(t.options) > 0 {
		options = append(options, r.reloptions(t.options, ""))
	}
	if len(t.toastOptions) > 0 {
		options = append(options, r.reloptions(t.toastOptions, "toast."))
	}
	if len(options) > 0 {
		b.WriteString("\nWITH (" + strings.Join(options, ", ") + ")")
	}
	if t.serverOptions != "" {
		b.WriteString("\nOPTIONS (\n    " + t.serverOptions + "\n)")
	}
	if t.relkind == relMatView {
		b.WriteString(" AS\n" + t.definition + "\n  WITH NO DATA")
	}
	b.WriteString(";\n")
	if t.relkind == relMatView {
		b.WriteString(r.dependsOnExtension(&t.object, t.class(), name))
	}
	return b.String()
}

// viewStatement is the statement that create starts; CREATE OR REPLACE VIEW
// gives a view that started as a dummy its body.
func (t *table) viewStatement(r *reader, create string) string {
	options, check := "", ""
	if len(t.options) > 0 {
		options = " WITH (" + r.reloptions(t.options, "") + ")"
	}
	if t.checkOption != "" {
		check = "\n  WITH " + t.checkOption + " CHECK OPTION"
	}
	return create + options + " AS\n" + t.definition + check + ";\n"
}

// dummyBody has the view's columns, and nothing in them.
func (t *table) dummyBody(r *reader) string {
	columns := make([]string, len(t.columns))
	for i, c := range t.columns {
		columns[i] = "\n    NULL::" + c.typ + r.collate(" COLLATE ", c.collation) + " AS " + r.ident(c.name)
	}
	return "SELECT" + strings.Join(columns, ",")
}

// body is what CREATE TABLE has behind the name, up to the storage parameters.
func (t *table) body(r *reader) string {
	var items []string
	for _, c := range t.columns {
		if item := t.columnItem(r, c); item != "" {
			items = append(items, item)
		}
	}
	for _, c := range t.checks {
		if !c.separate && (c.local || t.partition) {
			items = append(items, "CONSTRAINT "+r.ident(c.name)+" "+c.definition)
		}
	}
	var b strings.Builder
	switch {
	case len(items) > 0:
		b.WriteString(" (\n    " + strings.Join(items, ",\n    ") + "\n)")
	case t.ofType == "":
		b.WriteString(" (\n)")
	}
	if len(t.parents) > 0 && !t.partition {
		parents := make([]string, len(t.parents))
		for i, p := range t.parents {
			parents[i] = r.qualified(p.schema(), p.name)
		}
		b.WriteString("\nINHERITS (" + strings.Join(parents, ", ") + ")")
	}
	if t.relkind == relPartitioned {
		b.WriteString("\nPARTITION BY " + t.partitionKey)
	}
	if t.relkind == relForeign {
		b.WriteString("\nSERVER " + r.ident(t.server))
	}
	return b.String()
}

// columnItem is a column's line in CREATE TABLE, or the NOT NULL that an
// inherited column has of its own since PostgreSQL 18, or "".
func (t *table) columnItem(r *reader, c *column) string {
	name := r.ident(c.name)
	if !t.prints(c) {
		if r.major < 18 || c.dropped || !c.notNull.set || !c.notNull.local {
			return ""
		}
		// pg_dump 18 forgets to quote the constraint's name here.
		return c.notNull.clause(r, "NOT NULL "+name)
	}
	def := c.def
	if def != nil && (def.separate || def.dump == compNone) {
		def = nil
	}
	notNull := c.notNull.set && (c.notNull.local || t.partition)
	if t.ofType != "" && def == nil && !notNull {
		return "" // the type says it all
	}
	var b strings.Builder
	b.WriteString(name)
	if t.ofType == "" {
		b.WriteString(" " + c.typ)
	}
	if def != nil {
		switch c.generated {
		case 's':
			b.WriteString(" GENERATED ALWAYS AS (" + def.expr + ") STORED")
		case 'v':
			b.WriteString(" GENERATED ALWAYS AS (" + def.expr + ")")
		default:
			b.WriteString(" DEFAULT " + def.expr)
		}
	}
	if notNull {
		b.WriteString(" " + c.notNull.clause(r, "NOT NULL"))
	}
	b.WriteString(r.collate(" COLLATE ", c.collation))
	return b.String()
}

func (n notNull) clause(r *reader, text string) string {
	if n.name != "" {
		text = "CONSTRAINT " + r.ident(n.name) + " " + text
	}
	if n.noInherit {
		text += " NO INHERIT"
	}
	return text
}

// properties are the ALTER statements behind the CREATE.
func (t *table) properties(r *reader, name string) string {
	var b strings.Builder
	if t.relkind != relView {
		for _, c := range t.columns {
			if !c.dropped {
				t.columnProperties(&b, r, name, c)
			}
		}
	}
	if t.relkind == relTable || t.relkind == relPartitioned || t.relkind == relMatView {
		switch t.replident {
		case 'n':
			b.WriteString("\nALTER TABLE ONLY " + name + " REPLICA IDENTITY NOTHING;\n")
		case 'f':
			b.WriteString("\nALTER TABLE ONLY " + name + " REPLICA IDENTITY FULL;\n")
		}
	}
	if t.forceRowSecurity {
		b.WriteString("\nALTER TABLE ONLY " + name + " FORCE ROW LEVEL SECURITY;\n")
	}
	return b.String()
}

// storageNames are the words for pg_attribute.attstorage.
var storageNames = map[byte]string{'p': "PLAIN", 'e': "EXTERNAL", 'x': "EXTENDED", 'm': "MAIN"}

// compressionNames are the words for pg_attribute.attcompression.
var compressionNames = map[byte]string{'p': "pglz", 'l': "lz4"}

func (t *table) columnProperties(b *strings.Builder, r *reader, name string, c *column) {
	alter := func(format string, args ...any) {
		fmt.Fprintf(b, "ALTER %sTABLE ONLY %s ALTER COLUMN %s %s;\n",
			t.foreign(), name, r.ident(c.name), fmt.Sprintf(format, args...))
	}
	if r.major < 18 && !t.prints(c) && c.notNull.set && c.notNull.local {
		alter("SET NOT NULL")
	}
	if c.statTarget >= 0 {
		alter("SET STATISTICS %d", c.statTarget)
	}
	if word := storageNames[c.storage]; c.storage != c.typStorage && word != "" {
		alter("SET STORAGE %s", word)
	}
	if word := compressionNames[c.compression]; word != "" {
		alter("SET COMPRESSION %s", word)
	}
	if c.options != "" {
		alter("SET (%s)", c.options)
	}
	if t.relkind == relForeign && c.fdwOptions != "" {
		only := "ONLY "
		if r.major < 17 {
			only = ""
		}
		fmt.Fprintf(b, "ALTER FOREIGN TABLE %s%s ALTER COLUMN %s OPTIONS (\n    %s\n);\n",
			only, name, r.ident(c.name), c.fdwOptions)
	}
}
