package toc

import "strings"

// Pass is the time of a restore at which an entry has its turn. Within a pass,
// the order of the archive holds.
type Pass int

// The passes of pg_restore: privileges would hinder the owner's own later
// work, and refreshing a materialized view needs them.
const (
	PassMain    Pass = iota
	PassACL          // privileges and default privileges
	PassPostACL      // materialized views' rows, event triggers
)

// Passes are the passes in their order.
var Passes = [...]Pass{PassMain, PassACL, PassPostACL}

// Pass tells when the entry is restored.
func (e *Entry) Pass() Pass {
	switch e.Desc {
	case "ACL", "ACL LANGUAGE", "DEFAULT ACL":
		return PassACL
	case "EVENT TRIGGER", "MATERIALIZED VIEW DATA":
		return PassPostACL
	case "COMMENT", "SECURITY LABEL":
		if strings.HasPrefix(e.Tag, "EVENT TRIGGER ") {
			return PassPostACL
		}
	case "STATISTICS DATA":
		if e.Section == SectionPostData {
			return PassPostACL
		}
	}
	return PassMain
}

// IsSetting tells the entries that say how the rest is to be read; they are
// carried out by [Session.Settings].
func (e *Entry) IsSetting() bool {
	return e.Desc == "ENCODING" || e.Desc == "STDSTRINGS" || e.Desc == "SEARCHPATH"
}

// IsDatabase tells the entries about the database itself, its properties,
// privileges, comment and labels, which pg_restore leaves out unless it creates
// the database (-C).
func (e *Entry) IsDatabase() bool {
	switch e.Desc {
	case "DATABASE", "DATABASE PROPERTIES":
		return true
	case "ACL", "COMMENT", "SECURITY LABEL":
		return strings.HasPrefix(e.Tag, "DATABASE ")
	}
	return false
}

// IsACL tells the entries that pg_restore -x leaves out.
func (e *Entry) IsACL() bool { return e.Pass() == PassACL }

// IsSchema tells whether the statements of the entry belong to the schema:
// pg_restore -s runs them. The statements of an entry that has neither schema
// nor a data file, such as SEQUENCE SET or BLOB METADATA, are data.
func (e *Entry) IsSchema() bool {
	return e.Defn.S != "" && !strings.HasPrefix(e.Defn.S, LoadViaPartitionRoot) &&
		!e.IsSetting() && !e.isStatistics() && (e.HadDumper || !e.definesData()) &&
		!(e.Desc == "<Init>" && e.Tag == "Max OID") // written before 7.4
}

// IsData tells whether the entry brings rows, a sequence's state or large
// objects: by its file if it has one (HadDumper), else by its statements.
func (e *Entry) IsData() bool {
	return !e.IsSetting() && !e.isStatistics() && (e.HadDumper || e.definesData())
}

// isStatistics tells planner statistics, which are neither schema nor data.
func (e *Entry) isStatistics() bool { return e.Desc == "STATISTICS DATA" }

// definesData tells the kinds whose statements are data: a sequence's state,
// and everything about large objects.
func (e *Entry) definesData() bool {
	switch e.Desc {
	case "SEQUENCE SET", "BLOB", "BLOB METADATA":
		return true
	case "ACL", "COMMENT", "SECURITY LABEL":
		return strings.HasPrefix(e.Tag, "LARGE OBJECT")
	}
	return false
}
