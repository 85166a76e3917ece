package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

var errNoTableConfirm = errors.New("restore: the restore overwrites tables, and TableOptions.Confirm is nil: nobody confirms it")

// tableApply is one run of a TablePlan.
type tableApply struct {
	*TablePlan
	conn   *pgx.Conn
	meter  *meter
	result *TableResult
	loads  int // temporary tables made so far
}

// Apply restores the tables as the plan says.
//
// It asks TableOptions.Confirm and downloads the rows that are to be merged into
// temporary tables, so that every object's checksum is known to be right. All
// else is one transaction, so that an error or the end of the process leaves
// what was there: it keeps writers away from the tables, and from those that
// refer to them (EXCLUSIVE), makes sure that they are what was planned, and takes
// a safety backup of exactly these tables; then it keeps everyone away (ACCESS
// EXCLUSIVE). A transaction that has read one of them by then, and waits to write
// to it, has its statement cancelled, as it would deadlock, and is in
// TableResult.Notes. Before the commit every table's digest is compared with the
// backup's, and the definitions are held against what they were or should be.
//
// No trigger of the user's and no rule fires, and nothing cascades along foreign
// keys: those that refer to the tables are taken away, added again and checked
// at the end; a violation is the error that PostgreSQL gives, which names the
// table, the key and the row. Generated columns are computed anew. Sequences
// that the tables own get exactly the state of the backup, as its rows do: what
// was numbered since is gone, and numbers are handed out again. Statistics of
// the planner are gathered anew. Event triggers of the database do not
// fire if the role may turn them off, which a superuser of PostgreSQL 17 or newer
// may; else they do, as whenever tables are altered, and the plan notes them.
//
// The result is not nil once the safety backup was taken, error or not: its
// Safety is what [Restorer.PlanTablesRollback] takes. Errors: [*RefusedError],
// [ErrBusy], [*manifest.DamageError], [*EntryError], what Confirm returns, and
// what connecting and the database return.
func (p *TablePlan) Apply(ctx context.Context) (*TableResult, error) {
	switch {
	case p.applied:
		return nil, errApplied
	case p.opts.Confirm == nil:
		return nil, errNoTableConfirm
	}
	if err := p.Missing(); err != nil {
		return nil, err
	}
	p.applied = true
	if err := p.opts.Confirm(ctx, p); err != nil {
		return nil, err
	}
	conn, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := (&target{config: p.restorer.Target}).lock(ctx, conn); err != nil {
		return nil, err
	}
	a := &tableApply{TablePlan: p, conn: conn, meter: newMeter(p.restorer.Progress, p.rawBytes()),
		result: &TableResult{Set: p.Set, Database: p.Database, Notes: slices.Clone(p.Notes)}}
	if err := a.stage(ctx); err != nil {
		return nil, fmt.Errorf("restore: nothing was changed: %w", a.chain.Blame(err))
	}
	err = a.transact(ctx)
	a.meter.finish()
	a.result.Took = a.meter.elapsed()
	if err != nil && a.result.Safety == "" {
		return nil, err
	}
	return a.result, err
}

// rawBytes is what the chosen tables take in the set, before compression.
func (p *TablePlan) rawBytes() (n int64) {
	for _, u := range p.units {
		for _, g := range u.groups {
			for _, part := range g.parts {
				o, _ := part.set.Object(part.object)
				n += o.Raw
			}
		}
	}
	return n
}

// transact changes all or nothing.
func (a *tableApply) transact(ctx context.Context) error {
	if _, err := a.conn.Exec(ctx, "BEGIN; SET LOCAL lock_timeout = "+pgsession.QuoteLiteral(a.lockTimeout())); err != nil {
		return err
	}
	if err := a.within(ctx); err != nil {
		if _, rerr := a.conn.Exec(context.WithoutCancel(ctx), "ROLLBACK"); rerr != nil {
			a.conn.Close(context.WithoutCancel(ctx)) // which rolls back as well
		}
		return fmt.Errorf("restore: nothing was changed: %w", err)
	}
	if _, err := a.conn.Exec(ctx, "COMMIT"); err != nil {
		return fmt.Errorf("restore: committing, which has either changed all tables or none: %w", err)
	}
	return nil
}

// within is what is done in the transaction.
func (a *tableApply) within(ctx context.Context) error {
	a.meter.phase("locking")
	if err := a.lock(ctx, "EXCLUSIVE"); err != nil {
		return err
	}
	if err := a.sameAsPlanned(ctx); err != nil {
		return err
	}
	if err := a.save(ctx); err != nil {
		return err
	}
	a.meter.phase("locking")
	if err := a.lock(ctx, "ACCESS EXCLUSIVE"); err != nil {
		return err
	}
	if err := a.sameAsPlanned(ctx); err != nil {
		return err
	}
	return a.change(ctx)
}

// sameAsPlanned refuses what was not planned.
func (a *tableApply) sameAsPlanned(ctx context.Context) error {
	now, err := a.readLive(ctx, a.conn)
	if err == nil && now.print != a.live.print {
		err = errChanged
	}
	return err
}

