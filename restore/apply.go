package restore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// dropTime bounds how long a failed restore drops what it had created.
const dropTime = time.Minute

// Result tells what a restore did.
type Result struct {
	Set      string        `json:"set"`
	Database string        `json:"database"`
	Tables   int           `json:"tables"`
	Rows     int64         `json:"rows"`
	Bytes    int64         `json:"bytes"`            // read from the set, before compression
	Took     time.Duration `json:"took"`             // nanoseconds
	Safety   string        `json:"safety,omitempty"` // the safety backup that was taken; "" for none
	Notes    []string      `json:"notes,omitempty"`
}

// Apply restores the set as the plan says. Rows reach a commit only after the
// checksum of the object that they came from was found right, and at the end
// the digest of every table is compared with the backup's.
//
// Any SQL error ends the restore with an *EntryError. A database that Apply
// created is then dropped; one that existed is left as it is at that point,
// and must be emptied before the next try. Roles that it created stay.
// Cancelling ctx ends every backend.
//
// A restore in place (see [Options.Replace]) first asks Options.Confirm and
// reads the set to its last byte. Then it keeps writers away from the tables
// that it replaces and takes a safety backup of all that it will change. What
// was there is dropped, and the schema created anew, in one transaction. Others
// may read the tables up to there; a transaction that has, and then waits to
// write to them, has its statement cancelled, as it would deadlock, and is in
// Result.Notes. If the restore fails up to there, nothing has changed; if it
// fails later or dies, the database is incomplete, and marked so until another
// restore ends well. An error after the safety backup is a [*ReplaceError],
// which names it. Backups of the database are refused until the end.
//
// Other errors: [*MissingError], [*RefusedError], [*NotEmptyError],
// [*manifest.DamageError], [ErrBusy], what Options.Confirm returns, and what
// connecting returns.
func (p *Plan) Apply(ctx context.Context) (*Result, error) {
	if p.applied {
		return nil, errApplied
	}
	if p.Replace != nil && p.opts.Confirm == nil {
		return nil, errNoConfirm
	}
	if err := p.Missing(); err != nil {
		return nil, err
	}
	p.applied = true
	t := p.target
	a := &apply{Plan: p, target: t, log: p.restorer.logger(), meter: newMeter(p.restorer.Progress, p.RawBytes)}
	cfg := t.config
	if t.create {
		cfg = t.admin
	}
	admin, err := pgsession.Connect(ctx, cfg, pgsession.Settings{Restoring: true})
	if err != nil {
		return nil, err
	}
	defer admin.Close(context.WithoutCancel(ctx))
	if err := t.lock(ctx, admin); err != nil {
		return nil, err
	}
	if err := a.all(ctx, admin); err != nil {
		a.abandon(ctx, admin)
		return nil, a.failed(a.chain.Blame(err))
	}
	a.meter.finish()
	return &Result{
		Set: p.Set, Database: p.Database, Tables: p.Tables, Rows: a.meter.rows(), Bytes: p.RawBytes,
		Took: a.meter.elapsed(), Safety: a.safety, Notes: append(p.Notes, a.notes...),
	}, nil
}

// all does the restore, step by step.
func (a *apply) all(ctx context.Context, admin *pgx.Conn) error {
	if err := a.confirmed(ctx); err != nil {
		return err
	}
	if a.opts.CreateRoles {
		if err := a.createRoles(ctx, admin); err != nil {
			return err
		}
	}
	if err := a.prepare(ctx, admin); err != nil {
		return err
	}
	if err := a.fill(ctx); err != nil {
		if !a.target.create && a.Replace == nil {
			a.log.Warn("the target keeps what was restored so far: empty it, or drop and create it, before the next try", "database", a.Database)
		}
		return err
	}
	if !a.target.create {
		return nil
	}
	if err := a.databaseProperties(ctx); err != nil {
		return err
	}
	return a.target.promote(ctx, admin)
}

// prepare makes the place that is then filled.
func (a *apply) prepare(ctx context.Context, admin *pgx.Conn) error {
	switch {
	case a.target.create:
		return a.createDatabase(ctx, admin)
	case a.Replace != nil:
		return a.inPlace(ctx, admin)
	}
	return a.target.checkEmpty(ctx, admin, a.ownSchemas()) // since the plan was made
}

