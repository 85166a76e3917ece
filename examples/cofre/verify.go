package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/verify"
)

type verifyCommand struct {
	choice
	Jobs    uint `placeholder:"N" help:"Objects to read at a time. By default the number of CPUs, at least 2."`
	Stored  bool `help:"Compare the stored bytes with their checksums, and no more: nothing is decrypted."`
	Record  bool `help:"Store the outcome beside the backups: what passed counts as verified."`
	SealKey file `placeholder:"FILE" help:"Ed25519 private key (PEM) to sign that record with."`
}

func (*verifyCommand) Help() string {
	return `Reads every byte of the backup and holds it against what was recorded when it was
taken: sizes, checksums, the rows and the digest of every table. It needs no
database. Exits with 3 if anything is not as it was.

Of an incremental one it reads what a restore would of those that it builds on, and
with --stored all of them.

An encrypted backup takes its identity. A machine that must not have that can
compare the stored bytes with their checksums: --stored.

Examples:

  cofre verify --sink /var/backups/app latest
  cofre verify --sink s3://backups/app --stored latest
  cofre verify --identity key.txt --record latest`
}

func (v *verifyCommand) Run(ctx context.Context, c *console) error {
	if v.Stored && v.Record {
		return usageError("--stored proves too little to be recorded: leave one of the two out")
	}
	seal, err := readOne(v.SealKey, "--seal-key", parseSealKey)
	if err != nil {
		return err
	}
	f, err := v.find(ctx, c)
	if err != nil {
		return err
	}
	report, stop := c.follow()
	defer stop()
	verifier := &verify.Verifier{
		Sink: f.sink, Identities: f.identities, Trust: f.trust, Jobs: int(v.Jobs), Logger: c.log,
		Progress: func(p verify.Progress) { report(step{phase: "reading", done: p.Done, total: p.Total}) },
	}
	var rep *verify.Report
	if v.Stored {
		rep, err = f.stored(ctx, verifier)
	} else {
		rep, err = verifier.Integrity(ctx, f.set)
	}
	if err != nil {
		return err
	}
	c.result = (*verifyResult)(rep)
	if v.Record {
		proof, err := rep.Proof(f.set)
		if err == nil {
			err = proof.Put(ctx, f.sink, seal)
		}
		if err != nil {
			return errors.Join(rep.Err(), err)
		}
	}
	return rep.Err()
}

// stored compares the stored bytes of the backup, and of all that it builds on.
func (f *found) stored(ctx context.Context, verifier *verify.Verifier) (*verify.Report, error) {
	chain, broken := linksOf(f.inventory).chain(f.set)
	all, err := verifier.Stored(ctx, f.set)
	if err != nil {
		return nil, err
	}
	for _, m := range chain[1:] {
		rep, err := verifier.Stored(ctx, m)
		if err != nil {
			return nil, err
		}
		all.Objects, all.Bytes, all.Took = all.Objects+rep.Objects, all.Bytes+rep.Bytes, all.Took+rep.Took
		for _, finding := range rep.Findings {
			finding.What += " of " + m.ID
			all.Findings = append(all.Findings, finding)
		}
	}
	if broken != nil {
		all.Findings = append(all.Findings, verify.Finding{What: "the chain", Problem: broken.Error()})
	}
	return all, nil
}

// verifyResult is the report of a proof.
type verifyResult verify.Report

func (r *verifyResult) writeText(w io.Writer) error {
	fmt.Fprintf(w, "Read %s in %s of %s in %s", size(r.Bytes), count(int64(r.Objects), "object", "objects"), r.Set, duration(r.Took))
	if r.Method != "" {
		fmt.Fprintf(w, ": %s with %s, %s, %s",
			count(int64(r.Tables), "table", "tables"), count(r.Rows, "row", "rows"),
			count(int64(r.Sequences), "sequence", "sequences"), count(r.LargeObjects, "large object", "large objects"))
	}
	fmt.Fprintln(w, ".")
	section(w, "Not proven", r.Limits, plain)
	section(w, "Damage", r.Findings, func(f verify.Finding) string { return plain(f.What) + ": " + plain(f.Problem) })
	if len(r.Findings) > 0 {
		return nil
	}
	what := "Everything is as it was backed up."
	if r.Method == "" {
		what = "Every byte is as it was stored."
	}
	_, err := fmt.Fprintln(w, what)
	return err
}
