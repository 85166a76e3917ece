package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/restore"
)

type showCommand struct {
	choice
}

func (*showCommand) Help() string {
	return `Examples:

  cofre show --sink /var/backups/app latest
  cofre show --sink /var/backups/app k7f3 --json`
}

func (s *showCommand) Run(ctx context.Context, c *console) error {
	f, err := s.find(ctx, c)
	if err != nil {
		return err
	}
	r := &showResult{set: f.set, Proof: proofOf(f.inventory, f.set), Hold: holdOf(f.inventory, f.set.ID)}
	if r.Manifest, err = f.set.Encode(); err != nil {
		return err
	}
	c.result = r // which is shown also where nothing opens the contents
	if chain, err := linksOf(f.inventory).chain(f.set); err != nil {
		c.log.Warn("it cannot be restored", "err", err)
	} else {
		r.Chain = factOf(chain)
	}
	if f.set.Kind == manifest.Full || f.set.Kind == manifest.Incremental {
		restorer := &restore.Restorer{Sink: f.sink, Identities: f.identities, Trust: f.trust}
		if r.contents, err = restorer.Contents(ctx, f.set); err != nil {
			return err
		}
		if r.Contents, err = r.contents.Encode(); err != nil {
			return err
		}
	}
	return nil
}

// showResult is a set's manifest and contents, in JSON as FORMAT.md of package
// manifest promises them.
type showResult struct {
	Manifest json.RawMessage `json:"manifest"`
	Contents json.RawMessage `json:"contents,omitempty"`
	Chain    *chainFact      `json:"chain,omitempty"` // nil if it builds on nothing, or on what is missing
	Proof    *proofFact      `json:"proof,omitempty"` // nil if it was never put to the test
	Hold     *holdFact       `json:"hold,omitempty"`  // nil if it is not held

	set      *manifest.Manifest
	contents *manifest.Contents // nil for what is no database
}

func (r *showResult) writeText(w io.Writer) error {
	s := describe(r.set)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	line("Backup", "%s", s.ID)
	line("State", "%s", s.State)
	for _, why := range s.Suspect {
		line("", "%s", plain(why))
	}
	if r.Proof != nil {
		line("Tested", "%s (%s)", r.Proof, r.Proof.Method)
	}
	if r.Hold != nil {
		line("Held", "%s", r.Hold)
	}
	line("Source", "%s", plain(s.Source))
	line("Kind", "%s", s.what())
	for _, parent := range s.Parents {
		line("Builds on", "%s", parent)
	}
	if r.Chain != nil {
		line("Chain", "%s", r.Chain)
	}
	line("Data of", "%s (%s)", s.DataTime.Local().Format("2006-01-02 15:04:05 MST"), humanize.Time(s.DataTime))
	if d := r.set.Database; d != nil {
		where := "primary"
		if d.Standby {
			where = "standby"
		}
		line("Database", "%s, PostgreSQL %d.%d, %s, at %s", plain(d.Name), d.ServerVersion/10000, d.ServerVersion%10000, where, plain(d.LSN))
	}
	line("Size", "%s in %s, %s before compression", size(s.Size), count(s.Objects, "object", "objects"), size(s.RawSize))
	line("Took", "%s", duration(s.End.Sub(s.Start)))
	line("Made by", "%s", plain(r.set.Producer))
	if r.contents != nil {
		writeContents(t, r.contents, r.set.Kind == manifest.Incremental)
	}
	return t.Flush()
}

// writeContents writes what a set holds, each part under its title.
func writeContents(w io.Writer, c *manifest.Contents, incremental bool) {
	var rows int64
	for _, t := range c.Tables {
		rows += t.Rows
	}
	fmt.Fprintf(w, "\n%s, %s:\n", count(int64(len(c.Tables)), "table", "tables"), count(rows, "row", "rows"))
	for _, t := range c.Tables {
		change := ""
		if incremental {
			change = "\t" + changeOf(&t)
		}
		fmt.Fprintf(w, "  %s.%s\t%s%s\n", plain(t.Schema), plain(t.Name), count(t.Rows, "row", "rows"), change)
	}
	fmt.Fprintf(w, "%s, %s\n", count(int64(len(c.Sequences)), "sequence", "sequences"), count(c.LargeObjects.Count, "large object", "large objects"))
	section(w, "Extensions", c.Extensions, func(x manifest.Extension) string { return plain(x.Name) + "\t" + plain(x.Version) })
	section(w, "Exports", c.Exports, func(x manifest.Export) string { return plain(x.Object) + "\t" + count(x.Rows, "row", "rows") })
	section(w, "Left out", c.Excluded, func(x manifest.Exclusion) string {
		return plain(x.Kind+" "+x.Name) + "\t" + plain(x.Reason)
	})
	section(w, "Must exist where it is restored", c.Prerequisites, func(p manifest.Prerequisite) string {
		return plain(p.Kind+" "+p.Name) + "\tneeded by " + plain(p.NeededBy)
	})
	section(w, "Warnings", c.Warnings, plain)
}

func section[T any](w io.Writer, title string, items []T, text func(T) string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "%s:\n", title)
	for _, item := range items {
		fmt.Fprintf(w, "  %s\n", text(item))
	}
}
