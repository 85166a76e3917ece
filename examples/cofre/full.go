package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/remote"
)

type fullCommand struct {
	DB        database `name:"db" required:"" placeholder:"URL" env:"COFRE_DB,DATABASE_URL" help:"The database."`
	Sink      sinks    `required:"" placeholder:"PATH|URL" help:"Where to put the backup: a folder, which is made if needed, s3://bucket/prefix, gs://bucket/prefix or azblob://container/prefix. Each further one gets a copy at the same time."`
	MinCopies uint     `default:"1" placeholder:"N" help:"Fail unless so many of the sinks hold the backup in the end. By default 1; the others are a warning."`
	Source    string   `placeholder:"NAME" help:"Stable name of what is backed up. By default DATABASE@HOST."`

	keyring
	StateKey file `placeholder:"FILE" help:"age identity of this machine alone, for what incremental backups need to know of this one. It opens no data."`

	Jobs     uint        `placeholder:"N" help:"Tables to copy at a time. By default the number of CPUs, at least 2."`
	Rate     byteSize    `placeholder:"SIZE" help:"The most to send to each sink in a second, such as 20MB. By default there is no bound."`
	Compress compression `default:"zstd" placeholder:"ALGORITHM[:LEVEL]" help:"zstd (for pg_restore 16 and newer), gzip (also for older) or none; zstd:1 to zstd:22, gzip:1 to gzip:9."`
	MinSize  byteSize    `placeholder:"SIZE" help:"Exit with 4 if the backup is smaller than this before compression, such as 500MB."`

	ExcludeSchema []string `sep:";" placeholder:"PATTERN" help:"Leave out schemas. Repeat, or separate by semicolons."`
	ExcludeTable  []string `sep:";" placeholder:"PATTERN" help:"Leave out tables, as auth.* or public.log_????."`
	ExcludeObject []string `sep:";" placeholder:"NAME" help:"Leave out an object of a kind that cannot be backed up, by the name in the error that says so."`
	Export        []export `sep:"none" placeholder:"NAME=SQL" help:"Add the result of a query as CSV, from the same snapshot. Repeat for more."`

	lock
}

func (*fullCommand) Help() string {
	return `The backup is of one moment. It takes no lock that stands in the way of reads or
writes, and is listed only when all of it is stored and was read back, or the
store proved that it holds it.

The role needs SELECT on everything, which pg_read_all_data gives, and BYPASSRLS
where tables have row security. What it may not read fails the backup and is
named, with the way out.

Credentials for s3://, gs:// and azblob:// come from the provider's usual
environment and files, never from the URL. "cofre doctor" tries them out. What a
URL can say behind a ? (endpoint, region, class ...) is listed where it is wrong.

Examples:

  cofre full --db postgresql://backup@db.example/app --sink /var/backups/app
  cofre full --exclude-schema auth --compress gzip:9    (COFRE_DB, COFRE_SINK set)
  cofre full --export "users=SELECT id, name FROM public.users"
  cofre full --sink /var/backups/app --sink "s3://backups/app?region=eu-west-1" \
    --min-copies 2 --recipient age1... --seal-key /etc/cofre/seal.key --rate 20MB`
}

// Validate finds out what cannot be meant before anything is asked.
func (f *fullCommand) Validate() error {
	switch {
	case len(f.Sink) > 0 && int(f.MinCopies) > len(f.Sink):
		return fmt.Errorf("--min-copies is %d, and --sink was given %s", f.MinCopies, count(int64(len(f.Sink)), "time", "times"))
	case f.StateKey != "" && len(f.Recipient)+len(f.RecipientsFile) == 0:
		return errors.New("--state-key is for backups with a --recipient: without one nothing is encrypted")
	}
	return nil
}

func (f *fullCommand) Run(ctx context.Context, c *console, p profile) error {
	unlock, err := f.take("full", p)
	if err != nil {
		return err
	}
	defer unlock()
	opts := &backup.Options{
		Compression: string(f.Compress), MinSize: int64(f.MinSize), MinCopies: int(f.MinCopies), Rate: int64(f.Rate), Logger: c.log,
	}
	if err := f.readKeys(opts); err != nil {
		return err
	}
	if opts.StateKey, err = readOne(f.StateKey, "--state-key", identitiesParser(ctx)); err != nil {
		return err
	}
	sinks, err := f.openSinks(ctx)
	if err != nil {
		return err
	}
	opts.Copies = sinks[1:]
	report, stop := c.follow()
	defer stop()
	opts.Progress = func(p backup.Progress) {
		report(step{phase: p.Phase, done: p.Done, total: p.Total, left: p.Left})
	}
	source := &backup.Dumper{
		Config: f.DB.config, Name: f.Source, Jobs: int(f.Jobs),
		ExcludeSchemas: f.ExcludeSchema, ExcludeTables: f.ExcludeTable, ExcludeObjects: f.ExcludeObject,
	}
	for _, e := range f.Export {
		source.Exports = append(source.Exports, backup.Export(e))
	}
	done, err := backup.Run(ctx, sinks[0], source, opts)
	if done != nil {
		c.result = newFullResult(done)
	}
	return err
}

// openSinks opens all of them: one that cannot even be opened was not meant so.
func (f *fullCommand) openSinks(ctx context.Context) (sinks []remote.RemoteSink, err error) {
	for _, s := range f.Sink {
		opened, err := s.open(ctx, true)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, opened)
	}
	return sinks, nil
}

// fullResult is what a backup came to.
type fullResult struct {
	Set      setLine    `json:"set"`
	Copies   []copyLine `json:"copies"` // the sinks, in the order given
	Warnings []string   `json:"warnings,omitempty"`
}

// copyLine is a sink, and why it does not hold the backup.
type copyLine struct {
	Sink  string `json:"sink"`
	Error string `json:"error,omitempty"`
}

func newFullResult(done *backup.Result) *fullResult {
	r := &fullResult{Set: describe(done.Manifest), Warnings: done.Warnings}
	for _, c := range done.Copies {
		line := copyLine{Sink: c.Sink}
		if c.Err != nil {
			line.Error = c.Err.Error()
		}
		r.Copies = append(r.Copies, line)
	}
	return r
}

// writeText writes no warnings: they were logged when they came up.
func (r *fullResult) writeText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Backup %s of %s is stored: %s in %s (%s before compression), in %s.\n",
		r.Set.ID, r.Set.Source, size(r.Set.Size), count(r.Set.Objects, "object", "objects"), size(r.Set.RawSize),
		duration(r.Set.End.Sub(r.Set.Start)))
	if len(r.Copies) > 1 {
		section(w, "Copies", r.Copies, func(c copyLine) string {
			if c.Error != "" {
				return c.Sink + ": there is none, see above"
			}
			return c.Sink
		})
	}
	return err
}
