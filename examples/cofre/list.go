package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

type listCommand struct {
	place
}

func (*listCommand) Help() string {
	return `States:

  good        committed and not suspect (verify proves it)
  suspect     committed, but unlike the ones before it: show says why
  damaged     its manifest cannot be used, or no key given with --trust sealed it;
              or what it builds on is missing or damaged
  unfinished  it has no manifest: its run is still at work, or died
  ..., held   cleanup does not delete it, until it is released

ON is the end of the name of the backup that an incremental one builds on. TESTED is the newest outcome that verify --record kept; a good one that passed it
counts as verified.

Example:

  cofre list --sink /var/backups/app`
}

func (l *listCommand) Run(ctx context.Context, c *console) error {
	f, err := l.scan(ctx)
	if err != nil {
		return err
	}
	inv := f.inventory
	r, links := &listResult{Sets: []setLine{}}, linksOf(inv)
	for _, m := range inv.Sets {
		line := describe(m)
		if _, err := links.chain(m); err != nil {
			line.State, line.Problem = damaged, err.Error()
		}
		line.Proof, line.Verified = proofOf(inv, m), inv.Verified(m)
		r.Sets = append(r.Sets, line)
	}
	for _, d := range inv.Damaged {
		r.Sets = append(r.Sets, setLine{ID: d.ID, Kind: manifest.KindOf(d.ID), State: damaged, Problem: d.Err.Error()})
	}
	for _, s := range inv.Strays {
		r.Sets = append(r.Sets, setLine{
			ID: s.ID, Kind: manifest.KindOf(s.ID), State: unfinished, Start: s.Newest,
			Size: s.Size, Objects: int64(s.Objects),
		})
	}
	for i := range r.Sets {
		r.Sets[i].Hold = holdOf(inv, r.Sets[i].ID)
	}
	for _, refused := range inv.Refused {
		r.Refused = append(r.Refused, refusedLine{refused.Name, refused.Err.Error()})
	}
	slices.SortStableFunc(r.Sets, func(a, b setLine) int { return cmp.Compare(startOf(a.ID), startOf(b.ID)) })
	c.result = r
	return nil
}

// state is what can be said of a backup without reading all of it.
type state string

const (
	good       state = "good"
	suspect    state = "suspect"
	damaged    state = "damaged"
	unfinished state = "unfinished"
)

// setLine is one backup. Of a damaged or unfinished one little is known.
type setLine struct {
	ID       string           `json:"id"`
	State    state            `json:"state"`
	Source   string           `json:"source,omitempty"`
	Kind     manifest.Kind    `json:"kind"`
	Scope    manifest.Scope   `json:"scope,omitempty"`
	Purpose  manifest.Purpose `json:"purpose,omitempty"`
	DataTime time.Time        `json:"data_time,omitzero"` // the moment that the data is of
	Start    time.Time        `json:"start,omitzero"`
	End      time.Time        `json:"end,omitzero"`
	Parents  []string         `json:"parents,omitempty"`  // what it builds on
	Size     int64            `json:"size"`               // bytes as stored
	RawSize  int64            `json:"raw_size,omitempty"` // bytes before compression
	Objects  int64            `json:"objects,omitempty"`
	Suspect  []string         `json:"suspect,omitempty"` // why
	Problem  string           `json:"problem,omitempty"` // of a damaged one

	Verified bool       `json:"verified,omitempty"` // good, and it passed its newest test
	Proof    *proofFact `json:"proof,omitempty"`    // its newest test
	Hold     *holdFact  `json:"hold,omitempty"`     // nil if it is not held
}

func describe(m *manifest.Manifest) setLine {
	s := setLine{
		ID: m.ID, State: good, Source: m.Source, Kind: m.Kind, Scope: m.Scope, Purpose: m.Purpose,
		DataTime: m.DataTime, Start: m.Start, End: m.End,
		Size: m.StoredSize(), RawSize: m.RawSize(), Objects: int64(len(m.Objects)), Suspect: m.Suspect,
	}
	for _, p := range m.Parents {
		s.Parents = append(s.Parents, p.ID)
	}
	if !m.Good() {
		s.State = suspect
	}
	return s
}

// startOf is when the backup began, from its ID: damaged ones have no other.
func startOf(id string) (second string) {
	_, name, _ := strings.Cut(id, "/")
	second, _, _ = strings.Cut(name, "-")
	return second
}

// idSecond is how an ID has it.
const idSecond = "20060102T150405Z"

// what is the kind, and what makes the set another than a whole backup.
func (s *setLine) what() string {
	what := string(s.Kind)
	if s.Scope == manifest.Part {
		what += ", part"
	}
	if s.Purpose == manifest.Safety || s.Purpose == manifest.Consolidated {
		what += ", " + string(s.Purpose)
	}
	return what
}

// on is the end of the parent's name, which is enough to name it.
func (s *setLine) on() string {
	if len(s.Parents) == 0 {
		return "-"
	}
	_, end, _ := strings.Cut(s.Parents[0], "-")
	return end
}

// listResult is the backups of a sink, the oldest first.
type listResult struct {
	Sets    []setLine     `json:"sets"`
	Refused []refusedLine `json:"refused,omitempty"`
}

func (r *listResult) writeText(w io.Writer) error {
	if len(r.Sets) == 0 {
		fmt.Fprintln(w, "No backups here.")
		return r.writeRefused(w)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BACKUP\tSOURCE\tKIND\tON\tAGE\tSIZE\tTESTED\tSTATE")
	for _, s := range r.Sets {
		age := "-"
		if at := cmp.Or(s.DataTime, s.Start); !at.IsZero() {
			age = humanize.Time(at)
		}
		what := string(s.State)
		if s.Hold != nil {
			what += ", held"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, cmp.Or(plain(s.Source), "-"), s.what(), s.on(), age, size(s.Size), s.Proof, what)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range r.Sets {
		for _, why := range s.Suspect {
			fmt.Fprintf(w, "\n%s is suspect: %s\n", s.ID, plain(why))
		}
		if s.Problem != "" {
			fmt.Fprintf(w, "\n%s\n", plain(s.Problem))
		}
		if s.Hold != nil {
			fmt.Fprintf(w, "\n%s is held %s\n", s.ID, s.Hold)
		}
	}
	return r.writeRefused(w)
}

func (r *listResult) writeRefused(w io.Writer) (err error) {
	for _, record := range r.Refused {
		_, err = fmt.Fprintf(w, "\n%s does not count: %s\n", plain(record.Name), plain(record.Problem))
	}
	return err
}
