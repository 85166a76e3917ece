package main

import (
	"context"
	"crypto/ed25519"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/remote"
)

// dumper is what the commands share that back up a database.
type dumper struct {
	DB     database `name:"db" required:"" placeholder:"URL" env:"COFRE_DB,DATABASE_URL" help:"The database."`
	Sink   sinks    `required:"" placeholder:"PATH|URL" help:"Where to put the backup: a folder, which is made if needed, s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix. Each further one gets a copy at the same time."`
	Source string   `placeholder:"NAME" help:"Stable name of what is backed up. By default DATABASE@HOST."`

	storing
	Jobs uint `placeholder:"N" help:"Tables to copy at a time. By default the number of CPUs, at least 2."`

	ExcludeSchema []string `sep:";" placeholder:"PATTERN" help:"Leave out schemas. Repeat, or separate by semicolons."`
	ExcludeTable  []string `sep:";" placeholder:"PATTERN" help:"Leave out tables, as auth.* or public.log_????."`
	ExcludeObject []string `sep:";" placeholder:"NAME" help:"Leave out an object of a kind that cannot be backed up, by the name in the error that says so."`
	Export        []export `sep:"none" placeholder:"NAME=SQL" help:"Add the result of a query as CSV, from the same snapshot. Repeat for more."`
}

// Validate finds out what cannot be meant before anything is asked.
func (d *dumper) Validate() error { return d.check(d.Sink) }

// source is what the library calls the database.
func (d *dumper) source() backup.Dumper {
	source := backup.Dumper{
		Config: d.DB.config, Name: d.Source, Jobs: int(d.Jobs),
		ExcludeSchemas: d.ExcludeSchema, ExcludeTables: d.ExcludeTable, ExcludeObjects: d.ExcludeObject,
	}
	for _, e := range d.Export {
		source.Exports = append(source.Exports, backup.Export(e))
	}
	return source
}

// run takes a backup, which builds on what these keys sealed, if there are any.
func (d *dumper) run(ctx context.Context, c *console, p profile, source backup.Source, keys []ed25519.PublicKey) error {
	return d.store(ctx, c, p, "backup", d.Sink, keys, func(ctx context.Context, first remote.RemoteSink, opts *backup.Options) (*backup.Result, error) {
		return backup.Run(ctx, first, source, opts)
	})
}
