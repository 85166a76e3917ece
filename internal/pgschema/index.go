package pgschema

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// index is an index of a table. One that a constraint owns is created by the
// constraint.
type index struct {
	object
	table      *table
	constraint *constraint
	definition string
	tablespace string
	options    []string
	keys       []int16 // column numbers, 0 for an expression
	keyCount   int     // how many of keys are searched by; the rest is INCLUDE
	parent     uint32  // index of the partitioned table that it is a partition of

	clustered, replicaIdentity bool
	nullsNotDistinct           bool

	statColumns []int16 // columns with a statistics target of their own
	statTargets []int16

	attached []*indexAttach // partitions of this index
}

var _ dumpable = (*index)(nil)

// readIndexes reads the indexes of the tables that matter, with the
// constraints that own them. Invalid ones are left out with a warning, but for
// those of partitioned tables, which stay invalid until the last partition is
// attached.
func (r *reader) readIndexes() error {
	nullsNotDistinct, period := "false", "false"
	if r.major >= 15 {
		nullsNotDistinct = "i.indnullsnotdistinct"
	}
	if r.major >= 18 {
		period = "coalesce(c.conperiod, false)"
	}
	rows, err := query[indexRow](r, "pg_index", fmt.Sprintf(`
		SELECT t.oid, i.indrelid, t.relname, pg_get_indexdef(i.indexrelid), coalesce(inh.inhparent, 0),
		       i.indkey::int2[], i.indnkeyatts, i.indisclustered, i.indisreplident, %s,
		       coalesce(ts.spcname, ''), t.reloptions,
		       ARRAY(SELECT a.attnum FROM pg_attribute a
		              WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0 ORDER BY a.attnum),
		       ARRAY(SELECT a.attstattarget::int2 FROM pg_attribute a
		              WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0 ORDER BY a.attnum),
		       coalesce(c.oid, 0), coalesce(c.contype, ' '), coalesce(c.conname, ''),
		       coalesce(pg_get_constraintdef(c.oid, false), ''),
		       coalesce(c.condeferrable, false), coalesce(c.condeferred, false), %s,
		       (i.indisvalid OR t2.relkind = 'p') AND i.indisready
		  FROM unnest($1::oid[]) AS src(tbloid)
		  JOIN pg_index i ON i.indrelid = src.tbloid
		  JOIN pg_class t ON t.oid = i.indexrelid
		  JOIN pg_class t2 ON t2.oid = i.indrelid
		  LEFT JOIN pg_constraint c ON c.conrelid = i.indrelid AND c.conindid = i.indexrelid
		       AND c.contype IN ('p', 'u', 'x')
		  LEFT JOIN pg_inherits inh ON inh.inhrelid = i.indexrelid
		  LEFT JOIN pg_tablespace ts ON ts.oid = t.reltablespace
		 ORDER BY i.indrelid, t.relname`, nullsNotDistinct, period),
		r.interestingTables(func(t *table) bool { return t.hasIndex }))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		if row.Usable {
			r.addIndex(t, row)
		} else if t.has(compDefinition) {
			r.schema.Warnings = append(r.schema.Warnings, fmt.Sprintf(
				"index %s is left out because it is invalid; run REINDEX INDEX or DROP INDEX on it", r.qualified(t.schema(), row.Name)))
		}
	}
	r.attachIndexes()
	return nil
}

type indexRow struct {
	OID, Table                 uint32
	Name, Definition           string
	Parent                     uint32
	Keys                       []int16
	KeyCount                   int
	Clustered, ReplicaIdentity bool
	NullsNotDistinct           bool
	Tablespace                 string
	Options                    texts
	StatColumns, StatTargets   []int16
	ConOID                     uint32
	ConType                    byte
	ConName, ConDefinition     string
	Deferrable, Deferred       bool
	Period                     bool
	Usable                     bool
}

func (r *reader) addIndex(t *table, row indexRow) {
	i := &index{
		object: object{kind: kindIndex, cat: catalogID{pgClass, row.OID}, name: row.Name, nsp: t.nsp},
		table:  t, definition: row.Definition, tablespace: row.Tablespace, options: row.Options,
		keys: row.Keys, keyCount: row.KeyCount, parent: row.Parent,
		clustered: row.Clustered, replicaIdentity: row.ReplicaIdentity,
		nullsNotDistinct: row.NullsNotDistinct,
		statColumns:      row.StatColumns, statTargets: row.StatTargets,
	}
	r.add(i)
	i.dump = t.dump
	t.indexes = append(t.indexes, i)
	if row.ConOID == 0 {
		return
	}
	c := r.addConstraint(t, row.ConType, tableConstraint{
		OID: row.ConOID, Name: row.ConName, Definition: row.ConDefinition, Local: true,
	})
	c.separate, c.index = true, i
	c.deferrable, c.deferred, c.period = row.Deferrable, row.Deferred, row.Period
	i.constraint = c
}

