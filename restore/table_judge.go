package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// countBytes is the size up to which live rows are counted for a plan.
const countBytes = 256 << 20

// judge decides what is done to each table, and what stands in the way.
func (p *TablePlan) judge(ctx context.Context, conn *pgx.Conn) error {
	for _, u := range p.units {
		if err := p.judgeUnit(ctx, conn, u); err != nil {
			return err
		}
	}
	p.judgeKeys()
	p.judgeViews()
	if err := p.lookAtReplaced(ctx, conn); err != nil {
		return err
	}
	var standby, temporary bool
	err := conn.QueryRow(ctx, "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')").Scan(&standby, &temporary)
	if err != nil {
		return err
	}
	if standby {
		p.Refused = append(p.Refused, standbyTarget)
	}
	if !temporary {
		p.Refused = append(p.Refused, fmt.Sprintf("role %s may not make temporary tables, which the rows are compared in: grant it TEMPORARY on the database", p.live.user))
	}
	if p.set.Database != nil {
		switch same, err := takenFrom(ctx, conn, p.set.Database); {
		case err != nil:
			return err
		case same:
		case p.rollback:
			p.Refused = append(p.Refused, otherSafety(p.set.Manifest, p.Database))
		default:
			p.Notes = append(p.Notes, otherDatabase(p.set.Manifest))
		}
	}
	if len(p.set.Suspect) > 0 {
		p.Notes = append(p.Notes, "the set is suspect: "+strings.Join(p.set.Suspect, "; "))
	}
	if p.set.Database != nil && p.live.version/10000 != p.set.Database.ServerVersion/10000 {
		p.Notes = append(p.Notes, fmt.Sprintf("the server is release %d, the backup's was %d: the same definition may read otherwise",
			p.live.version/10000, p.set.Database.ServerVersion/10000))
	}
	for _, u := range p.units {
		p.Tables = append(p.Tables, u.TableChange)
	}
	return nil
}

func (p *TablePlan) judgeUnit(ctx context.Context, conn *pgx.Conn, u *unit) error {
	live := p.live.definition(u)
	u.Difference = difference(structure(u.entries), structure(live))
	switch {
	case len(u.tables) == 0:
		u.Action = CreateTable
	case u.Difference == "":
		u.Action = MergeTable
		u.Kept = difference(keeping(u.entries), keeping(live))
	default:
		u.Action = ReplaceTable
		if !p.opts.Replace {
			p.refuse(u, "its definition is not the backup's, and rebuilding it was not asked for:\n%s", u.Difference)
		}
	}
	for _, t := range u.tables {
		switch {
		case t.Kind != "r" && t.Kind != "p" && t.Kind != "f":
			p.refuse(u, "%s is no table in the database, but of kind %q: rename or drop it", quoteTable(t.name()), t.Kind)
		case !t.Owns:
			p.refuse(u, "role %s may not act as the owner of %s: connect as its owner or a superuser", p.live.user, quoteTable(t.name()))
		case t.Secured:
			p.refuse(u, "row security of %s holds for role %s: connect as a role with BYPASSRLS or a superuser", quoteTable(t.name()), p.live.user)
		}
	}
	foreign := slices.ContainsFunc(u.tables, func(t liveTable) bool { return t.Kind == "f" })
	if u.Action == MergeTable && foreign && slices.ContainsFunc(u.groups, func(g *rowGroup) bool { return g.Inherit }) {
		p.refuse(u, "its rows are loaded through it, and it has foreign tables as partitions: choose the partitions")
	}
	p.judgeStatistics(u)
	p.describeDependents(u, live)
	return u.countLive(ctx, conn)
}

