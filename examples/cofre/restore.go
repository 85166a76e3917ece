package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/restore"
)

type restoreCommand struct {
	point
	target
	Replace bool `file:"no" help:"Restore over what the database holds, in place: what the backup holds is dropped there first, all else stays."`

	Jobs         uint              `placeholder:"N" help:"Tables and indexes to work on at a time. By default the number of CPUs, at least 2."`
	NoOwner      bool              `help:"Everything belongs to the role that restores."`
	NoPrivileges bool              `help:"Leave out GRANT and REVOKE."`
	CreateRoles  bool              `help:"Create the roles that are missing, without the right to log in."`
	MapRole      map[string]string `placeholder:"OLD=NEW" help:"Use another role in place of one of the backup. Repeat, or separate by semicolons."`

	overwriting
}

func (*restoreCommand) Help() string {
	return `Prints what it will do, asks for the name of the target, and then does it. Without
a terminal and without --confirm it ends after the plan: nothing is changed.

SET or --at says which backup. An incremental one is restored with all that it builds
on; latest is the newest of both kinds.

It does not overwrite: restore into a new name, look at it, then rename. A database
that it creates has its name only when everything is in it and checked.

With --replace it does. The plan names what is dropped, what stays and what is in the
way, which refuses it all. The backup is first read to its end, and all that it
replaces goes into a safety backup, which "cofre rollback" goes back to. If it fails
midway the database is marked as incomplete, until a restore or a rollback ends well.
--safety, the keys and --lock-timeout are for --replace alone.

Restoring runs the SQL in the backup, as the role that restores. That role needs
CREATEDB, or an empty database of its own, or to own what it replaces; roles and
extensions that the target lacks are listed before anything is done.

Examples:

  cofre restore --sink /var/backups/app --to postgresql://admin@db.example/app_restored latest
  cofre restore --to postgresql://me@localhost/test --no-owner --no-privileges --confirm test k7f3
  cofre restore --sink /var/backups/app --to postgresql://admin@db.example/app --replace latest
  cofre restore --to postgresql://admin@db.example/app_restored --at "2026-11-23 14:00"`
}

func (r *restoreCommand) Run(ctx context.Context, c *console, parsed *kong.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	f, err := r.find(ctx, c)
	if err != nil {
		return err
	}
	restorer, report := f.restorer(c, &r.target)
	if r.Replace {
		if err := r.secure(ctx, c, f, restorer); err != nil {
			return err
		}
	}
	plan, err := restorer.Plan(ctx, f.set, &restore.Options{
		Jobs: int(r.Jobs), NoOwner: r.NoOwner, NoPrivileges: r.NoPrivileges, Roles: r.MapRole, CreateRoles: r.CreateRoles,
		Replace: r.Replace, Confirm: agreed[*restore.Plan], LockTimeout: r.LockTimeout,
	})
	if is[*restore.NotEmptyError](err) {
		return fmt.Errorf("%w, or restore over it with --replace", err)
	}
	if err != nil {
		return err
	}
	err = r.restore(ctx, c, parsed, plan, report)
	if is[*restore.MissingError](err) {
		return fmt.Errorf("%w: see --create-roles, --map-role, --no-owner and --no-privileges", err)
	}
	return err
}

// reporter passes on what is reported while there is somebody to report to.
type reporter struct{ to func(step) }

// restorer returns what restores into a target, and what tells how far it is.
func (f *found) restorer(c *console, t *target) (*restore.Restorer, *reporter) {
	r := &reporter{}
	return &restore.Restorer{
		Sink: f.sink, Target: t.To.config, Identities: f.identities, Trust: f.trust, Logger: c.log,
		Progress: func(p restore.Progress) { r.to(step{phase: p.Phase, done: p.Done, total: p.Total}) },
	}, r
}

// restore does what was planned for a whole database, once it is confirmed.
func (t *target) restore(ctx context.Context, c *console, parsed *kong.Context, plan *restore.Plan, report *reporter) error {
	r := &restoreResult{Plan: plan}
	c.result = r
	if err := t.agree(ctx, c, plan); err != nil {
		return err
	}
	var stop func()
	report.to, stop = c.follow()
	defer stop()
	done, err := plan.Apply(ctx)
	if r.Restored = done; done != nil {
		r.Undo = undoOf(parsed, done.Safety)
	}
	if failed := (*restore.ReplaceError)(nil); errors.As(err, &failed) && failed.Changed {
		r.Undo = undoOf(parsed, failed.Safety)
	}
	return err
}

// restoreResult is the plan, and what came of it.
type restoreResult struct {
	Plan     *restore.Plan   `json:"plan"`
	Restored *restore.Result `json:"restored,omitempty"` // nil if it was not done
	Undo     *undo           `json:"undo,omitempty"`     // nil if nothing was overwritten
}

// writeText writes what was done: the plan was written before.
func (r *restoreResult) writeText(w io.Writer) error {
	if r.Restored != nil {
		checked := "its digest"
		if len(r.Plan.Chain) > 0 {
			checked = "the count and the keys of its rows, and their content as far as that was recorded"
		}
		fmt.Fprintf(w, "Restored %s into %q in %s: %s with %s, %s, each table checked by %s.\n",
			r.Restored.Set, r.Restored.Database, duration(r.Restored.Took), count(int64(r.Restored.Tables), "table", "tables"),
			count(r.Restored.Rows, "row", "rows"), size(r.Restored.Bytes), checked)
		section(w, "Note", r.Restored.Notes, plain)
	}
	return r.Undo.writeText(w)
}