// save takes the safety backup, of all that the database has of the tables.
func (a *tableApply) save(ctx context.Context) error {
	u := &undo{Set: a.Set}
	var patterns []string
	for _, unit := range a.units {
		for _, t := range unit.tables {
			patterns = append(patterns, quoteTable(t.name()))
		}
		for _, e := range a.live.definition(unit) {
			if e.TableOID != 0 {
				u.Replaced = append(u.Replaced, idOf(e))
			}
		}
	}
	if len(patterns) == 0 {
		return nil
	}
	a.meter.phase("safety backup")
	id, err := a.restorer.takeSafety(ctx, a.set.Manifest, u, func(d *backup.Dumper) {
		d.Tables, d.Belongings = patterns, true
		d.LockTimeout = a.opts.LockTimeout
	})
	if id != "" {
		a.result.Safety = id
	}
	return err
}

// lock locks the tables, and those whose constraints are taken away.
func (a *tableApply) lock(ctx context.Context, mode string) error {
	var names []string
	for _, u := range a.units {
		for _, t := range u.tables {
			if t.Kind != "f" {
				names = append(names, "ONLY "+quoteTable(t.name()))
			}
		}
	}
	for _, k := range a.live.keys {
		names = append(names, k.table())
	}
	slices.Sort(names)
	names = slices.Compact(names)
	note := func(note string) {
		a.restorer.logger().Warn(note)
		if !slices.Contains(a.result.Notes, note) {
			a.result.Notes = append(a.result.Notes, note)
		}
	}
	return locked(ctx, a.conn, note, func() error {
		for batch := range slices.Chunk(names, 400) {
			_, err := a.conn.Exec(ctx, "LOCK TABLE "+strings.Join(batch, ", ")+" IN "+mode+" MODE")
			if state := sqlState(err); state == lockNotAvailable || state == deadlock {
				return fmt.Errorf("waiting for those who use %s: end them, or allow a longer lock timeout: %w", strings.Join(batch, ", "), err)
			} else if err != nil {
				return fmt.Errorf("locking the tables: %w", err)
			}
		}
		return nil
	})
}

func (a *tableApply) lockTimeout() string {
	return (&Options{LockTimeout: a.opts.LockTimeout}).lockTimeout()
}

// change makes the tables what they were, and proves it.
func (a *tableApply) change(ctx context.Context) error {
	a.meter.phase("comparing rows")
	rebuilt := a.rebuilt()
	constraints, err := constraintTexts(ctx, a.conn, a.live.keys, len(rebuilt) == 0)
	if err != nil {
		return err
	}
	merges, err := a.compare(ctx)
	if err != nil {
		return err
	}
	sequences, err := a.sequences(ctx)
	if err != nil {
		return err
	}
	if len(rebuilt)+len(sequences) > 0 || slices.ContainsFunc(merges, (*merge).changes) {
		a.meter.phase("changing")
		// What is checked at the commit by default would stand in the way of ALTER TABLE.
		if _, err := a.conn.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
			return err
		}
		if err := a.exchange(ctx, merges, sequences, rebuilt); err != nil {
			return err
		}
	}
	a.meter.phase("proving")
	return a.prove(ctx, constraints, rebuilt)
}

// exchange puts the backup's rows and tables in the place of the database's.
func (a *tableApply) exchange(ctx context.Context, merges []*merge, sequences []ownedSequence, rebuilt []*toc.Entry) error {
	for _, k := range a.live.keys {
		if err := a.exec(ctx, "taking away "+k.String(), "ALTER TABLE "+k.table()+" DROP CONSTRAINT "+quoteName(k.Name)); err != nil {
			return err
		}
	}
	if err := a.rebuild(ctx, rebuilt); err != nil {
		return err
	}
	if err := a.mergeAll(ctx, merges); err != nil {
		return err
	}
	for _, s := range sequences {
		if err := s.reset(ctx, a.conn); err != nil {
			return err
		}
	}
	if err := a.finishTables(ctx, rebuilt); err != nil {
		return err
	}
	for _, k := range a.live.keys {
		if err := a.addKey(ctx, k); err != nil {
			return err
		}
	}
	if err := a.recreateViews(ctx); err != nil {
		return err
	}
	for _, v := range a.Refreshed {
		if err := a.exec(ctx, "refreshing "+v, "REFRESH MATERIALIZED VIEW "+v); err != nil {
			return err
		}
	}
	for _, u := range a.units {
		if err := a.exec(ctx, "analyzing", "ANALYZE "+quoteTable(u.names[0])); err != nil {
			return err
		}
	}
	return nil
}

// addKey adds a constraint again, which checks it unless it is NOT VALID.
func (a *tableApply) addKey(ctx context.Context, k constraint) error {
	err := a.exec(ctx, "adding "+k.String()+" again (where rows are missing, restore the other table as well)",
		"ALTER TABLE "+k.table()+" ADD CONSTRAINT "+quoteName(k.Name)+" "+k.Definition)
	if err != nil || k.Comment == nil {
		return err
	}
	return a.exec(ctx, "commenting on "+k.String(),
		"COMMENT ON CONSTRAINT "+quoteName(k.Name)+" ON "+k.table()+" IS "+pgsession.QuoteLiteral(*k.Comment))
}

// exec runs a statement of ours. PostgreSQL's detail names rows, where it has one.
func (a *tableApply) exec(ctx context.Context, what, sql string) error {
	if _, err := a.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", what, detailed(err))
	}
	return nil
}
