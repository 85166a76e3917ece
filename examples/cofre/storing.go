package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// storing is what the commands share that store backups in one sink or several.
type storing struct {
	MinCopies uint `default:"1" placeholder:"N" help:"Fail unless so many of the sinks hold the backup in the end. By default 1; the others are a warning."`

	keyring
	StateKey file `placeholder:"FILE" help:"age identity of this machine alone, for what incremental backups need to know of this one. It opens no data."`

	Rate     byteSize    `placeholder:"SIZE" help:"The most to send to each sink in a second, such as 20MB. By default there is no bound."`
	Compress compression `default:"zstd" placeholder:"ALGORITHM[:LEVEL]" help:"zstd (for pg_restore 16 and newer), gzip (also for older) or none; zstd:1 to zstd:22, gzip:1 to gzip:9."`
	MinSize  byteSize    `placeholder:"SIZE" help:"Exit with 4 if a full backup is smaller than this before compression, such as 500MB."`

	lock
}

// check finds out what cannot be meant before anything is asked.
func (s *storing) check(to sinks) error {
	switch {
	case len(to) > 0 && int(s.MinCopies) > len(to):
		return fmt.Errorf("--min-copies is %d, and --sink was given %s", s.MinCopies, count(int64(len(to)), "time", "times"))
	case s.StateKey != "" && len(s.Recipient)+len(s.RecipientsFile) == 0:
		return errors.New("--state-key is for backups with a --recipient: without one nothing is encrypted")
	}
	return nil
}

// store does what stores a backup under the lock of its job; what is there
// already counts if these keys sealed it, or there are none.
func (s *storing) store(ctx context.Context, c *console, p profile, job string, to sinks, keys []ed25519.PublicKey,
	run func(context.Context, remote.RemoteSink, *backup.Options) (*backup.Result, error)) error {
	unlock, err := s.take(job, p)
	if err != nil {
		return err
	}
	defer unlock()
	opts := &backup.Options{
		Compression: string(s.Compress), MinSize: int64(s.MinSize), MinCopies: int(s.MinCopies), Rate: int64(s.Rate), Trust: keys, Logger: c.log,
	}
	if err := s.readKeys(opts); err != nil {
		return err
	}
	if !trusted(opts.Seal, keys) {
		return usageError("--trust is used here, and so the next backup would not build on this one: sign it with the --seal-key of one of those keys")
	}
	if opts.StateKey, err = readOne(s.StateKey, "--state-key", identitiesParser(ctx)); err != nil {
		return err
	}
	opened, err := openAll(ctx, to)
	if err != nil {
		return err
	}
	opts.Copies = opened[1:]
	report, stop := c.follow()
	defer stop()
	opts.Progress = func(p backup.Progress) {
		report(step{phase: p.Phase, done: p.Done, total: p.Total, left: p.Left})
	}
	done, err := run(ctx, opened[0], opts)
	if done != nil {
		r := newBackupResult(done)
		if c.result = r; r.Promotion != "" && len(opts.Recipients) > 0 && opts.StateKey == nil {
			r.Promotion += ": see --state-key"
		}
	}
	return err
}

// openAll opens all of them: one that cannot even be opened was not meant so.
func openAll(ctx context.Context, to sinks) (all []remote.RemoteSink, err error) {
	for _, s := range to {
		opened, err := s.open(ctx, true)
		if err != nil {
			return nil, err
		}
		all = append(all, opened)
	}
	return all, nil
}

// backupResult is what a backup came to.
type backupResult struct {
	Set       setLine    `json:"set"`
	Rows      int64      `json:"rows,omitempty"`      // that are stored: of an incremental, those that changed
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
	case r.Set.Purpose == manifest.Consolidated:
		return "made of others"
	case len(r.Set.Parents) == 0:
		return rows
	case r.Rows == 0:
		return "no row was written since " + r.Set.Parents[0]
	}
	return rows + " written since " + r.Set.Parents[0]
}
