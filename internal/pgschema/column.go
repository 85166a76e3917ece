package pgschema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// columnDefault is a column's DEFAULT or generation expression. Inside CREATE
// TABLE unless it must stand alone (object.separate).
type columnDefault struct {
	object
	table  *table
	column *column
	expr   string
}

var (
	_ dumpable = (*columnDefault)(nil)
	_ tied     = (*columnDefault)(nil)
)

func (d *columnDefault) ties() []string { return []string{fmt.Sprintf("%05d", d.column.number)} }

// readColumns reads the columns of the tables that matter, their defaults and
// their NOT NULL and CHECK constraints, and works out what is inherited.
func (r *reader) readColumns() error {
	for _, read := range []func() error{r.readAttributes, r.readDefaults} {
		if err := read(); err != nil {
			return err
		}
	}
	if r.major >= 18 {
		if err := r.readInvalidNotNulls(); err != nil {
			return err
		}
	}
	if err := r.readChecks(); err != nil {
		return err
	}
	for _, t := range r.tables {
		r.flagInherited(t)
	}
	return r.readTableDetails()
}

// interestingTables are the OIDs of the tables that matter and pass keep.
func (r *reader) interestingTables(keep func(*table) bool) []uint32 {
	oids := []uint32{}
	for _, t := range r.tables {
		if t.interesting && keep(t) {
			oids = append(oids, t.oid())
		}
	}
	return oids
}

// notNullColumns are the constraint's columns in readAttributes: since
// PostgreSQL 18 NOT NULL is a constraint with a name.
func (r *reader) notNullColumns() (columns, join string) {
	if r.major < 18 {
		return `a.attnotnull, '', true, false, false, NULL::text`, ""
	}
	return `co.oid IS NOT NULL, coalesce(co.conname, ''), coalesce(co.conislocal, false),
			coalesce(co.connoinherit, false), coalesce(NOT co.convalidated, false),
			CASE WHEN co.convalidated THEN pt.description END`,
		`LEFT JOIN pg_constraint co ON co.conrelid = a.attrelid AND co.contype = 'n'
			AND co.conkey = array[a.attnum]
		LEFT JOIN pg_description pt ON pt.classoid = co.tableoid AND pt.objoid = co.oid`
}

func (r *reader) readAttributes() error {
	compression := `a.attcompression`
	if r.major < 14 {
		compression = `''::"char"`
	}
	notNulls, join := r.notNullColumns()
	rows, err := query[struct {
		Table                                          uint32
		Number                                         int
		Name, Type                                     string
		StatTarget                                     int
		Storage, TypStorage, Compression               byte
		Identity, Generated                            byte
		Dropped, Local, HasDefault                     bool
		Options                                        texts
		FDWOptions                                     string
		Collation                                      uint32
		NotNull                                        bool
		NotNullName                                    string
		NotNullLocal, NotNullNoInherit, NotNullInvalid bool
		NotNullComment                                 *string
	}](r, "pg_attribute", fmt.Sprintf(`
		SELECT a.attrelid, a.attnum, a.attname, coalesce(format_type(t.oid, a.atttypmod), ''),
		       coalesce(a.attstattarget, -1), a.attstorage, coalesce(t.typstorage, a.attstorage), %s,
		       a.attidentity, a.attgenerated, a.attisdropped, a.attislocal, a.atthasdef,
		       a.attoptions,
		       array_to_string(ARRAY(
		           SELECT quote_ident(option_name) || ' ' || quote_literal(option_value)
		             FROM pg_options_to_table(a.attfdwoptions) ORDER BY option_name), E',\n    '),
		       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation ELSE 0 END, %s
		  FROM unnest($1::oid[]) AS src(tbloid)
		  JOIN pg_attribute a ON a.attrelid = src.tbloid
		  LEFT JOIN pg_type t ON t.oid = a.atttypid
		  %s
		 WHERE a.attnum > 0
		 ORDER BY a.attrelid, a.attnum`, compression, notNulls, join),
		r.interestingTables(func(t *table) bool { return t.relkind != relSequence }))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		if row.Number != len(t.columns)+1 {
			return fmt.Errorf("table %s: column %d follows column %d: its pg_attribute rows are damaged",
				r.qualified(t.schema(), t.name), row.Number, len(t.columns))
		}
		c := &column{
			number: row.Number, name: row.Name, typ: row.Type, statTarget: row.StatTarget,
			storage: row.Storage, typStorage: row.TypStorage, compression: row.Compression,
			identity: row.Identity, generated: row.Generated,
			dropped: row.Dropped, local: row.Local, hasDefault: row.HasDefault,
			options: columnOptions(row.Options), fdwOptions: row.FDWOptions, collation: row.Collation,
		}
		c.notNull = notNull{
			set: row.NotNull && !row.NotNullInvalid, name: row.NotNullName,
			local: row.NotNullLocal, noInherit: row.NotNullNoInherit,
			invalid: row.NotNullInvalid, comment: row.NotNullComment,
		}
		if row.NotNullName == t.name+"_"+c.name+"_not_null" && row.NotNullComment == nil {
			c.notNull.name = "" // the name that the server would choose
		}
		t.columns = append(t.columns, c)
	}
	return nil
}

