package pgschema

import (
	"fmt"
	"strings"
)

// filter is the caller's choice of schemas and tables, as OIDs. A nil map is a
// choice that was not made.
type filter struct {
	onlySchemas, exceptSchemas           map[uint32]bool
	onlyTables, exceptTables, exceptData map[uint32]bool
}

// everything reports whether no part was asked for: only then are objects
// dumped that live in no schema.
func (f *filter) everything() bool { return f.onlySchemas == nil && f.onlyTables == nil }

// namespace is what of a schema and of what is in it is dumped, where usual is
// what would be without a choice.
func (f *filter) namespace(oid uint32, usual component) component {
	switch {
	case f.onlyTables != nil, f.exceptSchemas[oid]:
		return compNone
	case f.onlySchemas != nil && f.onlySchemas[oid]:
		return compAll
	case f.onlySchemas != nil:
		return compNone
	}
	return usual
}

// table is what of a table, view or sequence is dumped, where usual is what
// its schema allows.
func (f *filter) table(oid uint32, usual component) component {
	switch {
	case f.exceptTables[oid]:
		return compNone
	case f.onlyTables != nil && f.onlyTables[oid]:
		return compAll
	case f.onlyTables != nil:
		return compNone
	}
	return usual
}

// rows reports whether a table's rows are dumped, given that the table is.
func (f *filter) rows(oid uint32) bool { return !f.exceptData[oid] }

// readFilter turns the caller's patterns into OIDs, and records what is left
// out because of them.
func (r *reader) readFilter() error {
	r.filter = &filter{}
	for _, choice := range []struct {
		patterns []string
		find     func(pattern string) ([]found, error)
		into     *map[uint32]bool
		kind     string // "schema" or "table"
		record   string // why something is missing; "" for a positive choice
		data     bool   // the definition stays
	}{
		{r.opts.Schemas, r.findSchemas, &r.filter.onlySchemas, "schema", "", false},
		{r.opts.ExcludeSchemas, r.findSchemas, &r.filter.exceptSchemas, "schema", "excluded", false},
		{r.opts.Tables, r.findTables, &r.filter.onlyTables, "table", "", false},
		{r.opts.ExcludeTables, r.findTables, &r.filter.exceptTables, "table", "excluded", false},
		{r.opts.ExcludeTableData, r.findTables, &r.filter.exceptData, "table data", "rows excluded", true},
	} {
		for _, pattern := range choice.patterns {
			matches, err := choice.find(pattern)
			if err != nil {
				return err
			}
			if *choice.into == nil {
				*choice.into = make(map[uint32]bool)
			}
			if len(matches) == 0 {
				if choice.record == "" {
					return fmt.Errorf("no %s matches %q", choice.kind, pattern)
				}
				r.schema.Warnings = append(r.schema.Warnings, fmt.Sprintf("no %s matches %q: nothing was excluded by it", choice.kind, pattern))
			}
			for _, m := range matches {
				if (*choice.into)[m.OID] {
					continue
				}
				(*choice.into)[m.OID] = true
				if choice.record != "" {
					r.schema.Excluded = append(r.schema.Excluded, Exclusion{
						Kind: choice.kind, Name: m.Name, Reason: choice.record + " by " + pattern, UserData: m.Rows,
					})
				}
			}
		}
	}
	if !r.filter.everything() {
		r.schema.Excluded = append(r.schema.Excluded, Exclusion{
			Kind: "database", Name: "everything else", Reason: "only chosen schemas or tables were asked for", UserData: true,
		})
	}
	return nil
}

// belongings reports whether what is on the chosen tables is dumped although
// pg_dump would not: it takes statistics for a part of their schema, and
// publications for one of the whole database.
func (r *reader) belongings() bool { return r.opts.Belongings && !r.filter.everything() }

// found is a schema or table that a pattern matches.
type found struct {
	OID  uint32
	Name string // schema, or schema.table, quoted where needed
	Rows bool   // it holds rows of the user's
}

func (r *reader) findSchemas(pattern string) ([]found, error) {
	parts, err := patternRegexps(pattern, 1)
	if err != nil {
		return nil, err
	}
	return query[found](r, "schemas", `
		SELECT n.oid, pg_catalog.quote_ident(n.nspname),
		       EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'm', 'S'))
		FROM pg_catalog.pg_namespace n
		WHERE n.nspname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default
		ORDER BY n.nspname`, parts[0])
}

func (r *reader) findTables(pattern string) ([]found, error) {
	parts, err := patternRegexps(pattern, 2)
	if err != nil {
		return nil, err
	}
	return query[found](r, "tables", `
		SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind IN ('r', 'm', 'S')
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'S', 'v', 'm', 'f', 'p') AND n.nspname <> 'pg_toast'
		  AND n.nspname OPERATOR(pg_catalog.~) $1 COLLATE pg_catalog.default
		  AND c.relname OPERATOR(pg_catalog.~) $2 COLLATE pg_catalog.default
		ORDER BY n.nspname, c.relname`, parts[0], parts[1])
}

// patternRegexps turns a psql pattern into anchored regular expressions, one
// for each of its parts between unquoted dots: exactly want of them, where
// missing ones at the front match anything.
func patternRegexps(pattern string, want int) ([]string, error) {
	parts := []string{""}
	last := func() *string { return &parts[len(parts)-1] }
	quoted := false
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		switch {
		case c == '"' && quoted && i+1 < len(pattern) && pattern[i+1] == '"':
			*last() += `"`
			i++
		case c == '"':
			quoted = !quoted
		case quoted && strings.IndexByte(`|*+?()[]{}.^$\`, c) >= 0, c == '$':
			*last() += `\` + string(c)
		case quoted:
			*last() += string([]byte{c})
		case c == '.':
			parts = append(parts, "")
		case c == '*':
			*last() += ".*"
		case c == '?':
			*last() += "."
		case c >= 'A' && c <= 'Z':
			*last() += string(c + 'a' - 'A')
		default:
			*last() += string([]byte{c})
		}
	}
	if quoted || pattern == "" || len(parts) > want {
		return nil, fmt.Errorf("%q is no pattern for a name: want at most %d part(s), quotes closed", pattern, want)
	}
	for i, p := range parts {
		parts[i] = "^(" + p + ")$"
	}
	for len(parts) < want {
		parts = append([]string{""}, parts...)
	}
	return parts, nil
}
