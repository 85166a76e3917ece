package pgschema

import (
	"fmt"
	"slices"
	"strings"
)

// UnsupportedError names the objects of kinds that cannot be reproduced.
type UnsupportedError struct {
	Objects []string // as Options.ExcludeObjects takes them
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("%d object(s) of kinds that cannot be backed up: %s; exclude them by these names, and keep their definition elsewhere",
		len(e.Objects), strings.Join(e.Objects, ", "))
}

// userCatalogs are the catalogs whose rows are objects of users', with what the
// objects are called and the columns for schema and name.
var userCatalogs = []struct{ catalog, kind, schema, name, where string }{
	{"pg_collation", "COLLATION", "collnamespace", "collname", "true"},
	{"pg_conversion", "CONVERSION", "connamespace", "conname", "true"},
	{"pg_operator", "OPERATOR", "oprnamespace", "oprname", "true"},
	{"pg_opclass", "OPERATOR CLASS", "opcnamespace", "opcname", "true"},
	{"pg_opfamily", "OPERATOR FAMILY", "opfnamespace", "opfname", "true"},
	{"pg_statistic_ext", "STATISTICS", "stxnamespace", "stxname", "true"},
	{"pg_ts_config", "TEXT SEARCH CONFIGURATION", "cfgnamespace", "cfgname", "true"},
	{"pg_ts_dict", "TEXT SEARCH DICTIONARY", "dictnamespace", "dictname", "true"},
	{"pg_ts_parser", "TEXT SEARCH PARSER", "prsnamespace", "prsname", "true"},
	{"pg_ts_template", "TEXT SEARCH TEMPLATE", "tmplnamespace", "tmplname", "true"},
	{"pg_type", "TYPE", "typnamespace", "typname", "true"},
	{"pg_proc", "FUNCTION", "pronamespace", "proname", "true"},
	{"pg_class", "RELATION", "relnamespace", "relname", "relkind NOT IN ('i', 'I', 't')"},
	{"pg_am", "ACCESS METHOD", "0", "amname", "true"},
	{"pg_cast", "CAST", "0", "pg_catalog.format_type(castsource, NULL) || ' AS ' || pg_catalog.format_type(casttarget, NULL)", "true"},
	{"pg_event_trigger", "EVENT TRIGGER", "0", "evtname", "true"},
	{"pg_foreign_data_wrapper", "FOREIGN DATA WRAPPER", "0", "fdwname", "true"},
	{"pg_foreign_server", "SERVER", "0", "srvname", "true"},
	{"pg_language", "LANGUAGE", "0", "lanname", "true"},
	{"pg_publication", "PUBLICATION", "0", "pubname", "true"},
	{"pg_transform", "TRANSFORM", "0", "pg_catalog.format_type(trftype, NULL)", "true"},
}

// refuseUnsupported looks for objects of users' that no family registered.
// Those that follow from another object (its array type, its constructor
// functions) depend on it internally and need no family.
func (r *reader) refuseUnsupported() error {
	var sql strings.Builder
	for i, c := range userCatalogs {
		if i > 0 {
			sql.WriteString(" UNION ALL ")
		}
		// Not tableoid: of pg_subscription everyone may read columns only.
		class := "'pg_catalog." + c.catalog + "'::pg_catalog.regclass"
		fmt.Fprintf(&sql, `SELECT %s::pg_catalog.oid, c.oid, %s, '%s'::pg_catalog.text, (%s)::pg_catalog.text
			FROM pg_catalog.%s c WHERE c.oid >= %d AND %s
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
				WHERE d.classid = %[1]s AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'i')`,
			class, c.schema, c.kind, c.name, c.catalog, firstNormalOID, c.where)
	}
	// Of pg_subscription everyone may read some columns, the OID not among them.
	sql.WriteString(` UNION ALL SELECT 0, 0, 0, 'SUBSCRIPTION', subname::pg_catalog.text FROM pg_catalog.pg_subscription
		WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`)
	rows, err := query[struct {
		Class, OID, Schema uint32
		Kind, Name         string
	}](r, "objects of all kinds", sql.String()+" ORDER BY 4, 5")
	if err != nil {
		return err
	}
	var refused []string
	unused := slices.Clone(r.opts.ExcludeObjects)
	for _, row := range rows {
		id := catalogID{row.Class, row.OID}
		if r.byCat[id] != nil || r.members[id] != nil {
			continue
		}
		name := row.Kind + " " + row.Name
		wanted := r.filter.everything()
		if n := find[*namespace](r, pgNamespace, row.Schema); n != nil {
			name = row.Kind + " " + n.name + "." + row.Name
			wanted = n.contains&compDefinition != 0
		}
		switch {
		case !wanted:
		case slices.Contains(r.opts.ExcludeObjects, name):
			r.schema.Excluded = append(r.schema.Excluded, Exclusion{Kind: row.Kind, Name: name[len(row.Kind)+1:], Reason: "excluded by name"})
			unused = slices.DeleteFunc(unused, func(s string) bool { return s == name })
		case !slices.Contains(refused, name):
			refused = append(refused, name)
		}
	}
	for _, name := range unused {
		r.schema.Warnings = append(r.schema.Warnings, fmt.Sprintf("%q names no object that could not be backed up: nothing was excluded by it", name))
	}
	if len(refused) > 0 {
		return &UnsupportedError{Objects: refused}
	}
	return nil
}
