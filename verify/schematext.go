package verify

import (
	"regexp"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// definition is one object of the schema, as text. A schema compares as a
// multiset of them, because entries come in an order that may depend on OIDs.
type definition struct {
	what string // "TABLE public.tarefas"
	text string
}

// definitions are the entries that a restore brings back, without rows, state
// and what is of the database itself.
func definitions(entries []*toc.Entry, opts *CompareOptions) []definition {
	var defs []definition
	for _, e := range entries {
		if !e.IsSchema() || e.IsDatabase() || (e.IsACL() && !opts.comparesPrivileges()) || (e.Desc == "POLICY" && len(opts.Roles) > 0) {
			continue
		}
		d := definition{what: e.String(), text: e.Defn.String()}
		if owner := e.Owner.String(); owner != "" && !opts.NoOwner {
			if to, ok := opts.Roles[owner]; ok {
				owner = to
			}
			d.text += "\n-- owner: " + owner
		}
		if e.Tablespace.String() != "" {
			d.text += "\n-- tablespace: " + e.Tablespace.String()
		}
		if e.TableAM.String() != "" {
			d.text += "\n-- access method: " + e.TableAM.String()
		}
		defs = append(defs, d)
	}
	return defs
}

// within are the entries of schemas that the backup has something in, and of
// none.
func within(live, backup []*toc.Entry) []*toc.Entry {
	schemas := map[string]bool{"": true, "public": true}
	for _, e := range backup {
		schemas[schemaOf(e)] = true
	}
	return slices.DeleteFunc(slices.Clone(live), func(e *toc.Entry) bool { return !schemas[schemaOf(e)] })
}

// schemaOf is the schema that an entry is in, or that it is about.
func schemaOf(e *toc.Entry) string {
	if e.Desc == "SCHEMA" {
		return e.Tag
	}
	if name, ok := strings.CutPrefix(e.Tag, "SCHEMA "); ok && e.Namespace.String() == "" {
		return name
	}
	return e.Namespace.String()
}

// diff reports what is in one schema and not in the other. Where a text only
// changed as it does when PostgreSQL writes it out and reads it in again, it
// counts as equal, and the report says so.
func (c *comparison) diff(want, got []definition) {
	left, right := subtract(want, got), subtract(got, want)
	for _, w := range left {
		i := slices.IndexFunc(right, func(g definition) bool { return g.what == w.what })
		if i < 0 {
			c.rep.find(w.what, "it is in the backup and not in the database")
			continue
		}
		if g := right[i]; loose(g.text) != loose(w.text) {
			c.rep.find(w.what, "its definition differs from the backup's: %s", firstDifference(w.text, g.text))
		} else {
			c.rep.limit("%s: its definition is equal but for what stock tools change as well: casts, parentheses, the order of inherited columns", w.what)
		}
		right = slices.Delete(right, i, i+1)
	}
	for _, g := range right {
		c.rep.find(g.what, "it is in the database and not in the backup")
	}
}

// subtract is the definitions of a that b does not have as often.
func subtract(a, b []definition) []definition {
	have := map[definition]int{}
	for _, d := range b {
		have[d]++
	}
	var rest []definition
	for _, d := range a {
		if have[d] > 0 {
			have[d]--
		} else {
			rest = append(rest, d)
		}
	}
	return rest
}

var cast = regexp.MustCompile(`::(character varying|varchar|text|bpchar|character)(\(\d+\))?(\[\])?`)

var punctuation = strings.NewReplacer("(", "", ")", "", ",", "", " ", "")

// loose is a definition without what a stock dump and restore may change in
// it: the casts and parentheses of a CHECK on varchar, and the order of the
// columns of a table with several parents.
func loose(text string) string {
	lines := strings.Split(cast.ReplaceAllString(text, ""), "\n")
	for i, line := range lines {
		lines[i] = punctuation.Replace(line)
	}
	if strings.Contains(text, "\nINHERITS (") {
		slices.Sort(lines)
	}
	return strings.Join(lines, "")
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return "backup has «" + strings.TrimSpace(x) + "», the database «" + strings.TrimSpace(y) + "»"
		}
	}
	return "the texts are equal"
}
