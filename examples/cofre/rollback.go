package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/restore"
)

type rollbackCommand struct {
	choice
	target
	overwriting
}

func (*rollbackCommand) Help() string {
	return `Undoes a "cofre restore --replace" or a "cofre restore-table": what that brought is
dropped or removed, what it overwrote comes back from the safety backup that it took.
Prints what it will do, asks for the name of the target, and then does it.

latest is here the newest safety backup of the target, by the name of the database; of
several sources say which with --source. "cofre list" shows all of them as "full,
safety" or "full, part, safety".

A rollback takes a safety backup, too: "cofre rollback ... latest" once more undoes
the rollback. What was written since the restore is in that alone. If one ends midway
latest is unclear, and is refused with the names of both.

Examples:

  cofre rollback --sink /var/backups/app --to postgresql://admin@db.example/app latest
  cofre rollback --profile app --to postgresql://admin@db.example/app --confirm app x2p9`
}

func (r *rollbackCommand) Run(ctx context.Context, c *console, parsed *kong.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if r.Safety.url != nil {
		r.Sink = sinks{r.Safety}
	}
	f, err := r.choice.open(ctx)
	if err != nil {
		return err
	}
	if err := r.choose(c, f); err != nil {
		return err
	}
	restorer, report := f.restorer(c, &r.target)
	if err := r.secure(ctx, c, f, restorer); err != nil {
		return err
	}
	plan, err := restorer.PlanRollback(ctx, f.set, &restore.Options{Confirm: agreed[*restore.Plan], LockTimeout: r.LockTimeout})
	if errors.Is(err, restore.ErrChosenTables) {
		plan, err := restorer.PlanTablesRollback(ctx, f.set, &restore.TableOptions{Confirm: agreed[*restore.TablePlan], LockTimeout: r.LockTimeout})
		if err != nil {
			return err
		}
		return r.restoreTables(ctx, c, parsed, plan, report)
	}
	if err != nil {
		return err
	}
	if u := plan.Replace.Unfinished; r.Set == "latest" && u != nil && !f.returns(u) {
		return usageError(fmt.Sprintf("latest is unclear, as %v: name the one to go back to", u))
	}
	return r.restore(ctx, c, parsed, plan, report)
}

// choose finds the safety backup that is meant.
func (r *rollbackCommand) choose(c *console, f *found) (err error) {
	if r.Set != "latest" {
		f.set, err = f.inventory.Find(r.Set)
		return err
	}
	name := r.To.config.Database
	safety := &manifest.Inventory{Sets: slices.DeleteFunc(slices.Clone(f.inventory.Sets), func(m *manifest.Manifest) bool {
		return !isSafety(m) || m.Database == nil || m.Database.Name != name
	})}
	sources := safety.Sources()
	switch {
	case len(sources) == 0:
		return fmt.Errorf("%w: there is no safety backup of database %q in %s", manifest.ErrNoSet, name, &r.Sink[0])
	case len(sources) > 1:
		return usageError(fmt.Sprintf("the sink holds safety backups of several sources with a database %q: say which with --source, one of %q", name, sources))
	}
	f.set = safety.Sets[len(safety.Sets)-1]
	f.warnOfNewer(c, time.Time{})
	return nil
}

// returns tells whether going back to the set is the one way out of a restore
// that did not end. Of a rollback there are two: to begin it again, or not.
func (f *found) returns(u *restore.Unfinished) bool {
	return u.Safety == f.set.ID && !slices.ContainsFunc(f.inventory.Sets, func(m *manifest.Manifest) bool { return m.ID == u.Set && isSafety(m) })
}
