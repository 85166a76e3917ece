package restore

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// nearNames is how many names a NoTableError offers at most.
const nearNames = 5

// NoTableError tells that a set has no table, or no single table, of a name.
type NoTableError struct {
	Set   string
	Name  string   // as it was given
	Why   string   // "it holds no such table"
	Tried []string // names that were perhaps meant, quoted, the nearest first
}

func (e *NoTableError) Error() string {
	s := fmt.Sprintf("restore: table %s of set %s: %s", e.Name, e.Set, e.Why)
	if len(e.Tried) > 0 {
		s += "; there is " + strings.Join(e.Tried, ", ")
	}
	return s
}

// splitName takes a table's name apart: schema is "" where none is given.
func splitName(s string) (name manifest.TableName, ok bool) {
	parts, quoted := []string{""}, false
	for i := 0; i < len(s); i++ {
		last := &parts[len(parts)-1]
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			*last += `"`
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, "")
		case !quoted && c >= 'A' && c <= 'Z':
			*last += string(c + 'a' - 'A')
		default:
			*last += s[i : i+1]
		}
	}
	if quoted || len(parts) > 2 || slices.Contains(parts, "") {
		return name, false
	}
	name.Name = parts[len(parts)-1]
	if len(parts) == 2 {
		name.Schema = parts[0]
	}
	return name, true
}

// resolve finds the chosen tables in the archive.
func (p *TablePlan) resolve(tables []string) (names []manifest.TableName, err error) {
	all := map[manifest.TableName]*toc.Entry{}
	for _, e := range p.archive.Entries {
		if isRelation(e) {
			all[tableName(e)] = e
		}
	}
	for _, given := range tables {
		want, ok := splitName(given)
		if !ok {
			return nil, &NoTableError{Set: p.Set, Name: given, Why: `this is no name: write schema.table, with "double quotes" around odd names`}
		}
		var found []manifest.TableName
		for name, e := range all {
			if name.Name == want.Name && (want.Schema == "" || name.Schema == want.Schema) && e.Desc == "TABLE" {
				found = append(found, name)
			}
		}
		slices.SortFunc(found, func(a, b manifest.TableName) int { return cmp.Compare(a.Schema, b.Schema) })
		switch {
		case len(found) == 1:
			names = append(names, found[0])
		case len(found) > 1:
			return nil, &NoTableError{Set: p.Set, Name: given, Why: "several schemas have it", Tried: quoteAll(found)}
		default:
			return nil, p.noTable(given, want, all)
		}
	}
	return names, nil
}

// all are the tables of the archive.
func (p *TablePlan) all() (names []manifest.TableName, err error) {
	for _, e := range p.archive.Entries {
		if e.Desc == "TABLE" {
			names = append(names, tableName(e))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("restore: set %s holds no table", p.Set)
	}
	return names, nil
}

// noTable says why a name names no table, with the nearest names that do.
func (p *TablePlan) noTable(given string, want manifest.TableName, all map[manifest.TableName]*toc.Entry) error {
	e := &NoTableError{Set: p.Set, Name: given, Why: "it holds no such table"}
	for name, other := range all {
		if name.Name == want.Name && (want.Schema == "" || want.Schema == name.Schema) {
			e.Why = "it is a " + strings.ToLower(other.Desc) + ", and tables alone are restored by name"
			return e
		}
	}
	for _, t := range p.contents.Tables {
		if t.Filter != "" && t.Name == want.Name && (want.Schema == "" || want.Schema == t.Schema) {
			e.Why = "it belongs to an extension, and comes back with the whole database alone"
			return e
		}
	}
	type near struct {
		name     manifest.TableName
		distance int
	}
	var candidates []near
	for name, entry := range all {
		if entry.Desc != "TABLE" {
			continue
		}
		d := distance(strings.ToLower(name.Name), strings.ToLower(want.Name))
		if d <= max(2, len(want.Name)/3) {
			candidates = append(candidates, near{name, d})
		}
	}
	slices.SortFunc(candidates, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.name.Schema, b.name.Schema), cmp.Compare(a.name.Name, b.name.Name))
	})
	for _, c := range candidates[:min(len(candidates), nearNames)] {
		e.Tried = append(e.Tried, quoteTable(c.name))
	}
	return e
}

// distance is how many characters must be put in, taken out or replaced to
// make one word of the other (Levenshtein).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		before := row[0]
		row[0] = i + 1
		for j := range y {
			cost := before
			if x[i] != y[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(y)]
}

// isRelation tells the entries of tables and of what shares their names.
func isRelation(e *toc.Entry) bool {
	switch e.Desc {
	case "TABLE", "FOREIGN TABLE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE":
		return true
	}
	return false
}

func tableName(e *toc.Entry) manifest.TableName {
	return manifest.TableName{Schema: e.Namespace.String(), Name: e.Tag}
}

func quoteTable(n manifest.TableName) string { return pgsession.QuoteIdent(n.Schema, n.Name) }

func quoteName(name string) string { return pgsession.QuoteIdent(name) }

func quoteAll(names []manifest.TableName) []string {
	var out []string
	for _, n := range names {
		out = append(out, quoteTable(n))
	}
	return out
}
