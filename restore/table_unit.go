package restore

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// unit is a chosen table with its partitions: what is restored together.
type unit struct {
	TableChange
	names   []manifest.TableName // in the backup, the chosen one first, parents before partitions
	entries []*toc.Entry         // the backup's definition, in the archive's order
	groups  []*rowGroup          // the backup's rows

	tables []liveTable // in the database, likewise; none where there is no such table
}

// rowGroup is rows that are compared and merged at once: those of one table
// or, where they are loaded through a partition root, of all its partitions.
type rowGroup struct {
	*proof.Group
	parts  []rowPart
	layers *proof.Layers // parts are the base of; nil: parts hold all rows
	staged string        // the temporary table that holds the rows, once they are loaded into one
}

// rowPart is one object of a group, with the columns in its order.
type rowPart struct {
	entry   *toc.Entry
	set     proof.Set
	object  string
	columns []string
}

// unitsOf puts the chosen tables together with their partitions. What is a
// partition of another chosen one is part of that.
func (p *TablePlan) unitsOf(names []manifest.TableName) (units []*unit, err error) {
	children := map[manifest.TableName][]manifest.TableName{}
	index := p.archive.Index()
	for _, e := range p.archive.Entries {
		if e.Desc != "TABLE ATTACH" {
			continue
		}
		for _, id := range e.Deps {
			if parent := index[id]; parent != nil && isRelation(parent) && tableName(parent) != tableName(e) {
				children[tableName(parent)] = append(children[tableName(parent)], tableName(e))
			}
		}
	}
	family := func(root manifest.TableName) []manifest.TableName {
		all := []manifest.TableName{root}
		for i := 0; i < len(all); i++ {
			all = append(all, children[all[i]]...)
		}
		return all
	}
	for i, name := range names {
		within := slices.ContainsFunc(names, func(other manifest.TableName) bool {
			return other != name && slices.Contains(family(other), name)
		})
		if within || slices.Contains(names[:i], name) {
			continue
		}
		u := &unit{TableChange: TableChange{Schema: name.Schema, Name: name.Name}, names: family(name)}
		u.Partitions = quoteAll(u.names[1:])
		u.entries = definition(p.archive.Entries, u.names)
		if err := p.findRows(u); err != nil {
			return nil, err
		}
		units = append(units, u)
	}
	return units, nil
}

// findRows finds the objects that hold the rows of a unit.
func (p *TablePlan) findRows(u *unit) error {
	mine := &manifest.Contents{}
	held := map[manifest.TableName]bool{}
	byLoad := map[manifest.TableName][]rowPart{} // by the table that they are loaded through
	for _, t := range p.contents.Tables {
		name := manifest.TableName{Schema: t.Schema, Name: t.Name}
		if !slices.Contains(u.names, name) {
			continue
		}
		held[name] = true
		mine.Tables = append(mine.Tables, t)
		u.Rows += t.Rows
		if t.Root != nil {
			name = *t.Root
		}
		if !slices.Contains(u.names, name) {
			p.refuse(u, "its rows may belong to other partitions by now, as they are loaded through %s: choose that", quoteTable(name))
		}
		from, objects := p.set, t.Objects
		l := p.chain.Layers(t.Schema, t.Name)
		if l != nil {
			from, objects = l.Base.Set, l.Base.Objects
		}
		for _, object := range objects {
			byLoad[name] = append(byLoad[name], rowPart{entry: p.loaders[manifest.Ref{Set: from.ID, Object: object}], set: from, object: object, columns: t.Columns})
		}
		if l != nil && len(l.Changes) > 0 {
			u.groups = append(u.groups, p.layeredRows(l, byLoad[name]))
		}
	}
	groups, err := proof.Groups(mine)
	if err != nil {
		return &proof.DamageError{Set: p.Set, Object: manifest.ContentsName, Err: err}
	}
	for _, g := range groups {
		u.groups = append(u.groups, &rowGroup{Group: g, parts: byLoad[manifest.TableName{Schema: g.Schema, Name: g.Name}]})
	}
	for _, e := range u.entries {
		if e.Desc == "TABLE" && !held[tableName(e)] && !partitioned(e) {
			p.refuse(u, "the set has no rows of %s: they were left out of the backup", quoteTable(tableName(e)))
		}
	}
	return nil
}

// refuse adds a reason for which Apply refuses a unit.
func (p *TablePlan) refuse(u *unit, format string, args ...any) {
	why := "table " + quoteTable(u.names[0]) + ": " + fmt.Sprintf(format, args...)
	if !slices.Contains(p.Refused, why) {
		p.Refused = append(p.Refused, why)
	}
}

// findLoaders notes which entry loads which object.
func (p *TablePlan) findLoaders() {
	p.loaders = map[manifest.Ref]*toc.Entry{}
	for _, e := range p.archive.Entries {
		if e.Desc != "TABLE DATA" {
			continue
		}
		note := func(s proof.Set, object string) { p.loaders[manifest.Ref{Set: s.ID, Object: object}] = e }
		if l := p.layers(e); l != nil {
			l.Each(note)
			continue
		}
		name, _ := proof.Stored(p.set.Manifest, e.File.String())
		note(p.set, name)
	}
}

// partitioned tells whether a TABLE entry's table has no rows of its own. The
// archive says so since version 1.16 only.
func partitioned(e *toc.Entry) bool {
	depth, before := 0, ""
	for _, t := range lex(e.Defn.String()) {
		switch {
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case t.text == ";":
			return false
		case t.kind == word && depth == 0:
			if before == "partition" && t.name() == "by" {
				return true
			}
			before = t.name()
		}
	}
	return false
}

