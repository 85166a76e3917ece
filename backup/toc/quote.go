package toc

import "strings"

// NewestMajor is the newest PostgreSQL whose dialect [SQLOptions.Major] names.
const NewestMajor = 18

// keywords are the words that PostgreSQL quotes when they are names, by the
// major that made them keywords (13 and before: 13). They are those of
// pg_get_keywords() that are not unreserved.
var keywords = func() map[string]int {
	since := map[string]int{}
	for major, words := range map[int]string{
		13: "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast char character check coalesce collate collation column concurrently constraint create cross current_catalog current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join lateral leading least left like limit localtime localtimestamp national natural nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision primary real references returning right row select session_user setof similar smallint some substring symmetric table tablesample then time timestamp to trailing treat trim true union unique user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable",
		16: "json_array json_arrayagg json_object json_objectagg system_user",
		17: "json json_exists json_query json_scalar json_serialize json_table json_value merge_action",
	} {
		for word := range strings.FieldsSeq(words) {
			since[word] = major
		}
	}
	return since
}()

// dialect is the major of PostgreSQL that SQL is written for.
type dialect int

// ident writes a name as fmtId of that PostgreSQL's clients does: quoted when it
// must be, doubling quotes.
func (d dialect) ident(name string) string {
	if since, ok := keywords[name]; plain(name) && (!ok || int(d) < since) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// qualified writes a name with its schema, if it has one.
func (d dialect) qualified(schema, name string) string {
	if schema == "" {
		return d.ident(name)
	}
	return d.ident(schema) + "." + d.ident(name)
}

// plain tells the names that read the same without quotes.
func plain(name string) bool {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
