package main

import (
	"context"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

type consolidateCommand struct {
	reading
	Set string `arg:"" default:"latest" help:"Which incremental backup: its name as list shows it, a part of the name that no other has, or latest (${latest}), the default. If that is a full one there is nothing to do."`
	storing
	Jobs uint `placeholder:"N" help:"Objects to write at a time. By default the number of CPUs, at least 2."`
}

func (*consolidateCommand) Help() string {
	return `Makes a full backup of an incremental one and all that it builds on, from the first
sink alone: the database is not asked for anything. It is of the same moment, and
later incrementals build on it. What it was made of stays until it is too old; the
new one goes into every --sink, as "full, consolidated".

With it incrementals can go on for ever ("cofre incremental --full-every forever"),
and the database is never read as a whole again. Of an encrypted chain it takes the
--identity, and so belongs on another machine than the one that backs up.

Examples:

  cofre consolidate --sink /var/backups/app
  cofre consolidate --profile app --identity app.key k7f3`
}

// Validate finds out what cannot be meant before anything is asked.
func (o *consolidateCommand) Validate() error { return o.check(o.Sink) }

func (o *consolidateCommand) Run(ctx context.Context, c *console, p profile) error {
	f, err := o.open(ctx)
	if err != nil {
		return err
	}
	if err := f.choose(c, o.Set); err != nil {
		return err
	}
	if o.Set == "latest" && f.set.Kind == manifest.Full {
		c.log.Info("there is nothing to consolidate: the newest is a full backup", "backup", f.set.ID)
		return nil
	}
	return o.store(ctx, c, p, "consolidate", o.Sink, f.trust, func(ctx context.Context, first remote.RemoteSink, opts *backup.Options) (*backup.Result, error) {
		return backup.Consolidate(ctx, first, f.set, &backup.ConsolidateOptions{Options: *opts, Identities: f.identities, Jobs: int(o.Jobs)})
	})
}