// fill restores everything inside the database, or what follows the schema
// where that was replaced.
func (a *apply) fill(ctx context.Context) error {
	workers, err := a.connect(ctx)
	defer func() {
		for _, w := range workers {
			w.close()
		}
	}()
	if err != nil {
		return err
	}
	first := workers[0]
	if err := a.quietEventTriggers(ctx, workers); err != nil {
		return err
	}
	later := a.later()
	if a.Replace == nil {
		a.meter.phase("schema")
		if err := a.serial(ctx, first, func(e *toc.Entry) bool { return e.Pass() == toc.PassMain && !later[e] }); err != nil {
			return err
		}
	}
	a.meter.phase("data and indexes")
	if err := runGraph(ctx, a.graph(later), workers); err != nil {
		return err
	}
	if err := a.checkDigests(); err != nil {
		return err
	}
	if err := a.checkSequences(ctx, first); err != nil {
		return err
	}
	a.meter.phase("privileges")
	for _, pass := range []toc.Pass{toc.PassACL, toc.PassPostACL} {
		if err := a.serial(ctx, first, func(e *toc.Entry) bool { return e.Pass() == pass }); err != nil {
			return err
		}
	}
	a.meter.phase("analyzing")
	// This commit waits: when it is on disk, so is all before it.
	if _, err := first.conn.Exec(ctx, "SET synchronous_commit = on"); err != nil {
		return err
	}
	if names := a.analyzed(); names != "" || a.Replace == nil {
		if _, err := first.conn.Exec(ctx, "ANALYZE "+names); err != nil {
			return fmt.Errorf("analyzing: %w", err)
		}
	}
	return first.finish(ctx)
}

// later are the entries for the parallel part: rows, what comes after them, and
// the comments and labels behind the first of these, which may be on any.
func (a *apply) later() map[*toc.Entry]bool {
	later := map[*toc.Entry]bool{}
	for _, e := range a.archive.Entries {
		if e.Pass() != toc.PassMain || e.Section == toc.SectionPreData {
			continue
		}
		if e.Section >= toc.SectionData || len(later) > 0 {
			later[e] = true
		}
	}
	return later
}

// serial runs the chosen entries one after the other, in the archive's order.
func (a *apply) serial(ctx context.Context, w *worker, choose func(*toc.Entry) bool) error {
	for _, e := range a.archive.Entries {
		if !a.wanted(e) || a.leaves(e) || e.IsDatabase() || !choose(e) {
			continue
		}
		if err := w.entry(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// createRoles creates what is missing, without the right to log in.
func (a *apply) createRoles(ctx context.Context, admin *pgx.Conn) error {
	for _, role := range a.MissingRoles {
		if _, err := admin.Exec(ctx, "CREATE ROLE "+pgsession.QuoteIdent(role)+" NOLOGIN"); err != nil {
			return fmt.Errorf("creating the missing role %q: %w", role, err)
		}
	}
	return nil
}

func (a *apply) createDatabase(ctx context.Context, admin *pgx.Conn) error {
	for _, e := range a.archive.Entries {
		if e.Desc == "DATABASE" {
			return a.target.createStage(ctx, admin, e.Defn.String())
		}
	}
	return fmt.Errorf("restore: set %s has no DATABASE entry", a.Set)
}

// databaseProperties sets owner, comment, privileges and settings of the
// created database, once it is filled, where settings such as a read-only
// default would have stood in the way, and before it gets its name. It is done
// inside of it, because the texts are in its encoding.
func (a *apply) databaseProperties(ctx context.Context) error {
	conn, err := pgsession.Connect(ctx, a.target.stage(), a.settings())
	if err != nil {
		return err
	}
	w, stage := a.worker(conn), a.target.stageName()
	defer w.close()
	for _, e := range a.archive.Entries {
		if !e.IsDatabase() || !a.wanted(e) {
			continue
		}
		renamed := *e
		renamed.Defn = toc.T(rewriteDatabase(e.Defn.String(), stage))
		if e.Desc == "DATABASE" {
			renamed.Tag, renamed.Defn = stage, toc.Text{} // created already: its owner is left
		}
		if err := w.entry(ctx, &renamed); err != nil {
			return err
		}
	}
	return nil
}

// abandon drops the database that a failed restore had created.
func (a *apply) abandon(ctx context.Context, admin *pgx.Conn) {
	if !a.target.create {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTime)
	defer cancel()
	conn := admin
	if conn.IsClosed() { // cancelling ends the connection, too
		var err error
		if conn, err = pgsession.Connect(ctx, a.target.admin, pgsession.Settings{Restoring: true}); err != nil {
			a.log.Warn("could not drop the unfinished database", "database", a.target.stageName(), "err", err)
			return
		}
		defer conn.Close(ctx)
	}
	if err := a.target.drop(ctx, conn); err != nil {
		a.log.Warn("could not drop the unfinished database", "database", a.target.stageName(), "err", err)
	}
}
