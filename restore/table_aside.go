package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// statePasses bounds how often states are set: once for what is set on a
// partitioned table, which its partitions follow, then for what differs there.
const statePasses = 4

// firing is a trigger of the user's or a rule, and when it fires.
type firing struct {
	What   string // TRIGGER or RULE
	Table  uint32
	Schema string
	Name   string // of the table
	Self   string // its own name
	State  string // tgenabled, ev_enabled: O, D, R or A
	Clone  bool   // made by PostgreSQL for the trigger of a partitioned table
}

func (f firing) id() firing {
	f.State = ""
	return f
}

var firingVerbs = map[string]string{"O": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}

// aside is what is put back after the merge.
type aside struct {
	tables     []int64
	states     map[firing]string
	identities []identity
}

// identity is a table whose deletions a publication could not tell.
type identity struct{ Schema, Name, Was string }

// setAside turns the user's triggers and rules of the merged tables off, and
// gives those a replica identity that would refuse deletions without: a table
// that is in a publication, and has none of its own.
func (a *tableApply) setAside(ctx context.Context) (*aside, error) {
	s := &aside{states: map[firing]string{}}
	for _, u := range a.units {
		if u.Action != MergeTable {
			continue
		}
		for _, t := range u.tables {
			s.tables = append(s.tables, int64(t.OID))
		}
	}
	found, err := readFirings(ctx, a.conn, s.tables)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		s.states[f.id()] = f.State
	}
	if err := a.setStates(ctx, s.tables, func(firing) string { return "D" }); err != nil {
		return nil, err
	}
	s.identities, err = collect[identity](ctx, a.conn, "replica identities", `
		SELECT n.nspname::pg_catalog.text, c.relname::pg_catalog.text, CASE c.relreplident WHEN 'n' THEN 'NOTHING' ELSE 'DEFAULT' END
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid = ANY ($1::pg_catalog.int8[]::pg_catalog.oid[]) AND c.relkind = 'r'
		  AND (c.relreplident = 'n' OR c.relreplident = 'd'
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid))
		  AND EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubdelete)`, s.tables)
	if err != nil {
		return nil, err
	}
	return s, a.setIdentities(ctx, s.identities, func(identity) string { return "FULL" })
}

// putBack makes all fire as it did.
func (a *tableApply) putBack(ctx context.Context, s *aside) error {
	if err := a.setStates(ctx, s.tables, func(f firing) string { return s.states[f.id()] }); err != nil {
		return err
	}
	return a.setIdentities(ctx, s.identities, func(i identity) string { return i.Was })
}

func (a *tableApply) setIdentities(ctx context.Context, list []identity, to func(identity) string) error {
	for _, i := range list {
		table := quoteTable(manifest.TableName{Schema: i.Schema, Name: i.Name})
		if err := a.exec(ctx, "changing the replica identity of "+table, "ALTER TABLE ONLY "+table+" REPLICA IDENTITY "+to(i)); err != nil {
			return err
		}
	}
	return nil
}

// setStates gives every trigger and rule the state that want says. Whether ALTER
// TABLE ONLY leaves the partitions of a table alone differs between minor
// releases (it should since August 2022), and before PostgreSQL 15 only a
// superuser may change a partition's clone of a trigger by itself: so clones are
// left to their partitioned table at first, and looked at again.
func (a *tableApply) setStates(ctx context.Context, tables []int64, want func(firing) string) error {
	for pass := range statePasses {
		found, err := readFirings(ctx, a.conn, tables)
		if err != nil {
			return err
		}
		left := false
		for _, f := range found {
			to := want(f)
			if f.State == to {
				continue
			}
			left = true
			if pass == 0 && f.Clone {
				continue
			}
			table := quoteTable(manifest.TableName{Schema: f.Schema, Name: f.Name})
			sql := fmt.Sprintf("ALTER TABLE %s %s %s %s", table, firingVerbs[to], f.What, quoteName(f.Self))
			if err := a.exec(ctx, fmt.Sprintf("turning %s %s of %s off or on", f.What, quoteName(f.Self), table), sql); err != nil {
				return err
			}
		}
		if !left {
			return nil
		}
	}
	return fmt.Errorf("triggers and rules did not take the state that they should have")
}

// readFirings lists triggers and rules, those of partitioned tables before those
// of their partitions.
func readFirings(ctx context.Context, conn *pgx.Conn, tables []int64) ([]firing, error) {
	return collect[firing](ctx, conn, "triggers and rules", `
		SELECT f.what, c.oid, n.nspname::pg_catalog.text, c.relname::pg_catalog.text, f.self::pg_catalog.text, f.state::pg_catalog.text, f.clone
		FROM pg_catalog.unnest($1::pg_catalog.int8[]) WITH ORDINALITY w(oid, place)
			JOIN (SELECT 'TRIGGER' AS what, tgrelid AS rel, tgname AS self, tgenabled AS state, tgparentid <> 0 AS clone
				FROM pg_catalog.pg_trigger WHERE NOT tgisinternal OR tgparentid <> 0 AND tgconstraint = 0
				UNION ALL
				SELECT 'RULE', ev_class, rulename, ev_enabled, false FROM pg_catalog.pg_rewrite) f ON f.rel = w.oid::pg_catalog.oid
			JOIN pg_catalog.pg_class c ON c.oid = f.rel JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		ORDER BY w.place, f.what, f.self`, tables)
}

// quietEventTriggers keeps event triggers from firing at what is done to the
// tables, which a session can since PostgreSQL 17, and says in the plan where it
// cannot. The role of a replica, which does as much for the restore of a whole
// database, would keep foreign keys from being checked as well.
func (p *TablePlan) quietEventTriggers(ctx context.Context, conn *pgx.Conn) error {
	names, err := collect[struct{ Name string }](ctx, conn, "event triggers", `
		SELECT evtname::pg_catalog.text FROM pg_catalog.pg_event_trigger WHERE evtenabled IN ('O', 'A') AND evtevent <> 'login' ORDER BY 1`)
	if err != nil || len(names) == 0 {
		return err
	}
	if _, err = conn.Exec(ctx, "SET event_triggers = off"); err == nil || sqlState(err) == "" {
		return err
	}
	var quoted []string
	for _, n := range names {
		quoted = append(quoted, quoteName(n.Name))
	}
	note := fmt.Sprintf("event triggers fire when tables are altered, and temporary ones made; to keep them from it, ALTER EVENT TRIGGER ... DISABLE before (a superuser of PostgreSQL 17 or newer need not): %s",
		strings.Join(quoted, ", "))
	if !slices.Contains(p.Notes, note) {
		p.Notes = append(p.Notes, note)
	}
	return nil
}
