package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

type doctorCommand struct {
	Sink        sinks    `required:"" placeholder:"PATH|URL" help:"The sink to try out: a folder, s3://bucket/prefix, gs://... or azblob://... Of several the first."`
	LargeObject byteSize `default:"20MiB" placeholder:"SIZE" help:"How large the largest object is that is stored and read back. By default 20MiB, which is sent in parts."`
}

func (*doctorCommand) Help() string {
	return `Finds out whether credentials, network and store do what backups rely on, and
what of the rest this store honours. It works in a folder of its own,
cofre-doctor-..., below the place given, and removes that in the end; backups that
are there are only listed. It sends about 110 MB and reads about 45 MB.

A bucket with versions keeps what is deleted, until its rules remove that. The
parameters lock_days and lock_mode are left out, as what is locked would stay.

Exits with 1 if the store breaks a promise, or may not be written to.

Examples:

  cofre doctor --sink "s3://backups/app?endpoint=https://minio.example&path_style=1"
  cofre doctor --sink gs://backups/app --large-object 500MB --json`
}

func (d *doctorCommand) Run(ctx context.Context, c *console) (err error) {
	base, err := d.Sink[0].open(ctx, false)
	if err != nil {
		return err
	}
	inv, err := manifest.Scan(ctx, base, nil)
	if err != nil {
		return fmt.Errorf("the sink cannot be read: %w", err)
	}
	r := &doctorResult{Sink: d.Sink[0].String(), Backups: len(inv.Sets)}
	c.result = r
	report, stop := c.follow()
	defer stop()
	report(step{phase: "testing"})

	trial := d.Sink[0].below("cofre-doctor-" + strings.ToLower(rand.Text()))
	defer func() { err = errors.Join(err, trial.remove()) }()
	s, err := trial.open(ctx, true)
	if err == nil {
		err = r.examine(ctx, s, int64(d.LargeObject))
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("the sink may be read but not written to, which is enough to list, verify and restore: %w", err)
	}
	return err
}

// doctorResult is what a store was seen to do.
type doctorResult struct {
	Sink     string   `json:"sink"`
	Backups  int      `json:"backups"`           // that it holds and that can be read
	Honours  *honours `json:"honours,omitempty"` // nil where it could not be written to
	Failures []string `json:"failures,omitempty"`
}

// honours is remotetest.Capabilities in JSON.
type honours struct {
	Exclusive  bool    `json:"exclusive_create"`
	Ranges     bool    `json:"ranges"`
	Stat       bool    `json:"stat"`
	Levels     bool    `json:"levels"`
	Sweep      bool    `json:"sweep"`
	Versions   bool    `json:"versions"`
	Checked    bool    `json:"checksums"`
	ClockAhead float64 `json:"clock_ahead"` // seconds
}

// examine tries a sink out that holds nothing.
func (r *doctorResult) examine(ctx context.Context, s remote.RemoteSink, large int64) error {
	can, err := remotetest.Probe(ctx, s)
	if err != nil {
		return err
	}
	r.Honours = &honours{
		Exclusive: can.Exclusive, Ranges: can.Ranges, Stat: can.Stat, Levels: can.Levels, Sweep: can.Sweep,
		Versions: can.Versions, Checked: can.Checked, ClockAhead: can.ClockAhead.Seconds(),
	}
	err = remotetest.TestSink(ctx, s, remotetest.LargeObject(large))
	if err == nil || ctx.Err() != nil {
		return err
	}
	failed := []error{err}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		failed = all.Unwrap()
	}
	for _, f := range failed {
		r.Failures = append(r.Failures, f.Error())
	}
	return fmt.Errorf("this store does not keep what backups rely on: %s failed", count(int64(len(failed)), "check", "checks"))
}

func (r *doctorResult) writeText(w io.Writer) error {
	fmt.Fprintf(w, "%s can be read, and holds %s.\n", plain(r.Sink), count(int64(r.Backups), "backup", "backups"))
	h := r.Honours
	if h == nil {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(what string, yes bool, means string) {
		answer := "no"
		if yes {
			answer = "yes"
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", what, answer, means)
	}
	fmt.Fprintln(t, "It can be written to. What it honours:")
	line("checksums", h.Checked, "the store proves what it holds; else all that is stored is read back")
	line("exclusive create", h.Exclusive, "an object is refused where there is one of its name")
	line("ranges", h.Ranges, "parts of an object are read without the rest")
	line("stat", h.Stat, "an object is described without listing")
	line("levels", h.Levels, "a folder is listed without what is below")
	line("versions", h.Versions, "a change of an object's content shows in its version")
	line("sweep", h.Sweep, "what broken uploads left can be found and removed")
	fmt.Fprintf(t, "  clock\t%s\tahead of the one here, as far as the store tells; some tell seconds only\n", duration(time.Duration(h.ClockAhead*float64(time.Second))))
	if err := t.Flush(); err != nil {
		return err
	}
	if len(r.Failures) == 0 {
		_, err := fmt.Fprintln(w, "All that backups rely on was tried, and works.")
		return err
	}
	section(w, "Failed", r.Failures, func(f string) string { return strings.ReplaceAll(f, "\n", "\n    ") })
	return nil
}
