package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// publication is a logical replication publication, without its members.
type publication struct {
	object
	owner   string
	options string // FOR ALL TABLES and WITH (...), with a space in front
}

// publicationTable is a table's membership in a publication.
type publicationTable struct {
	object
	publication *publication
	table       *table
	columns     []string // column list; nil: all columns
	filter      *string  // row filter, without its parentheses
}

// publicationSchema is the membership of all tables of a schema.
type publicationSchema struct {
	object
	publication *publication
	schemaName  string
}

var (
	_ dumpable = (*publication)(nil)
	_ dumpable = (*publicationTable)(nil)
	_ dumpable = (*publicationSchema)(nil)
	_ tied     = (*publicationTable)(nil)
	_ tied     = (*publicationSchema)(nil)
)

func (m *publicationTable) ties() []string  { return []string{m.publication.name} }
func (m *publicationSchema) ties() []string { return []string{m.publication.name} }

func (r *reader) readPublications() error {
	generated := "''"
	if r.major >= 18 {
		generated = "CASE p.pubgencols WHEN 's' THEN ', publish_generated_columns = stored' ELSE '' END"
	}
	rows, err := query[struct {
		OID, Owner uint32
		Name       string
		Options    string
	}](r, "publications", `
		SELECT p.oid, p.pubowner, p.pubname,
		       CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE '' END || ' WITH (publish = ''' ||
		       pg_catalog.concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
		                            CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END) || '''' ||
		       CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' ELSE '' END || `+generated+` || ')'
		FROM pg_catalog.pg_publication p ORDER BY p.oid`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		p := &publication{
			object: object{kind: kindPublication, cat: catalogID{pgPublication, row.OID}, name: row.Name},
			owner:  r.roles[row.Owner], options: row.Options,
		}
		r.add(p)
		r.selectObject(&p.object)
	}
	if err := r.readPublicationTables(); err != nil || r.major < 15 {
		return err
	}
	return r.readPublicationSchemas()
}

func (r *reader) readPublicationTables() error {
	// Column lists and row filters came with 15.
	columns, filter := "NULL::pg_catalog.name[]", "NULL::pg_catalog.text"
	if r.major >= 15 {
		filter = "CASE WHEN m.prrelid = ANY ($1::pg_catalog.oid[]) THEN pg_catalog.pg_get_expr(m.prqual, m.prrelid) END"
		columns = `CASE WHEN m.prattrs IS NOT NULL THEN ARRAY(
			SELECT a.attname FROM pg_catalog.unnest(m.prattrs::pg_catalog.int2[]) WITH ORDINALITY AS c(num, place)
			JOIN pg_catalog.pg_attribute a ON a.attrelid = m.prrelid AND a.attnum = c.num ORDER BY c.place) END`
	}
	rows, err := query[struct {
		OID, Publication, Table uint32
		Filter                  *string
		Columns                 texts
	}](r, "publications' tables", `
		SELECT m.oid, m.prpubid, m.prrelid, `+filter+`, `+columns+`
		FROM pg_catalog.pg_publication_rel m
		WHERE m.prrelid = ANY ($1::pg_catalog.oid[]) ORDER BY m.oid`, r.defined("rp"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		p, t := find[*publication](r, pgPublication, row.Publication), find[*table](r, pgClass, row.Table)
		m := &publicationTable{
			object:      object{kind: kindPublicationRel, cat: catalogID{pgPublicationRel, row.OID}, name: t.name, nsp: t.nsp},
			publication: p, table: t, columns: row.Columns, filter: row.Filter,
		}
		r.add(m)
		r.selectPublicationMember(&m.object)
	}
	return nil
}

func (r *reader) readPublicationSchemas() error {
	rows, err := query[struct{ OID, Publication, Schema uint32 }](r, "publications' schemas",
		`SELECT oid, pnpubid, pnnspid FROM pg_catalog.pg_publication_namespace ORDER BY oid`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		p, n := find[*publication](r, pgPublication, row.Publication), find[*namespace](r, pgNamespace, row.Schema)
		if n.dump == compNone {
			continue
		}
		m := &publicationSchema{
			object:      object{kind: kindPublicationSchema, cat: catalogID{pgPublicationSchema, row.OID}, name: n.name},
			publication: p, schemaName: n.name,
		}
		r.add(m)
		r.selectPublicationMember(&m.object)
	}
	return nil
}

// selectPublicationMember: members go with their publication, whatever the
// schema that they are in.
func (r *reader) selectPublicationMember(o *object) {
	if !r.isMember(o) && (r.filter.everything() || r.belongings()) {
		o.dump = compAll
	}
}

func (p *publication) emit(e *emitter) {
	name := e.r.ident(p.name)
	if p.has(compDefinition) {
		e.object(&p.object, entryOpts{
			tag: p.name, desc: "PUBLICATION", section: toc.SectionPostData, owner: p.owner,
			defn: "CREATE PUBLICATION " + name + p.options + ";\n",
			drop: "DROP PUBLICATION " + name + ";\n",
		})
	}
	e.describe(&p.object, "PUBLICATION", name, p.owner)
}

func (m *publicationTable) emit(e *emitter) {
	if !m.has(compDefinition) {
		return
	}
	defn := "ALTER PUBLICATION " + e.r.ident(m.publication.name) + " ADD TABLE ONLY " + e.r.qualified(m.schema(), m.name)
	if m.columns != nil {
		quoted := make([]string, len(m.columns))
		for i, c := range m.columns {
			quoted[i] = e.r.ident(c)
		}
		defn += " (" + strings.Join(quoted, ", ") + ")"
	}
	if m.filter != nil {
		defn += " WHERE (" + *m.filter + ")"
	}
	e.object(&m.object, entryOpts{
		tag: m.publication.name + " " + m.name, desc: "PUBLICATION TABLE", section: toc.SectionPostData,
		namespace: m.schema(), owner: m.publication.owner, defn: defn + ";\n",
	})
}

func (m *publicationSchema) emit(e *emitter) {
	if !m.has(compDefinition) {
		return
	}
	e.object(&m.object, entryOpts{
		tag: m.publication.name + " " + m.name, desc: "PUBLICATION TABLES IN SCHEMA", section: toc.SectionPostData,
		namespace: m.schemaName, owner: m.publication.owner,
		defn: "ALTER PUBLICATION " + e.r.ident(m.publication.name) + " ADD TABLES IN SCHEMA " + e.r.ident(m.schemaName) + ";\n",
	})
}
