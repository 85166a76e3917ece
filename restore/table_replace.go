package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// rebuilt are the entries of the tables that are replaced or created, and of
// the state of their sequences, in the archive's order.
func (a *tableApply) rebuilt() []*toc.Entry {
	var names []manifest.TableName
	for _, u := range a.units {
		if u.Action != MergeTable {
			names = append(names, u.names...)
		}
	}
	if len(names) == 0 {
		return nil
	}
	picked := map[int]bool{}
	for _, e := range definition(a.archive.Entries, names) {
		picked[e.DumpID] = true
	}
	var out []*toc.Entry
	for _, e := range a.archive.Entries {
		state := e.Desc == "SEQUENCE SET" && slices.ContainsFunc(e.Deps, func(id int) bool { return picked[id] })
		if picked[e.DumpID] || state {
			out = append(out, e)
		}
	}
	return out
}

// rebuild drops what is replaced, with the views on it, builds the tables and
// loads their rows. It never cascades: DROP refuses where there is anything that
// the plan did not see.
func (a *tableApply) rebuild(ctx context.Context, entries []*toc.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	for _, v := range slices.Backward(a.live.views) {
		if !v.Recreate {
			continue
		}
		if err := a.exec(ctx, "dropping view "+v.String(), "DROP "+strings.ToUpper(viewKinds[v.Kind])+" "+v.String()); err != nil {
			return err
		}
	}
	var gone []string
	for _, u := range a.units {
		for _, t := range u.tables {
			if u.Action == ReplaceTable && t.Kind != "f" {
				gone = append(gone, quoteTable(t.name()))
			}
		}
	}
	if len(gone) > 0 {
		if err := a.exec(ctx, "dropping what is replaced", "DROP TABLE "+strings.Join(gone, ", ")); err != nil {
			return err
		}
	}
	session := a.session(a.archive)
	before := func(e *toc.Entry) bool {
		return e.Pass() == toc.PassMain && e.Section != toc.SectionPostData && !later(entries, e) && !a.joins(e)
	}
	if err := a.run(ctx, session, entries, before); err != nil {
		return err
	}
	if err := a.ownersOnly(ctx, entries); err != nil {
		return err
	}
	if err := a.run(ctx, session, entries, a.early); err != nil {
		return err
	}
	for _, u := range a.units {
		for _, g := range u.groups {
			if u.Action == MergeTable {
				continue
			}
			if err := a.load(ctx, g, func(part rowPart) (string, error) { return part.entry.CopyFrom() }); err != nil {
				return err
			}
		}
	}
	return nil
}

// later tells the comments and labels behind the first entry that comes after
// the data: they may be on any of these.
func later(entries []*toc.Entry, e *toc.Entry) bool {
	return slices.IndexFunc(entries, func(x *toc.Entry) bool { return x.Section == toc.SectionPostData || x == e }) != slices.Index(entries, e)
}

// joins tells the entries that make a rebuilt partition one of a table that
// stays. It would get that table's triggers, which then fired at its rows, and
// its indexes under names of PostgreSQL's choice: it joins when it has its own.
func (a *tableApply) joins(e *toc.Entry) bool {
	if e.Desc != "TABLE ATTACH" {
		return false
	}
	return !slices.ContainsFunc(a.units, func(u *unit) bool {
		return u.Action != MergeTable && slices.Contains(u.names[1:], tableName(e))
	})
}

// finishTables builds what comes after the rows: indexes, constraints,
// triggers, privileges, publications.
func (a *tableApply) finishTables(ctx context.Context, entries []*toc.Entry) error {
	picked := map[int]bool{}
	for _, e := range entries {
		picked[e.DumpID] = true
	}
	own := func(e *toc.Entry) bool { // what a partition must have before it joins
		switch e.Desc {
		case "INDEX", "CONSTRAINT", "CHECK CONSTRAINT":
			return true
		case "INDEX ATTACH":
			return !slices.ContainsFunc(e.Deps, func(id int) bool { return !picked[id] })
		}
		return false
	}
	session := a.session(a.archive)
	for _, choose := range []func(*toc.Entry) bool{
		own,
		a.joins,
		func(e *toc.Entry) bool {
			after := e.Section == toc.SectionPostData || later(entries, e)
			return e.Pass() == toc.PassMain && after && !own(e) && !a.joins(e) && e.Desc != "PUBLICATION TABLE"
		},
		func(e *toc.Entry) bool { return e.Pass() == toc.PassACL },
	} {
		if err := a.run(ctx, session, entries, func(e *toc.Entry) bool { return choose(e) && !a.early(e) }); err != nil {
			return err
		}
	}
	if a.chosenTables(entries) { // which holds no statistics
		if err := a.describeRows(ctx, a.replaced); err != nil {
			return err
		}
	}
	return a.publish(ctx, entries)
}

