package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/remote"
)

// dumper is what the commands share that back up a database.
type dumper struct {
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

// Validate finds out what cannot be meant before anything is asked.
func (d *dumper) Validate() error {
	switch {
	case len(d.Sink) > 0 && int(d.MinCopies) > len(d.Sink):
		return fmt.Errorf("--min-copies is %d, and --sink was given %s", d.MinCopies, count(int64(len(d.Sink)), "time", "times"))
	case d.StateKey != "" && len(d.Recipient)+len(d.RecipientsFile) == 0:
		return errors.New("--state-key is for backups with a --recipient: without one nothing is encrypted")
	}
	return nil
}

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
	unlock, err := d.take("backup", p)
	if err != nil {
		return err
	}
	defer unlock()
	opts := &backup.Options{
		Compression: string(d.Compress), MinSize: int64(d.MinSize), MinCopies: int(d.MinCopies), Rate: int64(d.Rate), Trust: keys, Logger: c.log,
	}
	if err := d.readKeys(opts); err != nil {
		return err
	}
	if !trusted(opts.Seal, keys) {
		return usageError("--trust is used here, and so the next backup would not build on this one: sign it with the --seal-key of one of those keys")
	}
	if opts.StateKey, err = readOne(d.StateKey, "--state-key", identitiesParser(ctx)); err != nil {
		return err
	}
	sinks, err := d.openSinks(ctx)
	if err != nil {
		return err
	}
	opts.Copies = sinks[1:]
	report, stop := c.follow()
	defer stop()
	opts.Progress = func(p backup.Progress) {
		report(step{phase: p.Phase, done: p.Done, total: p.Total, left: p.Left})
	}
	done, err := backup.Run(ctx, sinks[0], source, opts)
	if done != nil {
		r := newBackupResult(done)
		if c.result = r; r.Promotion != "" && len(opts.Recipients) > 0 && opts.StateKey == nil {
			r.Promotion += ": see --state-key"
		}
	}
	return err
}

// openSinks opens all of them: one that cannot even be opened was not meant so.
func (d *dumper) openSinks(ctx context.Context) (sinks []remote.RemoteSink, err error) {
	for _, s := range d.Sink {
		opened, err := s.open(ctx, true)
		if err != nil {
			return nil, err
		}
		sinks = append(sinks, opened)
	}
	return sinks, nil
}

// backupResult is what a backup came to.
type backupResult struct {
	Set       setLine    `json:"set"`
	Rows      int64      `json:"rows"`                // that are stored: of an incremental, those that changed
	Promotion string     `json:"promotion,omitempty"` // why it is a full one, where an incremental was asked for
	Copies    []copyLine `json:"copies"`              // the sinks, in the order given
	Warnings  []string   `json:"warnings,omitempty"`
}

// copyLine is a sink, and why it does not hold the backup.
type copyLine struct {
	Sink  string `json:"sink"`
	Error string `json:"error,omitempty"`
}

func newBackupResult(done *backup.Result) *backupResult {
	r := &backupResult{Set: describe(done.Manifest), Rows: done.Rows, Promotion: done.Promotion, Warnings: done.Warnings}
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
func (r *backupResult) writeText(w io.Writer) error {
	fmt.Fprintf(w, "Backup %s of %s is stored: %s, %s in %s (%s before compression), in %s.\n",
		r.Set.ID, r.Set.Source, r.rows(), size(r.Set.Size), count(r.Set.Objects, "object", "objects"), size(r.Set.RawSize),
		duration(r.Set.End.Sub(r.Set.Start)))
	if r.Promotion != "" {
		fmt.Fprintf(w, "It is a full one: %s.\n", plain(r.Promotion))
	}
	if len(r.Copies) > 1 {
		section(w, "Copies", r.Copies, func(c copyLine) string {
			if c.Error != "" {
				return c.Sink + ": there is none, see above"
			}
			return c.Sink
		})
	}
	return nil
}

// rows is how many rows are stored, and since when.
func (r *backupResult) rows() string {
	rows := count(r.Rows, "row", "rows")
	switch {
	case len(r.Set.Parents) == 0:
		return rows
	case r.Rows == 0:
		return "no row changed since " + r.Set.Parents[0]
	}
	return rows + " of what changed since " + r.Set.Parents[0]
}
