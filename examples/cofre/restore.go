package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/assist-move-assist/pgcofre/restore"
)

type restoreCommand struct {
	choice
	To      database `required:"" placeholder:"URL" help:"The database to restore into. It is created, or it is empty."`
	Confirm string   `file:"no" placeholder:"NAME" help:"The name of that database once more. On a terminal it is asked for."`

	Jobs         uint              `placeholder:"N" help:"Tables and indexes to work on at a time. By default the number of CPUs, at least 2."`
	NoOwner      bool              `help:"Everything belongs to the role that restores."`
	NoPrivileges bool              `help:"Leave out GRANT and REVOKE."`
	CreateRoles  bool              `help:"Create the roles that are missing, without the right to log in."`
	MapRole      map[string]string `placeholder:"OLD=NEW" help:"Use another role in place of one of the backup. Repeat, or separate by semicolons."`
}

func (*restoreCommand) Help() string {
	return `Prints what it will do, asks for the name of the target, and then does it. Without
a terminal and without --confirm it ends after the plan: nothing is changed.

It never overwrites: restore into a new name, look at it, then rename. A database
that it creates has its name only when everything is in it and checked.

Restoring runs the SQL in the backup, as the role that restores. That role needs
CREATEDB, or an empty database of its own; roles and extensions that the target
lacks are listed before anything is done.

Examples:

  cofre restore --sink /var/backups/app --to postgresql://admin@db.example/app_restored latest
  cofre restore --to postgresql://me@localhost/test --no-owner --no-privileges --confirm test k7f3`
}

func (r *restoreCommand) Run(ctx context.Context, c *console) error {
	name := r.To.config.Database
	if r.Confirm != "" && r.Confirm != name {
		return usageError(fmt.Sprintf("--confirm names %q, but the target is %q: nothing was done", r.Confirm, name))
	}
	f, err := r.find(ctx, c)
	if err != nil {
		return err
	}
	var report func(step)
	restorer := &restore.Restorer{
		Sink: f.sink, Target: r.To.config, Identities: f.identities, Trust: f.trust, Logger: c.log,
		Progress: func(p restore.Progress) { report(step{phase: p.Phase, done: p.Done, total: p.Total}) },
	}
	plan, err := restorer.Plan(ctx, f.set, &restore.Options{
		Jobs: int(r.Jobs), NoOwner: r.NoOwner, NoPrivileges: r.NoPrivileges, Roles: r.MapRole, CreateRoles: r.CreateRoles,
	})
	if err != nil {
		return err
	}
	c.result = &restoreResult{Plan: plan}
	if !c.json {
		if err := plan.WriteText(os.Stdout); err != nil {
			return err
		}
	}
	if err := plan.Missing(); err != nil {
		return fmt.Errorf("%w: see --create-roles, --map-role, --no-owner and --no-privileges", err)
	}
	if err := r.confirm(ctx, c, name); err != nil {
		return err
	}
	var stop func()
	report, stop = c.follow()
	defer stop()
	done, err := plan.Apply(ctx)
	c.result = &restoreResult{Plan: plan, Restored: done}
	return err
}

// confirm makes sure that the caller means this target.
func (r *restoreCommand) confirm(ctx context.Context, c *console, name string) error {
	if r.Confirm == name {
		return nil
	}
	if c.json || !term.IsTerminal(int(os.Stdin.Fd())) {
		return usageError(fmt.Sprintf("nothing was done; to do it, add --confirm %q", name))
	}
	fmt.Fprintf(os.Stderr, "To do this, type the name of the target, %s: ", plain(name))
	answer, err := readLine(ctx, os.Stdin)
	if err == nil && answer != name {
		err = usageError(fmt.Sprintf("%q is not the name of the target, %q: nothing was done", answer, name))
	}
	return err
}

// readLine reads one line, or ends with ctx; a read that waits then goes on
// until the program ends.
func readLine(ctx context.Context, from io.Reader) (string, error) {
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(from).ReadString('\n') // an answer without an end is none that fits
		line <- strings.TrimRight(text, "\r\n")
	}()
	select {
	case text := <-line:
		return text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// restoreResult is the plan, and what came of it.
type restoreResult struct {
	Plan     *restore.Plan   `json:"plan"`
	Restored *restore.Result `json:"restored,omitempty"` // nil if it was not done
}

// writeText writes what was done: the plan was written before.
func (r *restoreResult) writeText(w io.Writer) error {
	if r.Restored == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "Restored %s into %q in %s: %s with %s, %s, each table checked by its digest.\n",
		r.Restored.Set, r.Restored.Database, duration(r.Restored.Took), count(int64(r.Restored.Tables), "table", "tables"),
		count(r.Restored.Rows, "row", "rows"), size(r.Restored.Bytes))
	section(w, "Note", r.Restored.Notes, plain)
	return err
}
