package pgschema

import (
	"fmt"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// tableAttach makes a table a partition of another.
type tableAttach struct {
	object
	parent, partition *table
}

var _ dumpable = (*tableAttach)(nil)

func (r *reader) addTableAttach(t *table) {
	a := &tableAttach{
		object: object{kind: kindTableAttach, name: t.name, nsp: t.nsp},
		parent: t.parents[0], partition: t,
	}
	r.add(a)
	a.dump = t.dump
	a.dependOn(t.id)
	a.dependOn(a.parent.id)
}

func (a *tableAttach) emit(e *emitter) {
	if !a.has(compDefinition) {
		return
	}
	e.object(&a.object, entryOpts{
		tag: a.name, desc: "TABLE ATTACH", section: toc.SectionPreData,
		namespace: a.schema(), owner: a.partition.owner,
		defn: fmt.Sprintf("ALTER TABLE ONLY %s ATTACH PARTITION %s %s;\n",
			e.r.qualified(a.parent.schema(), a.parent.name),
			e.r.qualified(a.partition.schema(), a.partition.name), a.partition.partitionOf),
	})
}