// describeDependents lists what is on a unit.
func (p *TablePlan) describeDependents(u *unit, live []*toc.Entry) {
	oids := map[uint32]bool{}
	for _, t := range u.tables {
		oids[t.OID] = true
	}
	on := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(u.Dependents, text) {
			u.Dependents = append(u.Dependents, text)
		}
	}
	for _, v := range p.live.views {
		if slices.ContainsFunc(v.Reads, func(oid uint32) bool { return oids[oid] }) {
			on("%s %s", viewKinds[v.Kind], v)
		}
	}
	for _, k := range p.live.keys {
		if k.refersTo(oids) {
			on("%s", k)
		}
	}
	for _, m := range p.live.members {
		if oids[m.Table] {
			on("publication %s", quoteName(m.Name))
		}
	}
	for _, e := range live {
		if e.Desc == "TRIGGER" || e.Desc == "RULE" || e.Desc == "POLICY" {
			on("%s", e)
		}
	}
}

var viewKinds = map[string]string{"v": "view", "m": "materialized view", "r": "rule of table", "p": "rule of table", "f": "rule of table"}

// countLive counts rows, or takes PostgreSQL's word for large tables and for
// those that the role may not read.
func (u *unit) countLive(ctx context.Context, conn *pgx.Conn) error {
	for _, t := range u.tables {
		if t.Kind != "r" {
			continue
		}
		n := t.Guess
		if t.Bytes > countBytes || !t.Owns || t.Secured {
			u.Estimated = true
		} else if err := conn.QueryRow(ctx, "SELECT pg_catalog.count(*) FROM ONLY "+quoteTable(t.name())).Scan(&n); err != nil {
			return fmt.Errorf("counting table %s: %w", quoteTable(t.name()), err)
		}
		u.LiveRows += n
	}
	return nil
}

// judgeKeys lists the constraints that are taken away and added again: all but
// those of tables that are replaced, which come from the backup.
func (p *TablePlan) judgeKeys() {
	p.live.keys = slices.DeleteFunc(p.live.keys, func(k constraint) bool { return p.replaced(k.Table) })
	for _, k := range p.live.keys {
		p.Constraints = append(p.Constraints, k.String())
		if !k.Owns {
			p.Refused = append(p.Refused, fmt.Sprintf("%s must be taken away meanwhile, and role %s may not act as the owner of the table: connect as its owner or a superuser", k, p.live.user))
		}
		if k.Off {
			p.Refused = append(p.Refused, fmt.Sprintf("%s is not heeded, as triggers of it are turned off, and would be again when it was taken away and added: ALTER TABLE ... ENABLE TRIGGER ALL, here and on the tables that it refers to, or drop it", k))
		}
	}
}

// judgeStatistics notes those that go with a table and are not in the backup.
func (p *TablePlan) judgeStatistics(u *unit) {
	if u.Action != ReplaceTable || p.chosenTables(u.entries) {
		return
	}
	for _, s := range p.live.stats {
		of := slices.ContainsFunc(u.tables, func(t liveTable) bool { return t.OID == s.Table })
		held := slices.ContainsFunc(u.entries, func(e *toc.Entry) bool {
			return e.Desc == "STATISTICS" && e.Namespace.String() == s.Schema && e.Tag == s.Name
		})
		if of && !held {
			p.Notes = append(p.Notes, fmt.Sprintf("statistics %s of table %s are not in the backup, and go with the table", s, quoteTable(u.names[0])))
		}
	}
}

// replaced tells whether a table of the database is dropped.
func (p *TablePlan) replaced(oid uint32) bool {
	return slices.ContainsFunc(p.units, func(u *unit) bool {
		return u.Action == ReplaceTable && slices.ContainsFunc(u.tables, func(t liveTable) bool { return t.OID == oid })
	})
}