func (i *index) parentOID() uint32 { return i.parent }

// keyNames are the quoted names of some of the index's columns; an expression
// ends the list.
func (i *index) keyNames(r *reader, from, to int) []string {
	var names []string
	for _, number := range i.keys[from:to] {
		if number == 0 {
			break
		}
		names = append(names, r.ident(i.table.columnName(number)))
	}
	return names
}

// systemColumns are the names of the columns that every table has
// (src/include/access/sysattr.h).
var systemColumns = map[int16]string{
	-1: "ctid", -2: "xmin", -3: "cmin", -4: "xmax", -5: "cmax", -6: "tableoid",
}

func (t *table) columnName(number int16) string {
	if number > 0 && int(number) <= len(t.columns) {
		return t.columns[number-1].name
	}
	return systemColumns[number]
}

// alterations are the statements behind a constraint that its index needs.
func (i *index) alterations(r *reader) string {
	return i.cluster(r) + i.identity(r) + r.dependsOnExtension(&i.object, "INDEX", r.qualified(i.schema(), i.name))
}

func (i *index) cluster(r *reader) string {
	if !i.clustered {
		return ""
	}
	return fmt.Sprintf("\nALTER TABLE %s CLUSTER ON %s;\n",
		r.qualified(i.table.schema(), i.table.name), r.ident(i.name))
}

func (i *index) identity(r *reader) string {
	if !i.replicaIdentity {
		return ""
	}
	return fmt.Sprintf("\nALTER TABLE ONLY %s REPLICA IDENTITY USING INDEX %s;\n",
		r.qualified(i.table.schema(), i.table.name), r.ident(i.name))
}

func (i *index) emit(e *emitter) {
	carrier := i.object
	if i.constraint != nil {
		// Its comment waits for what creates the index.
		carrier.id = i.constraint.id
	} else if i.has(compDefinition) {
		name := e.r.qualified(i.schema(), i.name)
		var b strings.Builder
		b.WriteString(i.definition + ";\n" + i.cluster(e.r))
		for n, column := range i.statColumns {
			fmt.Fprintf(&b, "ALTER INDEX %s ALTER COLUMN %d SET STATISTICS %d;\n", name, column, i.statTargets[n])
		}
		b.WriteString(e.r.dependsOnExtension(&i.object, "INDEX", name) + i.identity(e.r))
		drop := "DROP INDEX " + name + ";\n"
		if i.parent != 0 {
			drop = "" // goes with the partitioned index, and not alone
		}
		e.object(&i.object, entryOpts{
			tag: i.name, desc: "INDEX", section: toc.SectionPostData,
			namespace: i.table.schema(), tablespace: toc.T(i.tablespace), owner: i.table.owner,
			defn: b.String(),
		}).Drop = toc.T(drop)
	}
	e.comment(&carrier, "INDEX", e.r.ident(i.name), i.table.owner)
}

// indexAttach makes an index a partition of a partitioned table's index.
type indexAttach struct {
	object
	parent, index *index
}

var _ dumpable = (*indexAttach)(nil)

// attachIndexes registers the attachments. Each waits for both indexes, and
// for both tables, so that a parallel restore runs nothing else on them.
func (r *reader) attachIndexes() {
	for _, t := range r.tables {
		if !t.partition || len(t.parents) == 0 {
			continue
		}
		for _, i := range t.indexes {
			parent := find[*index](r, pgClass, i.parent)
			if parent == nil {
				continue
			}
			a := &indexAttach{
				object: object{kind: kindIndexAttach, name: i.name, nsp: t.nsp},
				parent: parent, index: i,
			}
			r.add(a)
			a.dump = compAll
			for _, o := range []*object{&i.object, &parent.object, &t.object, &parent.table.object} {
				a.dependOn(o.id)
			}
			parent.attached = append(parent.attached, a)
		}
	}
}

func (a *indexAttach) emit(e *emitter) {
	if !a.index.has(compDefinition) {
		return
	}
	e.object(&a.object, entryOpts{
		tag: a.name, desc: "INDEX ATTACH", section: toc.SectionPostData,
		namespace: a.schema(), owner: a.parent.table.owner,
		defn: fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s;\n",
			e.r.qualified(a.parent.schema(), a.parent.name), e.r.qualified(a.index.schema(), a.index.name)),
	})
}
