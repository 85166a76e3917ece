package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/assist-move-assist/pgcofre/backup"
)

type fullCommand struct {
	DB     database `name:"db" required:"" placeholder:"URL" env:"COFRE_DB,DATABASE_URL" help:"The database."`
	Sink   sink     `required:"" placeholder:"PATH|URL" help:"Where to put the backup: a folder, which is made if needed, or file:///path."`
	Source string   `placeholder:"NAME" help:"Stable name of what is backed up. By default DATABASE@HOST."`

	Jobs     uint        `placeholder:"N" help:"Tables to copy at a time. By default the number of CPUs, at least 2."`
	Compress compression `default:"zstd" placeholder:"ALGORITHM[:LEVEL]" help:"zstd (for pg_restore 16 and newer), gzip (also for older) or none; zstd:1 to zstd:22, gzip:1 to gzip:9."`
	MinSize  byteSize    `placeholder:"SIZE" help:"Exit with 4 if the backup is smaller than this before compression, such as 500MB."`

	ExcludeSchema []string `sep:";" placeholder:"PATTERN" help:"Leave out schemas. Repeat, or separate by semicolons."`
	ExcludeTable  []string `sep:";" placeholder:"PATTERN" help:"Leave out tables, as auth.* or public.log_????."`
	ExcludeObject []string `sep:";" placeholder:"NAME" help:"Leave out an object of a kind that cannot be backed up, by the name in the error that says so."`
	Export        []export `sep:"none" placeholder:"NAME=SQL" help:"Add the result of a query as CSV, from the same snapshot. Repeat for more."`
}

func (*fullCommand) Help() string {
	return `The backup is of one moment. It takes no lock that stands in the way of reads or
writes, and is listed only when all of it is stored and was read back.

The role needs SELECT on everything, which pg_read_all_data gives, and BYPASSRLS
where tables have row security. What it may not read fails the backup and is
named, with the way out.

Examples:

  cofre full --db postgresql://backup@db.example/app --sink /var/backups/app
  cofre full --exclude-schema auth --compress gzip:9    (COFRE_DB, COFRE_SINK set)
  cofre full --export "users=SELECT id, name FROM public.users"`
}

func (f *fullCommand) Run(ctx context.Context, c *console) error {
	s, err := f.Sink.open(true)
	if err != nil {
		return err
	}
	report, stop := c.follow()
	defer stop()
	source := &backup.Dumper{
		Config: f.DB.config, Name: f.Source, Jobs: int(f.Jobs),
		ExcludeSchemas: f.ExcludeSchema, ExcludeTables: f.ExcludeTable, ExcludeObjects: f.ExcludeObject,
	}
	for _, e := range f.Export {
		source.Exports = append(source.Exports, backup.Export(e))
	}
	set, err := backup.Run(ctx, s, source, &backup.Options{
		Compression: string(f.Compress), MinSize: int64(f.MinSize), Logger: c.log,
		Progress: func(p backup.Progress) {
			report(step{phase: p.Phase, done: p.Done, total: p.Total, left: p.Left})
		},
	})
	if set != nil {
		c.result = &fullResult{Set: describe(set.Manifest)}
	}
	return err
}

// fullResult is what a backup came to.
type fullResult struct {
	Set setLine `json:"set"`
}

func (r *fullResult) writeText(w io.Writer) error {
	_, err := fmt.Fprintf(w, "Backup %s of %s is stored: %s in %s (%s before compression), in %s.\n",
		r.Set.ID, r.Set.Source, size(r.Set.Size), count(r.Set.Objects, "object", "objects"), size(r.Set.RawSize),
		duration(r.Set.End.Sub(r.Set.Start)))
	return err
}

// compression is a flag in the form that backup.Options takes.
type compression string

var compressions = regexp.MustCompile(`^(zstd(:([1-9]|1[0-9]|2[0-2]))?|gzip(:[1-9])?|none)$`)

func (c *compression) UnmarshalText(text []byte) error {
	if !compressions.Match(text) {
		return fmt.Errorf("%q: want zstd, gzip or none, or zstd:1 to zstd:22, gzip:1 to gzip:9", text)
	}
	*c = compression(text)
	return nil
}

// byteSize is a flag in bytes, or with a unit.
type byteSize int64

func (b *byteSize) UnmarshalText(text []byte) error {
	n, err := humanize.ParseBytes(string(text))
	if err != nil || int64(n) < 0 {
		return fmt.Errorf("%q: want a size, such as 500MB or 2GiB", text)
	}
	*b = byteSize(n)
	return nil
}

// export is a flag that names a query.
type export backup.Export

func (e *export) UnmarshalText(text []byte) error {
	name, sql, ok := strings.Cut(string(text), "=")
	if !ok || name == "" || strings.TrimSpace(sql) == "" {
		return errors.New("want NAME=SQL")
	}
	e.Name, e.SQL = name, sql
	return nil
}