// judgeViews sorts what reads the tables into what is created again, refreshed
// and left.
func (p *TablePlan) judgeViews() {
	gone := map[uint32]bool{}
	for _, oid := range p.liveOIDs() {
		gone[uint32(oid)] = p.replaced(uint32(oid))
	}
	for i := range p.live.views {
		v := &p.live.views[i]
		v.Recreate = slices.ContainsFunc(v.Reads, func(oid uint32) bool { return gone[oid] })
		switch {
		case v.Recreate && v.Kind != "v" && v.Kind != "m":
			p.Refused = append(p.Refused, fmt.Sprintf("a rule of table %s depends on a table that is to be replaced: drop the rule, and create it again afterwards", v))
		case v.Recreate:
			gone[v.OID] = true
			p.Recreated = append(p.Recreated, v.String())
			p.ownsView(*v)
		case v.Kind == "m" && v.Populated && p.opts.NoRefresh:
			p.Stale = append(p.Stale, v.String())
		case v.Kind == "m" && v.Populated:
			p.Refreshed = append(p.Refreshed, v.String())
			p.ownsView(*v)
		}
	}
}

func (p *TablePlan) ownsView(v liveView) {
	if !v.Owns {
		p.Refused = append(p.Refused, fmt.Sprintf("role %s may not act as the owner of view %s, which reads a chosen table: connect as its owner or a superuser, or leave materialized views stale", p.live.user, v))
	}
}

// lookAtReplaced refuses where a table that is to be dropped has dependents
// that cannot be created again as they were, and where one cannot be built.
func (p *TablePlan) lookAtReplaced(ctx context.Context, conn *pgx.Conn) error {
	var tables, going, keys []int64
	var schemas []string
	for _, u := range p.units {
		if u.Action == MergeTable {
			continue
		}
		for _, n := range u.names {
			schemas = append(schemas, n.Schema)
		}
		for _, t := range u.tables {
			tables = append(tables, int64(t.OID))
		}
	}
	for _, v := range p.live.views {
		if v.Recreate {
			going = append(going, int64(v.OID))
		}
	}
	for _, k := range p.live.keys {
		keys = append(keys, int64(k.OID))
	}
	// As DROP ... RESTRICT follows dependencies (findDependentObjects in
	// dependency.c). A view stands for its rule.
	rows, err := conn.Query(ctx, `
		WITH RECURSIVE gone(class, oid) AS (
			SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid, oid::pg_catalog.oid FROM pg_catalog.unnest($1::pg_catalog.int8[]) t(oid)
			UNION
			SELECT d.classid, d.objid FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.class AND d.refobjid = g.oid
			WHERE d.deptype IN ('a', 'i', 'P', 'S')
			  AND (d.objsubid = 0 OR d.classid <> 'pg_catalog.pg_class'::pg_catalog.regclass))
		SELECT DISTINCT pg_catalog.format('%s depends on %s, which is to be replaced: drop it, and create it again afterwards',
			pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0))
		FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.class AND d.refobjid = g.oid
			LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid
		WHERE d.deptype = 'n' AND (d.classid, d.objid) NOT IN (SELECT class, oid FROM gone)
		  AND (w.oid IS NULL OR w.ev_class <> ALL ($1::pg_catalog.int8[]::pg_catalog.oid[]))
		  AND NOT (d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND (d.objid = ANY ($2::pg_catalog.int8[]::pg_catalog.oid[])
			OR EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid AND c.conparentid <> 0)))
		UNION ALL
		SELECT pg_catalog.format('table %s is filled by a subscription, and is to be replaced: take it out of the publication first', s.srrelid::pg_catalog.regclass)
		FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[])
		UNION ALL
		SELECT pg_catalog.format('role %s may not create tables in schema %s: grant it CREATE, or create the schema', current_user, w.name)
		FROM (SELECT DISTINCT name FROM pg_catalog.unnest($3::pg_catalog.text[]) s(name)) w
			LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = w.name
		WHERE n.oid IS NULL OR NOT pg_catalog.has_schema_privilege(n.oid, 'CREATE')
		ORDER BY 1`, slices.Concat(tables, going), keys, schemas)
	if err != nil {
		return fmt.Errorf("looking for what depends on the tables: %w", err)
	}
	reasons, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("looking for what depends on the tables: %w", err)
	}
	p.Refused = append(p.Refused, reasons...)
	return nil
}
