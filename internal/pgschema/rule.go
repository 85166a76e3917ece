package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// rule is a rewrite rule. A view's ON SELECT rule is its body: it is separate
// only where a dependency loop tore it off.
type rule struct {
	object
	table      *table
	view       bool // ON SELECT DO INSTEAD
	enabled    byte // 'O' origin, 'A' always, 'R' replica, 'D' disabled
	definition string
}

var (
	_ dumpable = (*rule)(nil)
	_ tied     = (*rule)(nil)
)

func (q *rule) ties() []string { return []string{q.table.name} }

func (r *reader) readRules() error {
	rows, err := query[struct {
		OID        uint32
		Name       string
		Table      uint32
		View       bool
		Enabled    byte
		Definition string
	}](r, "rules", `
		SELECT oid, rulename, ev_class, ev_type = '1' AND is_instead, ev_enabled,
		       CASE WHEN ev_class = ANY ($1::pg_catalog.oid[]) AND NOT (ev_type = '1' AND is_instead)
		            THEN pg_catalog.pg_get_ruledef(oid) ELSE '' END
		FROM pg_catalog.pg_rewrite ORDER BY oid`, r.defined("rpvmf"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		if t == nil {
			continue
		}
		q := &rule{
			object: object{kind: kindRule, cat: catalogID{pgRewrite, row.OID}, name: row.Name, nsp: t.nsp, dump: t.dump},
			table:  t, view: row.View, enabled: row.Enabled, definition: row.Definition,
		}
		r.add(q)
		if row.View && (t.relkind == relView || t.relkind == relMatView) {
			// What the rule needs, the view needs.
			t.dependOn(q.id)
			q.of = t.id
		} else {
			q.dependOn(t.id)
			q.separate = true
		}
	}
	return nil
}

func (q *rule) emit(e *emitter) {
	if !q.separate {
		return
	}
	name, table := e.r.ident(q.name), e.r.qualified(q.table.schema(), q.table.name)
	defn := q.definition + "\n"
	drop := "DROP RULE " + name + " ON " + table + ";\n"
	if q.view {
		// The view exists with a dummy body, and returns to it.
		defn = q.table.viewStatement(e.r, "CREATE OR REPLACE VIEW "+table)
		drop = "CREATE OR REPLACE VIEW " + table + " AS\n" + q.table.dummyBody(e.r) + ";\n"
	}
	if verb := map[byte]string{'A': "ENABLE ALWAYS", 'R': "ENABLE REPLICA", 'D': "DISABLE"}[q.enabled]; verb != "" {
		defn += "ALTER TABLE " + table + " " + verb + " RULE " + name + ";\n"
	}
	if q.has(compDefinition) {
		e.object(&q.object, entryOpts{
			tag: q.table.name + " " + q.name, desc: "RULE", section: toc.SectionPostData,
			namespace: q.schema(), owner: q.table.owner, defn: defn, drop: drop,
		})
	}
	e.comment(&q.object, "RULE "+name+" ON", e.r.ident(q.table.name), q.table.owner)
}