// definition picks the entries that make up tables or views, in their order:
// these and what is on them, but neither rows nor what is on others because of
// them. It knows what is on a table by the statement where the dependencies,
// which a foreign key and a policy have on other tables as well, do not tell.
func definition(entries []*toc.Entry, names []manifest.TableName) (picked []*toc.Entry) {
	tables := map[int]bool{} // dump IDs
	var quoted []string
	for _, e := range entries {
		if isRelation(e) && e.Desc != "SEQUENCE" && slices.Contains(names, tableName(e)) {
			tables[e.DumpID] = true
			quoted = append(quoted, quotedIn(e))
		}
	}
	owned := map[int]bool{} // sequences
	for _, e := range entries {
		if e.Desc == "SEQUENCE OWNED BY" && slices.ContainsFunc(quoted, func(q string) bool { return strings.Contains(e.Defn.String(), " OWNED BY "+q+".") }) {
			owned[e.Deps[0]] = true
		}
	}
	mine := map[int]bool{}
	for _, e := range entries {
		on := func(ids map[int]bool) bool { return slices.ContainsFunc(e.Deps, func(id int) bool { return ids[id] }) }
		take := tables[e.DumpID] || owned[e.DumpID]
		switch e.Desc {
		case "INDEX", "STATISTICS", "PUBLICATION TABLE", "TABLE ATTACH", "MATERIALIZED VIEW DATA":
			take = take || on(tables)
		case "INDEX ATTACH", "COMMENT", "ACL", "SECURITY LABEL", "SEQUENCE OWNED BY":
			take = on(mine)
		case "SEQUENCE", "CONSTRAINT", "CHECK CONSTRAINT", "FK CONSTRAINT", "DEFAULT", "ROW SECURITY", "TRIGGER", "POLICY", "RULE":
			take = take || slices.ContainsFunc(quoted, func(q string) bool { return isOn(e, q) })
		}
		if e.Desc == "TABLE ATTACH" && len(e.Deps) > 0 && !slices.Contains(names, tableName(e)) {
			take = false // another partition of the same root
		}
		if take {
			mine[e.DumpID] = true
			picked = append(picked, e)
		}
	}
	return picked
}

// quotedIn is the table's name as the statements of its archive have it.
func quotedIn(e *toc.Entry) string {
	return strings.TrimSuffix(strings.TrimPrefix(e.Drop.String(), "DROP "+e.Desc+" "), ";\n")
}

// isOn tells whether an entry's statements are about a table.
func isOn(e *toc.Entry, quoted string) bool {
	defn := strings.TrimLeft(e.Defn.String(), "\n")
	for _, head := range []string{"ALTER TABLE ONLY ", "ALTER TABLE ", "ALTER FOREIGN TABLE ONLY ", "ALTER FOREIGN TABLE "} {
		rest, ok := strings.CutPrefix(defn, head+quoted)
		if ok && rest != "" && (rest[0] == ' ' || rest[0] == '\n') {
			return true
		}
	}
	drop := e.Drop.String()
	return strings.HasSuffix(drop, " ON "+quoted+";\n") || strings.HasPrefix(drop, "CREATE OR REPLACE VIEW "+quoted+" AS\n")
}

// kept tells the entries that a merge leaves as they are in the database: they
// say nothing of what the rows may be.
func kept(e *toc.Entry) bool {
	switch e.Desc {
	case "COMMENT", "ACL", "SECURITY LABEL":
		return true
	}
	return false
}

// structure are the definitions that must be equal for rows to be merged. What
// a backup of chosen tables lacks is left out: publications and statistics.
func structure(entries []*toc.Entry) map[string]string {
	texts := map[string]string{}
	for _, e := range entries {
		if !kept(e) && e.Section != toc.SectionData && e.Desc != "PUBLICATION TABLE" && e.Desc != "STATISTICS" {
			texts[e.String()] += strings.Trim(e.Defn.String(), "\n")
		}
	}
	return texts
}

// keeping are the definitions that a merge keeps.
func keeping(entries []*toc.Entry) map[string]string {
	texts := map[string]string{}
	for _, e := range entries {
		if kept(e) && !strings.HasPrefix(e.Tag, "STATISTICS ") {
			texts[e.String()] += strings.Trim(e.Defn.String(), "\n")
		}
		if owner := e.Owner.String(); e.Drop.String() != "" && isRelation(e) {
			texts["OWNER OF "+e.String()] = fmt.Sprintf("owner of %s: %s", e, owner)
		}
	}
	return texts
}

// difference shows what differs between definitions, one text behind the
// other; "" for the same.
func difference(backup, live map[string]string) string {
	var keys []string
	for k := range backup {
		keys = append(keys, k)
	}
	for k := range live {
		if _, both := backup[k]; !both {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		if backup[k] != live[k] {
			b.WriteString(k + ":\n")
			writeLines(&b, lines(backup[k]), lines(live[k]))
		}
	}
	return b.String()
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// writeLines writes the lines of two texts, each line once that is in both.
func writeLines(b *strings.Builder, x, y []string) {
	common := make([][]int, len(x)+1) // longest common subsequence of the rests
	for i := range common {
		common[i] = make([]int, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			b.WriteString("  " + x[i] + "\n")
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && common[i+1][j] >= common[i][j+1]:
			b.WriteString("- " + x[i] + "\n")
			i++
		default:
			b.WriteString("+ " + y[j] + "\n")
			j++
		}
	}
}