// columnOptions is the text of a column's options. The minor releases of late
// 2026 (15.20, 17.12) keep a version of their own making among them, which
// pg_dump leaves out and other servers refuse.
func columnOptions(options []string) string {
	return strings.Join(slices.DeleteFunc(options, func(o string) bool {
		return strings.HasPrefix(o, "pg_attver=")
	}), ", ")
}

func (r *reader) readDefaults() error {
	rows, err := query[struct {
		OID, Table uint32
		Number     int
		Expr       string
	}](r, "pg_attrdef", `
		SELECT a.oid, a.adrelid, a.adnum, pg_get_expr(a.adbin, a.adrelid)
		  FROM unnest($1::oid[]) AS src(tbloid)
		  JOIN pg_attrdef a ON a.adrelid = src.tbloid
		 ORDER BY a.adrelid, a.adnum`,
		r.interestingTables(func(t *table) bool {
			for _, c := range t.columns {
				if c.hasDefault {
					return true
				}
			}
			return false
		}))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		if row.Number < 1 || row.Number > len(t.columns) {
			return fmt.Errorf("table %s: a default belongs to column %d of %d",
				r.qualified(t.schema(), t.name), row.Number, len(t.columns))
		}
		c := t.columns[row.Number-1]
		if c.dropped {
			continue
		}
		d := r.addDefault(t, c, catalogID{pgAttrDef, row.OID}, row.Expr)
		// There is no statement that sets a generation expression alone; and
		// none that gives a view's column a default in CREATE VIEW.
		d.separate = c.generated == 0 && (t.relkind == relView || !t.prints(c))
		if !d.separate {
			// What the expression needs must come before the table.
			t.dependOn(d.id)
		}
	}
	return nil
}

func (r *reader) addDefault(t *table, c *column, cat catalogID, expr string) *columnDefault {
	d := &columnDefault{
		object: object{kind: kindAttrDef, cat: cat, name: t.name, nsp: t.nsp, of: t.id},
		table:  t, column: c, expr: expr,
	}
	r.add(d)
	d.dump = t.dump
	c.def = d
	return d
}

// flagInherited works out which of a child's NOT NULLs and generation
// expressions come from its parents, and gives a column that refuses its
// parents' default the DEFAULT NULL that it needs for that.
func (r *reader) flagInherited(t *table) {
	if len(t.parents) == 0 || t.dump == compNone {
		return
	}
	for _, c := range t.columns {
		if c.dropped {
			continue
		}
		var notNull, def, generated, sameGenerated, otherGenerated bool
		for _, parent := range t.parents {
			p := parent.columnNamed(c.name)
			if p == nil {
				continue
			}
			notNull = notNull || p.notNull.set
			def = def || (p.def != nil && p.generated == 0 && (r.major < 16 || p.def.expr != "NULL"))
			if p.generated != 0 {
				generated = true
				if p.def != nil && c.def != nil && p.def.expr == c.def.expr {
					sameGenerated = true
				} else {
					otherGenerated = true
				}
			}
		}
		switch {
		case r.major < 18 && notNull:
			c.notNull.local = false
		case r.major >= 18 && !notNull:
			// The child's is valid although no parent's is.
			c.notNull.local = true
		}
		if def && c.def == nil {
			d := r.addDefault(t, c, catalogID{}, "NULL")
			if d.separate = !t.prints(c); d.separate {
				d.dependOn(t.id)
			}
		}
		inherited := sameGenerated && !otherGenerated
		if r.major < 16 {
			inherited = generated
		}
		if inherited && !t.partition && c.def != nil {
			c.def.dump = compNone
		}
	}
}

func (t *table) columnNamed(name string) *column {
	for _, c := range t.columns {
		if c.name == name {
			return c
		}
	}
	return nil
}

func (d *columnDefault) emit(e *emitter) {
	if !d.separate || !d.has(compDefinition) {
		return
	}
	t := d.table
	name := e.r.qualified(t.schema(), t.name)
	column := e.r.ident(d.column.name)
	e.object(&d.object, entryOpts{
		tag: t.name + " " + d.column.name, desc: "DEFAULT", section: toc.SectionPreData,
		namespace: t.schema(), owner: t.owner,
		defn: fmt.Sprintf("ALTER %sTABLE ONLY %s ALTER COLUMN %s SET DEFAULT %s;\n", t.foreign(), name, column, d.expr),
		drop: fmt.Sprintf("ALTER %sTABLE %s ALTER COLUMN %s DROP DEFAULT;\n", t.foreign(), name, column),
	})
}

// reloptions is the text of a list of storage parameters. A value that needs
// no quotes as an identifier gets none.
func (r *reader) reloptions(options []string, prefix string) string {
	items := make([]string, len(options))
	for i, option := range options {
		name, value, _ := strings.Cut(option, "=")
		if r.ident(value) != value {
			value = literal(value)
		}
		items[i] = prefix + r.ident(name) + "=" + value
	}
	return strings.Join(items, ", ")
}