// describeRows gives what was created again the extended statistics that it had
// until now.
func (a *tableApply) describeRows(ctx context.Context, created func(oid uint32) bool) error {
	for _, s := range a.live.stats {
		if !created(s.Table) {
			continue
		}
		sql := s.Definition + "; ALTER STATISTICS " + s.String() + " OWNER TO " + quoteName(s.Owner)
		if s.Target >= 0 {
			sql += fmt.Sprintf("; ALTER STATISTICS %s SET STATISTICS %d", s, s.Target)
		}
		if s.Comment != nil {
			sql += "; COMMENT ON STATISTICS " + s.String() + " IS " + pgsession.QuoteLiteral(*s.Comment)
		}
		if err := a.keep(ctx, "statistics "+s.String(), sql); err != nil {
			return err
		}
	}
	return nil
}

// chosenTables tells a backup of chosen tables from one that has all that is on
// them, as every safety backup does.
func (p *TablePlan) chosenTables(entries []*toc.Entry) bool {
	return p.set.Purpose != manifest.Safety && slices.ContainsFunc(p.contents.Excluded, func(x manifest.Exclusion) bool { return x.Kind == "database" }) &&
		!slices.ContainsFunc(entries, func(e *toc.Entry) bool { return e.Desc == "STATISTICS" })
}

// publish gives rebuilt tables back to publications: to those of the backup
// that still exist, and to those that had the tables until now, unless the
// backup is the safety backup that is rolled back to.
func (a *tableApply) publish(ctx context.Context, entries []*toc.Entry) error {
	all, err := collect[struct {
		Name string
		All  bool
	}](ctx, a.conn, "publications", "SELECT pubname::pg_catalog.text, puballtables FROM pg_catalog.pg_publication")
	if err != nil {
		return err
	}
	done := map[[2]string]bool{} // publication and table
	for _, e := range entries {
		if e.Desc != "PUBLICATION TABLE" {
			continue
		}
		name, table := a.membership(e)
		i := slices.IndexFunc(all, func(p struct {
			Name string
			All  bool
		}) bool {
			return p.Name == name
		})
		switch {
		case i < 0:
			a.result.Notes = append(a.result.Notes, fmt.Sprintf("publication %s is not there any more: table %s is not in it", quoteName(name), table))
		case !all[i].All:
			done[[2]string{name, table}] = true
			if err := a.exec(ctx, "publishing table "+table, strings.TrimSpace(e.Defn.String())); err != nil {
				return err
			}
		}
	}
	for _, m := range a.live.members {
		table := a.liveName(m.Table)
		if !a.replaced(m.Table) || done[[2]string{m.Name, table}] {
			continue
		}
		if a.set.Purpose == manifest.Safety {
			a.result.Notes = append(a.result.Notes, fmt.Sprintf("table %s is not in publication %s any more, as it was not before", table, quoteName(m.Name)))
			continue
		}
		if err := a.keep(ctx, fmt.Sprintf("publication %s of table %s", quoteName(m.Name), table), m.Statement); err != nil {
			return err
		}
	}
	return nil
}

// membership is the publication of a PUBLICATION TABLE entry, and the quoted
// name of its table. The tag is one name behind the other.
func (p *TablePlan) membership(e *toc.Entry) (publication, table string) {
	for _, id := range e.Deps {
		t := p.archive.Entry(id)
		if t == nil || !isRelation(t) {
			continue
		}
		if name, ok := strings.CutSuffix(e.Tag, " "+t.Tag); ok && t.Namespace == e.Namespace {
			return name, quoteTable(tableName(t))
		}
	}
	return e.Tag, ""
}

// keep gives a rebuilt table what it had in the database and the backup does
// not have, unless it is about columns that are no more.
func (a *tableApply) keep(ctx context.Context, what, sql string) error {
	if err := a.exec(ctx, what, "SAVEPOINT keep"); err != nil {
		return err
	}
	err := a.exec(ctx, what, sql)
	var missing *pgconn.PgError
	if errors.As(err, &missing) && missing.Code == undefinedColumn {
		a.result.Notes = append(a.result.Notes, fmt.Sprintf("%s could not be kept: %s", what, missing.Message))
		return a.exec(ctx, what, "ROLLBACK TO keep")
	}
	return err
}

const undefinedColumn = "42703" // SQLSTATE undefined_column

// liveName is the quoted name of a chosen table of the database.
func (p *TablePlan) liveName(oid uint32) string {
	for _, u := range p.units {
		for _, t := range u.tables {
			if t.OID == oid {
				return quoteTable(t.name())
			}
		}
	}
	return ""
}

// recreateViews creates the dropped views as they were in the database, and
// fills those that are materialized and had rows.
func (a *tableApply) recreateViews(ctx context.Context) error {
	entries := definition(a.live.archive.Entries, a.recreated())
	session := a.session(a.live.archive)
	main := func(e *toc.Entry) bool { return e.Pass() == toc.PassMain }
	if err := a.run(ctx, session, entries, main); err != nil {
		return err
	}
	if err := a.ownersOnly(ctx, entries); err != nil {
		return err
	}
	for _, pass := range []toc.Pass{toc.PassACL, toc.PassPostACL} {
		if err := a.run(ctx, session, entries, func(e *toc.Entry) bool { return e.Pass() == pass }); err != nil {
			return err
		}
	}
	return a.describeRows(ctx, func(oid uint32) bool {
		return slices.ContainsFunc(a.live.views, func(v liveView) bool { return v.OID == oid && v.Recreate })
	})
}

