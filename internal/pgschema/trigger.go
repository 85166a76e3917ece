package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// trigger is a trigger of a user's, or a partition's copy of one that was
// enabled or disabled on its own.
type trigger struct {
	object
	table      *table
	enabled    byte // 'O' origin, 'A' always, 'R' replica, 'D' disabled
	inherited  bool // the partitioned table's trigger makes it
	definition string
}

var (
	_ dumpable = (*trigger)(nil)
	_ tied     = (*trigger)(nil)
)

func (t *trigger) ties() []string { return []string{t.table.name} }

func (r *reader) readTriggers() error {
	oids := []uint32{}
	for _, t := range r.tables {
		if t.hasTriggers && t.has(compDefinition) {
			oids = append(oids, t.cat.oid)
		}
	}
	// Since 15 copies of triggers are known by their parent; before, by being
	// internal (pg_dump.c, getTriggers).
	inherited, own := "t.tgparentid <> 0", "NOT t.tgisinternal AND t.tgparentid = 0"
	if r.major < 15 {
		inherited, own = "t.tgisinternal", "NOT t.tgisinternal"
	}
	rows, err := query[struct {
		OID, Table uint32
		Name       string
		Definition string
		Enabled    byte
		Inherited  bool
	}](r, "triggers", `
		SELECT t.oid, t.tgrelid, t.tgname, pg_catalog.pg_get_triggerdef(t.oid, false), t.tgenabled, `+inherited+`
		FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS src(rel)
		JOIN pg_catalog.pg_trigger t ON src.rel = t.tgrelid
		LEFT JOIN pg_catalog.pg_trigger parent ON parent.oid = t.tgparentid
		WHERE `+own+` OR t.tgenabled <> parent.tgenabled
		ORDER BY t.tgrelid, t.tgname`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		table := find[*table](r, pgClass, row.Table)
		r.add(&trigger{
			object: object{kind: kindTrigger, cat: catalogID{pgTrigger, row.OID}, name: row.Name, nsp: table.nsp, dump: compAll},
			table:  table, enabled: row.Enabled, inherited: row.Inherited, definition: row.Definition,
		})
	}
	return nil
}

func (t *trigger) emit(e *emitter) {
	name, table := e.r.ident(t.name), e.r.qualified(t.table.schema(), t.table.name)
	on := name + " ON " + table
	defn := t.definition + ";\n" + e.r.dependsOnExtension(&t.object, "TRIGGER", on)
	drop := "DROP TRIGGER " + on + ";\n"
	verb := map[byte]string{'A': "ENABLE ALWAYS", 'R': "ENABLE REPLICA", 'D': "DISABLE"}[t.enabled]
	if t.inherited {
		defn, drop = "", ""
		if verb == "" {
			verb = "ENABLE"
		}
	}
	if verb != "" {
		defn += "\nALTER " + t.table.foreign() + "TABLE " + table + " " + verb + " TRIGGER " + name + ";\n"
	}
	entry := e.object(&t.object, entryOpts{
		tag: t.table.name + " " + t.name, desc: "TRIGGER", section: toc.SectionPostData,
		namespace: t.schema(), owner: t.table.owner, defn: defn, drop: drop,
	})
	if t.inherited {
		entry.Drop = toc.T("") // pg_dump empties it, but has one
	}
	e.comment(&t.object, "TRIGGER "+name+" ON", e.r.ident(t.table.name), t.table.owner)
}
