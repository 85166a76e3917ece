package pgschema

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// tableData is the rows of a table, the value of a sequence or the refresh of
// a materialized view.
type tableData struct {
	object
	table    *table
	filter   string // WHERE clause of a configuration table, or ""
	rows     *TableData
	sequence *Sequence
}

var _ dumpable = (*tableData)(nil)

// addTableData registers the data of a relation that has some of its own,
// unless it is known already or the caller left it out.
func (r *reader) addTableData(t *table) {
	if t.data != nil {
		return
	}
	d := &tableData{
		// No class: pg_depend has nothing to say of it.
		object: object{cat: catalogID{0, t.oid()}, name: t.name, nsp: t.nsp},
		table:  t,
	}
	switch t.relkind {
	case relTable:
		d.kind = kindTableData
		d.rows = &TableData{
			OID: t.oid(), Schema: t.schema(), Name: t.name, RelKind: t.relkind,
		}
	case relSequence:
		d.kind = kindSequenceSet
		d.sequence = &Sequence{OID: t.oid(), Schema: t.schema(), Name: t.name, qualified: r.qualified(t.schema(), t.name)}
	case relMatView:
		d.kind = kindRefreshMatView
	default:
		return // views have no rows, partitioned and foreign tables none here
	}
	if !r.filter.rows(t.oid()) {
		return
	}
	if r.standby && t.persistence == 'u' {
		missing := Exclusion{
			Kind: "table data", Name: r.qualified(t.schema(), t.name), UserData: true,
			Reason: "unlogged: a standby has no copy of it",
		}
		if t.relkind == relSequence {
			missing.Kind = "sequence value"
		}
		r.schema.Excluded = append(r.schema.Excluded, missing)
		r.schema.Warnings = append(r.schema.Warnings, fmt.Sprintf(
			"%s %s is not in the backup: unlogged, and a standby has no copy of it; back up from the primary to have it", missing.Kind, missing.Name))
		return
	}
	r.add(d)
	d.dump = compAll
	d.dependOn(t.id)
	t.data = d
	t.interesting = true
}

// readExtensionTables registers the rows of extensions' configuration tables:
// CREATE EXTENSION makes the tables, but not what users put in.
func (r *reader) readExtensionTables() error {
	for _, d := range r.objs {
		x, ok := d.(*extension)
		if !ok {
			continue
		}
		for i, oid := range x.config {
			t := find[*table](r, pgClass, oid)
			if t == nil || !r.dumpsConfiguration(x, t) {
				continue
			}
			r.addTableData(t)
			if t.data != nil && i < len(x.condition) {
				t.data.filter = x.condition[i]
			}
		}
	}
	return r.orderExtensionTables()
}

func (r *reader) dumpsConfiguration(x *extension, t *table) bool {
	if r.filter.exceptTables[t.oid()] || r.filter.exceptSchemas[t.nsp.cat.oid] {
		return false
	}
	return x.has(compDefinition) || r.filter.onlyTables[t.oid()] || t.nsp.has(compData)
}

// orderExtensionTables makes a configuration table load after those that its
// foreign keys refer to: unlike users' keys, they are there from the start.
func (r *reader) orderExtensionTables() error {
	rows, err := query[struct{ Child, Parent uint32 }](r, "foreign keys of extensions", `
		SELECT c.conrelid, c.confrelid
		  FROM pg_constraint c JOIN pg_depend d ON d.objid = c.confrelid
		 WHERE c.contype = 'f' AND d.classid = $1 AND d.refclassid = $2`, pgClass, pgExtension)
	if err != nil {
		return err
	}
	for _, row := range rows {
		child, parent := find[*table](r, pgClass, row.Child), find[*table](r, pgClass, row.Parent)
		if child != nil && parent != nil && child.data != nil && parent.data != nil {
			child.data.dependOn(parent.data.id)
		}
	}
	return nil
}

// readTableData registers the data of everything that is dumped with data.
func (r *reader) readTableData() error {
	for _, t := range r.tables {
		if t.has(compData) {
			r.addTableData(t)
		}
	}
	var oids []uint32
	for _, t := range r.tables {
		switch {
		case t.data == nil:
		case t.data.rows != nil:
			oids = append(oids, t.oid())
			r.describeRows(t)
		case t.data.sequence != nil:
			r.schema.Sequences = append(r.schema.Sequences, t.data.sequence)
		}
	}
	return r.readTableSizes(oids)
}

