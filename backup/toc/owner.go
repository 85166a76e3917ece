package toc

import (
	"fmt"
	"strings"
)

// owned returns what ALTER ... OWNER TO calls the entry's object, or "" where
// such objects have no owner of their own.
func (d dialect) owned(e *Entry) (string, error) {
	switch e.Desc {
	case "VIEW", "SEQUENCE", "MATERIALIZED VIEW":
		if d < 16 { // ALTER TABLE serves for all, and pg_dump used to print it
			return "TABLE " + d.qualified(e.Namespace.S, e.Tag), nil
		}
		return e.Desc + " " + d.qualified(e.Namespace.S, e.Tag), nil
	case "COLLATION", "CONVERSION", "DOMAIN", "FOREIGN TABLE", "STATISTICS", "TABLE",
		"TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "TYPE",
		"DATABASE", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "PROCEDURAL LANGUAGE",
		"PUBLICATION", "SCHEMA", "SERVER", "SUBSCRIPTION":
		return e.Desc + " " + d.qualified(e.Namespace.S, e.Tag), nil
	case "AGGREGATE", "FUNCTION", "PROCEDURE", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY":
		// Arguments and access methods stand in the statement that drops the object.
		object, ok := strings.CutPrefix(e.Drop.S, "DROP ")
		if !ok {
			return "", fmt.Errorf("%v: its drop statement %.40q does not begin with DROP", e, e.Drop.S)
		}
		return strings.TrimRight(object, ";\n"), nil
	case "BLOB":
		return "LARGE OBJECT " + e.Tag, nil
	case "CAST", "CHECK CONSTRAINT", "CONSTRAINT", "DATABASE PROPERTIES", "DEFAULT",
		"FK CONSTRAINT", "INDEX", "POLICY", "ROW SECURITY", "RULE", "TRIGGER", "USER MAPPING":
		return "", nil
	}
	return "", fmt.Errorf("%v: it is not known how to set the owner of this kind of object", e)
}

// alterOwner returns the statements that give the entry's object to its owner.
// What has no statement that drops it is not owned apart from another object.
func (d dialect) alterOwner(e *Entry) ([]string, error) {
	if e.Owner.S == "" || e.Drop.S == "" {
		return nil, nil
	}
	to := " OWNER TO " + d.ident(e.Owner.S) + ";"
	if e.Desc == "BLOB METADATA" {
		return perBlob(e, "ALTER LARGE OBJECT ", to), nil
	}
	object, err := d.owned(e)
	if object == "" {
		return nil, err
	}
	return []string{"ALTER " + object + to}, nil
}
