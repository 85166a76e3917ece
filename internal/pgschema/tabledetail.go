package pgschema

import (
	"fmt"
	"strings"
)

// readTableDetails reads what only some kinds of table have: bodies of views,
// partition keys and bounds, foreign servers.
func (r *reader) readTableDetails() error {
	for _, read := range []func() error{
		r.readViewDefinitions, r.readPartitionKeys, r.readPartitionBounds, r.readForeignTables,
	} {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}

// defined are the OIDs of the tables of some kinds whose definition is dumped.
func (r *reader) defined(kinds string) []uint32 {
	oids := []uint32{}
	for _, t := range r.tables {
		if t.has(compDefinition) && strings.IndexByte(kinds, t.relkind) >= 0 {
			oids = append(oids, t.oid())
		}
	}
	return oids
}

// oidText is a row of a query that describes relations.
type oidText struct {
	OID  uint32
	Text string
}

func (r *reader) readViewDefinitions() error {
	rows, err := query[oidText](r, "view definitions",
		`SELECT v, coalesce(pg_get_viewdef(v), '') FROM unnest($1::oid[]) AS v`, r.defined("vm"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.OID)
		if t.definition = strings.TrimSuffix(row.Text, ";"); t.definition == "" {
			return fmt.Errorf("%s %s was dropped while it was read; run the backup again", t.class(), r.qualified(t.schema(), t.name))
		}
	}
	return nil
}

func (r *reader) readPartitionKeys() error {
	rows, err := query[oidText](r, "partition keys",
		`SELECT p, pg_get_partkeydef(p) FROM unnest($1::oid[]) AS p`, r.defined("p"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		find[*table](r, pgClass, row.OID).partitionKey = row.Text
	}
	return nil
}

func (r *reader) readPartitionBounds() error {
	rows, err := query[oidText](r, "partition bounds", `
		SELECT c.oid, pg_get_expr(c.relpartbound, c.oid)
		  FROM unnest($1::oid[]) AS p JOIN pg_class c ON c.oid = p
		 WHERE c.relispartition`, r.defined("rpf"))
	if err != nil {
		return err
	}
	for _, row := range rows {
		find[*table](r, pgClass, row.OID).partitionOf = row.Text
	}
	return nil
}

func (r *reader) readForeignTables() error {
	rows, err := query[struct {
		OID             uint32
		Server, Options string
	}](r, "pg_foreign_table", `
		SELECT ft.ftrelid, fs.srvname, array_to_string(ARRAY(
		           SELECT quote_ident(option_name) || ' ' || quote_literal(option_value)
		             FROM pg_options_to_table(ft.ftoptions) ORDER BY option_name), E',\n    ')
		  FROM pg_foreign_table ft JOIN pg_foreign_server fs ON fs.oid = ft.ftserver`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if t := find[*table](r, pgClass, row.OID); t != nil {
			t.server, t.serverOptions = row.Server, row.Options
		}
	}
	return nil
}