func (r *reader) describeRows(t *table) {
	rows := t.data.rows
	rows.Heap = t.am == "heap"
	rows.Columns = t.copyColumns()
	rows.Filter = t.data.filter
	if t.loadsByRoot() {
		root := t.root()
		rows.RootSchema, rows.RootName = root.schema(), root.name
	}
}

func (r *reader) readTableSizes(oids []uint32) error {
	rows, err := query[struct {
		OID          uint32
		Bytes, Pages int64
	}](r, "sizes of tables", `
		SELECT t, coalesce(pg_table_size(t::oid), 0),
		       coalesce(pg_relation_size(t::oid), 0) / current_setting('block_size')::bigint
		  FROM unnest($1::oid[]) AS t`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		data := find[*table](r, pgClass, row.OID).data.rows
		data.Bytes, data.Pages = row.Bytes, row.Pages
	}
	return nil
}

// readMatViewRefresh makes the refresh of a materialized view wait for that of
// those it reads, through views too; and leaves it out when one of them holds
// no rows, because it could not be refreshed.
func (r *reader) readMatViewRefresh() error {
	rows, err := query[struct{ View, Source uint32 }](r, "dependencies of materialized views", `
		WITH RECURSIVE reads AS (
		    SELECT c.oid AS view, d.refobjid AS source, s.relkind
		      FROM pg_class c
		      JOIN pg_rewrite w ON w.ev_class = c.oid
		      JOIN pg_depend d ON d.classid = $1 AND d.objid = w.oid AND d.refobjid <> c.oid
		      JOIN pg_class s ON s.oid = d.refobjid AND s.relkind IN ('m', 'v')
		     WHERE c.relkind = 'm'
		    UNION
		    SELECT reads.view, d.refobjid, s.relkind
		      FROM reads
		      JOIN pg_rewrite w ON w.ev_class = reads.source
		      JOIN pg_depend d ON d.classid = $1 AND d.objid = w.oid AND d.refobjid <> reads.source
		      JOIN pg_class s ON s.oid = d.refobjid AND s.relkind IN ('m', 'v'))
		SELECT view, source FROM reads WHERE relkind = 'm'`, pgRewrite)
	if err != nil {
		return err
	}
	for _, row := range rows {
		view, source := find[*table](r, pgClass, row.View), find[*table](r, pgClass, row.Source)
		if view == nil || source == nil || view.data == nil || source.data == nil {
			continue
		}
		view.data.dependOn(source.data.id)
		if !source.populated {
			view.populated = false
		}
	}
	return nil
}

func (d *tableData) emit(e *emitter) {
	t := d.table
	name := e.r.qualified(t.schema(), t.name)
	opts := entryOpts{
		tag: t.name, section: toc.SectionData, namespace: t.schema(), owner: t.owner,
		deps: []int{t.id}, // an entry of data has no arrows but this
	}
	switch d.kind {
	case kindTableData:
		opts.desc = "TABLE DATA"
		opts.hadData = true
		opts.file = toc.DataFile(d.id)
		from := name
		if d.rows.RootName != "" {
			from = e.r.qualified(d.rows.RootSchema, d.rows.RootName)
			opts.defn = toc.LoadViaPartitionRoot + oneLine(from)
		}
		opts.copy = "COPY " + from + " " + t.copyList(e.r) + " FROM stdin;\n"
		d.rows.Entry = e.object(&d.object, opts)
		e.r.schema.Tables = append(e.r.schema.Tables, d.rows)
	case kindSequenceSet:
		opts.desc = "SEQUENCE SET"
		d.sequence.Entry = e.follow(opts)
		d.sequence.SetValue(d.sequence.Last, d.sequence.Called)
	case kindRefreshMatView:
		if t.populated {
			opts.desc = "MATERIALIZED VIEW DATA"
			opts.section = toc.SectionPostData
			opts.defn = "REFRESH MATERIALIZED VIEW " + name + ";\n"
			opts.deps = d.deps
			e.object(&d.object, opts)
		}
	}
}

// oneLine is text that may stand in a comment line.
func oneLine(s string) string {
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(s)
}
