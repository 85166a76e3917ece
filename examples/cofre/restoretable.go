package main

import (
	"context"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/restore"
)

type restoreTableCommand struct {
	point
	Tables []string `arg:"" optional:"" name:"table" help:"Which tables: schema.table, or table where one schema alone has it; double quotes keep case. Partitions come with their table."`
	target
	Replace   bool `file:"no" help:"Drop and rebuild the tables whose definition is not the backup's any more. Otherwise they are refused."`
	NoRefresh bool `help:"Leave the materialized views that read the tables as they are."`
	overwriting
}

func (*restoreTableCommand) Help() string {
	return `Brings tables back to what they were, in the database in use, where all else stays.
Prints what it will do, asks for the name of the target, and then does it. Without a
terminal and without --confirm it ends after the plan: nothing is changed.

Where a table is defined as in the backup its rows are merged: missing ones are
inserted, changed ones overwritten, those that came later removed. Its views, foreign
keys, publications and grants stay; triggers do not fire, nothing cascades, and the
foreign keys of other tables are checked at the end. All is one transaction, so that
it is done, or nothing is.

The tables go into a safety backup before; "cofre rollback" goes back to it. The role
must own the tables.

Examples:

  cofre restore-table --sink /var/backups/app --to postgresql://admin@db.example/app latest public.orders
  cofre restore-table --profile app --to postgresql://admin@db.example/app k7f3 orders order_items '"Odd Name"'
  cofre restore-table --profile app --to postgresql://admin@db.example/app --at "2026-11-23 14:00" orders`
}

func (r *restoreTableCommand) Run(ctx context.Context, c *console, parsed *kong.Context) error {
	if err := r.check(); err != nil {
		return err
	}
	if !r.At.IsZero() && r.Set != "" { // there is no backup before the tables
		r.Tables, r.Set = append([]string{r.Set}, r.Tables...), ""
	}
	if len(r.Tables) == 0 {
		return usageError(`expected "<table> ..."`)
	}
	f, err := r.find(ctx, c)
	if err != nil {
		return err
	}
	restorer, report := f.restorer(c, &r.target)
	if err := r.secure(ctx, c, f, restorer); err != nil {
		return err
	}
	plan, err := restorer.PlanTables(ctx, f.set, r.Tables, &restore.TableOptions{
		Replace: r.Replace, NoRefresh: r.NoRefresh, Confirm: agreed[*restore.TablePlan], LockTimeout: r.LockTimeout,
	})
	if err != nil {
		return err
	}
	return r.restoreTables(ctx, c, parsed, plan, report)
}

// restoreTables does what was planned for tables, once it is confirmed.
func (t *target) restoreTables(ctx context.Context, c *console, parsed *kong.Context, plan *restore.TablePlan, report *reporter) error {
	r := &tablesResult{Plan: plan}
	c.result = r
	if err := t.agree(ctx, c, plan); err != nil {
		return err
	}
	var stop func()
	report.to, stop = c.follow()
	defer stop()
	done, err := plan.Apply(ctx)
	if done != nil {
		r.Undo = undoOf(parsed, done.Safety)
	}
	if err == nil {
		r.Restored = done
	}
	return err
}

// tablesResult is the plan, and what came of it.
type tablesResult struct {
	Plan     *restore.TablePlan   `json:"plan"`
	Restored *restore.TableResult `json:"restored,omitempty"` // nil if it was not done
	Undo     *undo                `json:"undo,omitempty"`     // nil if no table was there before
}

// writeText writes what was done: the plan was written before.
func (r *tablesResult) writeText(w io.Writer) error {
	if r.Restored != nil {
		fmt.Fprintf(w, "Restored from %s into %q in %s, each table checked by its digest:\n",
			r.Restored.Set, r.Restored.Database, duration(r.Restored.Took))
		for _, t := range r.Restored.Tables {
			fmt.Fprintf(w, "  %s.%s: %d inserted, %d overwritten, %d removed, %s unchanged\n",
				plain(t.Schema), plain(t.Name), t.Inserted, t.Overwritten, t.Removed, count(t.Unchanged, "row", "rows"))
		}
		section(w, "Note", r.Restored.Notes, plain)
	} else if r.Undo != nil {
		fmt.Fprintln(w, "It was not done, as far as is known.")
	}
	return r.Undo.writeText(w)
}