func (p *TablePlan) recreated() (names []manifest.TableName) {
	for _, v := range p.live.views {
		if v.Recreate {
			names = append(names, manifest.TableName{Schema: v.Schema, Name: v.Name})
		}
	}
	return names
}

func (a *tableApply) session(archive *toc.Archive) *toc.Session {
	return toc.NewSession(archive, &toc.SQLOptions{Major: min(a.live.version/10000, toc.NewestMajor)})
}

// run runs the statements of the chosen entries, in their order.
func (a *tableApply) run(ctx context.Context, session *toc.Session, entries []*toc.Entry, choose func(*toc.Entry) bool) error {
	for _, e := range entries {
		if !choose(e) {
			continue
		}
		statements, err := session.Statements(e)
		if err != nil {
			return &EntryError{Desc: e.Desc, Name: e.Tag, Err: err}
		}
		script := strings.Join(append(session.Prepare(e), statements...), "\n")
		if _, err := a.conn.PgConn().Exec(ctx, script).ReadAll(); err != nil {
			return fmt.Errorf("%w", entryError(e, script, detailed(err)))
		}
	}
	return nil
}

// ownersOnly takes from new relations what default privileges gave others: the
// archive's statements only say what differs from PostgreSQL's own defaults.
func (a *tableApply) ownersOnly(ctx context.Context, entries []*toc.Entry) error {
	for _, e := range entries {
		if !isRelation(e) {
			continue
		}
		kind := "TABLE"
		if e.Desc == "SEQUENCE" {
			kind = "SEQUENCE"
		}
		name := quoteTable(tableName(e))
		rows, err := a.conn.Query(ctx, `
			SELECT DISTINCT `+grantee+` FROM pg_catalog.pg_class c, LATERAL pg_catalog.aclexplode(c.relacl) a
			WHERE c.oid = pg_catalog.to_regclass($1) AND a.grantee <> c.relowner`, name)
		if err != nil {
			return err
		}
		others, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, other := range others {
			if err := a.exec(ctx, "resetting the privileges of "+name, "REVOKE ALL ON "+kind+" "+name+" FROM "+other); err != nil {
				return err
			}
		}
	}
	return nil
}

// proveDefinitions holds the definitions against what they were or, for what
// was rebuilt, against the backup. What is created anew may be written otherwise
// by PostgreSQL (a CHECK of varchar IN (...) is, once), which is noted; nothing
// may be missing or new, and no privilege, owner or comment may differ.
func (a *tableApply) proveDefinitions(ctx context.Context, rebuilt []*toc.Entry) error {
	plan := *a.TablePlan
	plan.units = nil
	for _, u := range a.units {
		copied := *u
		plan.units = append(plan.units, &copied)
	}
	now, err := plan.readLive(ctx, a.conn)
	if err != nil {
		return err
	}
	if len(rebuilt) == 0 {
		return a.sameDefinitions("tables", describe(a.live.archive.Entries), describe(now.archive.Entries))
	}
	want, got := map[string]string{}, map[string]string{}
	fresh := func(what string, was, is []*toc.Entry) error {
		if err := a.sameDefinitions(what, keeping(was), keeping(is)); err != nil {
			return err
		}
		before, after := structure(was), structure(is)
		if err := a.sameDefinitions(what, namesOf(before), namesOf(after)); err != nil {
			return err
		}
		for k := range before {
			want[k], got[k] = before[k], after[k]
		}
		return nil
	}
	for i, u := range a.units {
		is := now.definition(plan.units[i])
		if u.Action != MergeTable {
			err = fresh("rebuilt tables", u.entries, is)
		} else {
			err = a.sameDefinitions("tables", describe(a.live.definition(u)), describe(is))
		}
		if err != nil {
			return err
		}
	}
	views := a.recreated()
	if err := fresh("views", definition(a.live.archive.Entries, views), definition(now.archive.Entries, views)); err != nil {
		return err
	}
	if d := difference(want, got); d != "" {
		a.result.Notes = append(a.result.Notes, "PostgreSQL writes these definitions otherwise since they were created again:\n"+d)
	}
	return nil
}

func namesOf(texts map[string]string) map[string]string {
	names := map[string]string{}
	for k := range texts {
		names[k] = k
	}
	return names
}

func (a *tableApply) sameDefinitions(what string, want, got map[string]string) error {
	if d := difference(want, got); d != "" {
		return fmt.Errorf("the definitions of %s would not be what they should be:\n%s", what, d)
	}
	return nil
}
