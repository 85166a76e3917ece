package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// eventTrigger is a trigger on DDL or on logins.
type eventTrigger struct {
	object
	owner    string
	event    string
	tags     []string
	function string // regproc output
	enabled  byte   // 'O' origin and local, 'D' disabled, 'R' replica, 'A' always
}

var _ dumpable = (*eventTrigger)(nil)

func (r *reader) readEventTriggers() error {
	rows, err := query[struct {
		OID      uint32
		Name     string
		Owner    uint32
		Event    string
		Tags     texts
		Function string
		Enabled  byte
	}](r, "event triggers", `
		SELECT oid, evtname, evtowner, evtevent, evttags, evtfoid::pg_catalog.regproc::pg_catalog.text, evtenabled
		FROM pg_catalog.pg_event_trigger ORDER BY oid`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := &eventTrigger{
			object: object{kind: kindEventTrigger, cat: catalogID{pgEventTrigger, row.OID}, name: row.Name},
			owner:  r.roles[row.Owner], event: row.Event, tags: row.Tags,
			function: row.Function, enabled: row.Enabled,
		}
		r.add(t)
		r.selectObject(&t.object)
	}
	return nil
}

// triggerStates are what ALTER says for a trigger's enabled state.
var triggerStates = map[byte]string{'D': "DISABLE", 'A': "ENABLE ALWAYS", 'R': "ENABLE REPLICA"}

func (t *eventTrigger) emit(e *emitter) {
	name := e.r.ident(t.name)
	if t.has(compDefinition) {
		defn := "CREATE EVENT TRIGGER " + name + " ON " + e.r.ident(t.event)
		if len(t.tags) > 0 {
			tags := make([]string, len(t.tags))
			for i, tag := range t.tags {
				tags[i] = literal(tag)
			}
			defn += "\n         WHEN TAG IN (" + strings.Join(tags, ", ") + ")"
		}
		defn += "\n   EXECUTE FUNCTION " + t.function + "();\n"
		if state := triggerStates[t.enabled]; state != "" {
			defn += "\nALTER EVENT TRIGGER " + name + " " + state + ";\n"
		}
		e.object(&t.object, entryOpts{
			tag: t.name, desc: "EVENT TRIGGER", section: toc.SectionPostData, owner: t.owner,
			defn: defn,
			drop: "DROP EVENT TRIGGER " + name + ";\n",
		})
	}
	e.describe(&t.object, "EVENT TRIGGER", name, t.owner)
}
