package restore

import (
	"strconv"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// object names something that a set and a database may both hold, in the same
// way for both. Things of different kinds that share their names in PostgreSQL
// share them here: a table is replaced by a view of its name.
type object struct {
	Kind   string `json:"kind"`
	Schema string `json:"schema,omitempty"`
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"` // what else it takes to tell it: arguments, role
}

func (o object) String() string {
	if o.Schema == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Schema + "." + o.Name
}

// catalogID names a row of a catalog, as pg_depend does.
type catalogID struct {
	Class uint32 `json:"class"`
	OID   uint32 `json:"oid"`
}

// Catalogs by OID, the same in every release (src/include/catalog/*.h).
const (
	pgClass       = 1259
	pgUserMapping = 1418
)

func idOf(e *toc.Entry) catalogID { return catalogID{e.TableOID, e.OID} }

// role says how an entry's object is replaced.
type role int

const (
	noObject  role = iota // a comment, privileges, rows, what attaches one to another
	top                   // stands by itself, and is dropped
	attached              // belongs to a table that its name tells, and is dropped
	inside                // goes and comes with its table
	container             // stays where it is there already: schemas and extensions
	defaults              // default privileges
)

// roles are the kinds of entries that define an object.
var objectRoles = map[string]role{
	"TABLE": top, "VIEW": top, "MATERIALIZED VIEW": top, "FOREIGN TABLE": top, "SEQUENCE": top,
	"TYPE": top, "SHELL TYPE": top, "DOMAIN": top,
	"FUNCTION": top, "PROCEDURE": top, "AGGREGATE": top,
	"OPERATOR": top, "OPERATOR CLASS": top, "OPERATOR FAMILY": top, "ACCESS METHOD": top,
	"COLLATION": top, "CONVERSION": top, "CAST": top, "TRANSFORM": top, "PROCEDURAL LANGUAGE": top,
	"TEXT SEARCH CONFIGURATION": top, "TEXT SEARCH DICTIONARY": top, "TEXT SEARCH PARSER": top, "TEXT SEARCH TEMPLATE": top,
	"FOREIGN DATA WRAPPER": top, "SERVER": top, "USER MAPPING": top,
	"PUBLICATION": top, "EVENT TRIGGER": top,
	"CONSTRAINT": attached, "CHECK CONSTRAINT": attached, "FK CONSTRAINT": attached,
	"TRIGGER": attached, "POLICY": attached, "RULE": attached,
	"INDEX": inside, "STATISTICS": inside, "DEFAULT": inside, "PUBLICATION TABLE": inside, "PUBLICATION TABLES IN SCHEMA": inside,
	"SCHEMA": container, "EXTENSION": container,
	"DEFAULT ACL": defaults,
}

// objectOf names the object that an entry defines.
func objectOf(e *toc.Entry) (object, role) {
	r := objectRoles[e.Desc]
	o := object{Kind: e.Desc, Schema: e.Namespace.String(), Name: e.Tag}
	switch e.Desc {
	case "TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE":
		o.Kind = "TABLE"
	case "TYPE", "SHELL TYPE", "DOMAIN":
		o.Kind = "TYPE"
	case "FUNCTION", "PROCEDURE", "AGGREGATE":
		o.Kind = "FUNCTION"
	case "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY":
		o.Detail = e.Drop.String() // arguments, access method
	case "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT":
		o.Kind, o.Detail = "CONSTRAINT", e.Drop.String() // where the table's name ends
	case "TRIGGER", "POLICY", "RULE":
		o.Detail = e.Drop.String()
	case "DEFAULT ACL":
		o.Detail = e.Owner.String()
	}
	return o, r
}

// blobOIDs are the large objects that an entry creates.
func blobOIDs(e *toc.Entry) (oids []int64) {
	var list string
	switch e.Desc {
	case "BLOB":
		list = e.Tag
	case "BLOB METADATA":
		list = e.Defn.String()
	}
	for field := range strings.FieldsSeq(list) {
		if oid, err := strconv.ParseInt(field, 10, 64); err == nil {
			oids = append(oids, oid)
		}
	}
	return oids
}

// ifExists is an entry's statement that drops its object, made to pass over
// what is not there any more, as the drop of a type may have taken the
// functions of the type along. The places are those where pg_restore --if-exists
// puts it (RestoreArchive in pg_backup_archiver.c).
func ifExists(e *toc.Entry) string {
	drop := e.Drop.String()
	if drop == "" || strings.HasPrefix(drop, "--") || strings.HasPrefix(drop, "CREATE OR REPLACE VIEW") {
		return drop
	}
	drop = strings.Replace(drop, "ALTER TABLE ", "ALTER TABLE IF EXISTS ", 1)
	what := "DROP " + e.Desc
	switch e.Desc {
	case "DEFAULT":
		return drop
	case "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT":
		what = "DROP CONSTRAINT"
	}
	return strings.Replace(drop, what, what+" IF EXISTS", 1)
}
