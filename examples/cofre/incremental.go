package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/backup"
)

type incrementalCommand struct {
	dumper
	trust
	FullEvery span        `default:"${full_every}" placeholder:"AGE" help:"Take a full backup instead once the last one is so old: 7d, 12h, forever. By default ${default}."`
	MaxChain  uint        `default:"${max_chain}" placeholder:"N" help:"Take one instead once so many incrementals follow it. By default ${default}, a week of hours."`
	Watermark []watermark `sep:";" placeholder:"TABLE=COLUMN[,COLUMN]" help:"Tell what changed in a table by the latest of these timestamps or dates of its rows. It misses what changed without them; it is for tables that are written anew as a whole. Repeat, or separate by semicolons."`
	Prove     bool        `help:"Record the content of every row in every run, so that a restore proves all of it. Otherwise a part of the rows has its turn."`
}

// documentedChain fills in the defaults above.
func documentedChain() kong.Vars {
	return kong.Vars{
		"full_every": span(backup.DefaultFullEvery).String(),
		"max_chain":  strconv.Itoa(backup.DefaultMaxChain),
	}
}

func (*incrementalCommand) Help() string {
	return `Stores what changed since the newest good backup of the database: rows that were
written, and which ones are gone. It needs no more rights than "cofre full", and it
may run every few minutes. A restore goes back to any of them.

Without a backup to build on, or without certainty about it, it is a full one, and
says why: the server is another or older than the last time, say, or the last full
backup is older than --full-every. A schedule of this command alone works as well.

Backups with a --recipient take a --state-key, which opens what the next incremental
must know of this one, and no data. Without it each is a full one.

"cofre full" and "cofre incremental" with the same --lock-dir and profile exclude each
other.

Examples:

  cofre incremental --db postgresql://backup@db.example/app --sink /var/backups/app
  cofre incremental --profile app --full-every 8d --prove
  cofre incremental --profile app --watermark feed_posts=created_at,updated_at`
}

// Validate refuses what the library takes for its defaults.
func (i *incrementalCommand) Validate() error {
	switch {
	case i.FullEvery == 0:
		return errors.New(`--full-every is 0: want some age, such as 7d, or forever; "cofre full" takes a full one each time`)
	case i.MaxChain == 0:
		return errors.New(`--max-chain is 0: want 1 or more; "cofre full" takes a full one each time`)
	}
	return i.dumper.Validate()
}

func (i *incrementalCommand) Run(ctx context.Context, c *console, p profile) error {
	keys, err := i.keys()
	if err != nil {
		return err
	}
	source := &backup.Incremental{Dumper: i.source(), FullEvery: time.Duration(i.FullEvery), MaxChain: int(i.MaxChain), Prove: i.Prove}
	for _, w := range i.Watermark {
		source.Watermarks = append(source.Watermarks, backup.Watermark(w))
	}
	return i.run(ctx, c, p, source, keys)
}
