package pgschema

import (
	"fmt"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// statistics is an extended statistics object (CREATE STATISTICS).
type statistics struct {
	object
	owner      string
	definition string
	target     int // -1: the default
}

var _ dumpable = (*statistics)(nil)

// readStatistics reads the extended statistics of tables that are dumped.
func (r *reader) readStatistics() error {
	rows, err := query[struct {
		OID              uint32
		Name             string
		Namespace, Owner uint32
		Table            uint32
		Target           int
		Definition       string
	}](r, "pg_statistic_ext", `
		SELECT oid, stxname, stxnamespace, stxowner, stxrelid, coalesce(stxstattarget, -1),
		       coalesce(pg_get_statisticsobjdef(oid), '')
		  FROM pg_statistic_ext ORDER BY oid`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := &statistics{
			object: object{
				kind: kindStatsExt, cat: catalogID{pgStatisticExt, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			owner: r.roles[row.Owner], definition: row.Definition, target: row.Target,
		}
		r.add(s)
		r.selectObject(&s.object)
		switch t := find[*table](r, pgClass, row.Table); {
		case s.extID != 0:
		case t == nil || !t.has(compDefinition):
			s.dump = compNone
		case r.belongings():
			s.dump = compAll
		}
		if s.has(compDefinition) && s.definition == "" {
			return fmt.Errorf("statistics %s were dropped while they were read; run the backup again", r.qualified(s.schema(), s.name))
		}
	}
	return nil
}

func (s *statistics) emit(e *emitter) {
	name := e.r.qualified(s.schema(), s.name)
	if s.has(compDefinition) {
		defn := s.definition + ";\n"
		if s.target >= 0 {
			defn += fmt.Sprintf("ALTER STATISTICS %s SET STATISTICS %d;\n", name, s.target)
		}
		e.object(&s.object, entryOpts{
			tag: s.name, desc: "STATISTICS", section: toc.SectionPostData,
			namespace: s.schema(), owner: s.owner, defn: defn, drop: "DROP STATISTICS " + name + ";\n",
		})
	}
	e.comment(&s.object, "STATISTICS", e.r.ident(s.name), s.owner)
}
