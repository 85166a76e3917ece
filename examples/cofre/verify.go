package main

import (
	"context"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/verify"
)

type verifyCommand struct {
	choice
	Jobs uint `placeholder:"N" help:"Objects to read at a time. By default the number of CPUs, at least 2."`
}

func (*verifyCommand) Help() string {
	return `Reads every byte of the backup and holds it against what was recorded when it was
taken: sizes, checksums, the rows and the digest of every table. It needs no
database. Exits with 3 if anything is not as it was.

Example:

  cofre verify --sink /var/backups/app latest`
}

func (v *verifyCommand) Run(ctx context.Context, c *console) error {
	f, err := v.find(ctx)
	if err != nil {
		return err
	}
	report, stop := c.follow()
	defer stop()
	verifier := &verify.Verifier{
		Sink: f.sink, Identities: f.identities, Trust: f.trust, Jobs: int(v.Jobs), Logger: c.log,
		Progress: func(p verify.Progress) { report(step{phase: "reading", done: p.Done, total: p.Total}) },
	}
	rep, err := verifier.Integrity(ctx, f.set)
	if err != nil {
		return err
	}
	c.result = (*verifyResult)(rep)
	return rep.Err()
}

// verifyResult is the report of a proof.
type verifyResult verify.Report

func (r *verifyResult) writeText(w io.Writer) error {
	fmt.Fprintf(w, "Read %s in %s of %s in %s: %s with %s, %s, %s.\n", size(r.Bytes),
		count(int64(r.Objects), "object", "objects"), r.Set, duration(r.Took),
		count(int64(r.Tables), "table", "tables"), count(r.Rows, "row", "rows"),
		count(int64(r.Sequences), "sequence", "sequences"), count(r.LargeObjects, "large object", "large objects"))
	section(w, "Not proven", r.Limits, plain)
	section(w, "Damage", r.Findings, func(f verify.Finding) string { return plain(f.What) + ": " + plain(f.Problem) })
	if len(r.Findings) > 0 {
		return nil
	}
	_, err := fmt.Fprintln(w, "Everything is as it was backed up.")
	return err
}
