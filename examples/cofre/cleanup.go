package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/retention"
)

type cleanupCommand struct {
	Sink   sinks `required:"" placeholder:"PATH|URL" help:"Where the backups are: a folder, s3://bucket/prefix, gs://... or azblob://... Each of several is cleaned by itself."`
	DryRun bool  `help:"Say what would be deleted, what would stay, and why, and do nothing."`
	Force  bool  `file:"no" help:"Follow the policy even where it is refused."`
	Jobs   uint  `placeholder:"N" help:"Requests to send to a sink at a time. By default 4."`
	policy
	trust
	lock
}

// policy is the flags of a retention.RetentionPolicy.
type policy struct {
	KeepFull        span `default:"${keep_full}" placeholder:"AGE" help:"Keep full backups that are no older: 30d, 2w, 12h, forever. By default ${default}."`
	KeepFullLast    uint `placeholder:"N" help:"Keep the newest so many as well, whatever their age."`
	KeepFullHourly  uint `placeholder:"N" help:"Keep the newest of each of the newest so many hours that have one."`
	KeepFullDaily   uint `placeholder:"N" help:"The same by days."`
	KeepFullWeekly  uint `placeholder:"N" help:"The same by weeks, which begin on Monday."`
	KeepFullMonthly uint `placeholder:"N" help:"The same by months."`
	KeepFullYearly  uint `placeholder:"N" help:"The same by years."`
	TimeZone        zone `default:"UTC" placeholder:"ZONE" help:"Where these hours, days and so on begin. By default ${default}."`

	KeepIncremental span `default:"${keep_incremental}" placeholder:"AGE" help:"Keep incremental backups that are no older. By default ${default}."`
	KeepStorage     span `default:"${keep_storage}" placeholder:"AGE" help:"Keep backups of buckets that are no older. By default ${default}."`
	KeepConfigs     span `default:"${keep_configs}" placeholder:"AGE" help:"Keep backups of configuration files that are no older. By default ${default}."`
	KeepSafety      span `default:"${keep_safety}" placeholder:"AGE" help:"Keep what was taken just before a restore overwrote it. By default ${default}."`
	KeepProofs      span `default:"${keep_proofs}" placeholder:"AGE" help:"Keep the results of tests. By default ${default}."`
	KeepRuns        span `default:"${keep_runs}" placeholder:"AGE" help:"Keep the records of runs. By default ${default}."`
	MinVerified     uint `default:"${min_verified}" placeholder:"N" help:"Keep the newest so many full backups of each source that passed their newest test. By default ${default}."`
	Grace           span `default:"${grace}" placeholder:"AGE" help:"How long an unfinished backup must have been silent before it counts as left by a run that died. By default ${default}."`
}

// documentedPolicy fills in the defaults above.
func documentedPolicy() kong.Vars {
	p := retention.Documented()
	return kong.Vars{
		"keep_full":        span(p.Full.Within).String(),
		"keep_incremental": span(p.Incremental.Within).String(),
		"keep_storage":     span(p.Storage.Within).String(),
		"keep_configs":     span(p.Configs.Within).String(),
		"keep_safety":      span(p.Safety).String(),
		"keep_proofs":      span(p.Proofs).String(),
		"keep_runs":        span(p.Runs).String(),
		"min_verified":     fmt.Sprint(p.MinVerified),
		"grace":            span(cmp.Or(p.Grace, day)).String(),
	}
}

// retention returns the policy as the library has it.
func (p *policy) retention(force bool) retention.RetentionPolicy {
	within := func(s span) retention.Rule { return retention.Rule{Within: time.Duration(s)} }
	full := within(p.KeepFull)
	full.Last, full.Hourly, full.Daily = int(p.KeepFullLast), int(p.KeepFullHourly), int(p.KeepFullDaily)
	full.Weekly, full.Monthly, full.Yearly = int(p.KeepFullWeekly), int(p.KeepFullMonthly), int(p.KeepFullYearly)
	return retention.RetentionPolicy{
		Full: full, Incremental: within(p.KeepIncremental), Storage: within(p.KeepStorage), Configs: within(p.KeepConfigs),
		Safety: time.Duration(p.KeepSafety), Proofs: time.Duration(p.KeepProofs), Runs: time.Duration(p.KeepRuns), MinVerified: int(p.MinVerified),
		Grace: time.Duration(p.Grace), Location: p.TimeZone.Location, Force: force,
	}
}

// check refuses an age of 0, which for the library is none at all: a rule
// without any part keeps everything.
func (p *policy) check() error {
	if p.retention(false).Full == (retention.Rule{}) {
		return usageError("--keep-full 0d keeps nothing: add --keep-full-last, --keep-full-daily or another, or say forever")
	}
	for _, f := range []struct {
		flag string
		age  span
	}{
		{"--keep-incremental", p.KeepIncremental}, {"--keep-storage", p.KeepStorage}, {"--keep-configs", p.KeepConfigs},
		{"--keep-safety", p.KeepSafety}, {"--keep-proofs", p.KeepProofs}, {"--keep-runs", p.KeepRuns}, {"--grace", p.Grace},
	} {
		if f.age == 0 {
			return usageError(f.flag + " is 0: want some age, such as 1d, or forever")
		}
	}
	return nil
}

func (*cleanupCommand) Help() string {
	return `Deletes the backups that the policy no longer keeps, and what is left of runs that
died. Each source is judged by itself. Whatever the policy, these stay: what is held
(cofre hold), what a backup that stays needs, the newest of the last 24 hours, the
last good full one of a database, and what cannot be judged (damaged, or made by a
newer version). Look first with --dry-run.

It may be stopped at any time and run again, and run beside backups. What the store
keeps locked is named and no failure. A policy that would keep no good backup of a
source is refused, and nothing of it deleted: exit code 1.

Examples:

  cofre cleanup --sink /var/backups/app --dry-run
  cofre cleanup --sink /var/backups/app --sink "s3://backups/app?region=eu-west-1"
  cofre cleanup --keep-full 7d --keep-full-weekly 5 --keep-full-monthly 12 --time-zone America/Sao_Paulo`
}

func (u *cleanupCommand) Run(ctx context.Context, c *console, p profile) error {
	if err := u.check(); err != nil {
		return err
	}
	unlock, err := u.take("cleanup", p)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := u.keys()
	if err != nil {
		return err
	}
	r := &cleanupResult{DryRun: u.DryRun}
	c.result = r
	report, stop := c.follow()
	defer stop()
	var failed []error
	for i := range u.Sink {
		if ctx.Err() != nil {
			break
		}
		report(step{phase: "cleaning " + u.Sink[i].String()})
		cleaned, err := u.clean(ctx, c, &u.Sink[i], keys)
		if err != nil {
			cleaned.Error = err.Error()
			failed = append(failed, fmt.Errorf("%s: %w", cleaned.Sink, err))
		}
		r.Sinks = append(r.Sinks, cleaned)
	}
	err = errors.Join(append(failed, ctx.Err())...)
	if is[*retention.RefusedError](err) {
		return fmt.Errorf("%w: see --dry-run; --force forces the policy", err)
	}
	return err
}

// clean cleans one sink.
func (u *cleanupCommand) clean(ctx context.Context, c *console, at *sink, keys []ed25519.PublicKey) (*cleaned, error) {
	r := &cleaned{Sink: at.String(), Outcomes: []cleanLine{}}
	s, err := at.open(ctx, false)
	if err != nil {
		return r, err
	}
	done, err := retention.Clean(ctx, s, u.policy.retention(u.Force), time.Now(), &retention.Options{
		Jobs: int(u.Jobs), DryRun: u.DryRun, Trust: keys, Logger: c.log,
	})
	if done != nil {
		r.Plan, r.Swept = done.Plan, done.Swept
		for _, o := range done.Outcomes {
			r.Outcomes = append(r.Outcomes, cleanLine{o.Subject, o.ID, o.Source, o.Size, o.Action, cmp.Or(o.Reason, strings.Join(o.Reasons, "; "))})
		}
	}
	return r, err
}

// cleanupResult is what was deleted, or would be.
type cleanupResult struct {
	DryRun bool       `json:"dry_run"`
	Sinks  []*cleaned `json:"sinks"` // in the order given
}

// cleaned is what became of one sink.
type cleaned struct {
	Sink     string          `json:"sink"`
	Error    string          `json:"error,omitempty"`
	Plan     *retention.Plan `json:"plan,omitempty"` // nil where the sink could not be read
	Outcomes []cleanLine     `json:"outcomes"`       // of all that was to be deleted; none of a dry run
	Swept    int             `json:"swept"`          // leftovers that no listing shows
}

// cleanLine is something that was to be deleted.
type cleanLine struct {
	Subject retention.Subject `json:"subject"`
	ID      string            `json:"id"`
	Source  string            `json:"source,omitempty"`
	Size    int64             `json:"size"`
	Action  retention.Action  `json:"action"`
	Reason  string            `json:"reason"` // why it went, or why it did not
}

func (r *cleanupResult) writeText(w io.Writer) error {
	for _, s := range r.Sinks {
		if s.Plan == nil {
			continue // the error says why
		}
		if len(r.Sinks) > 1 {
			fmt.Fprintf(w, "%s:\n", plain(s.Sink))
		}
		write := s.writeOutcomes
		if r.DryRun {
			write = s.writePlan
		}
		if err := write(w); err != nil {
			return err
		}
	}
	return nil
}

// writePlan writes a line for each thing, and a sum.
func (s *cleaned) writePlan(w io.Writer) error {
	var gone, kept tally
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, d := range s.Plan.Decisions {
		verb := "keep"
		if d.Delete {
			verb = "delete"
			gone.add(d.Subject, d.Size)
		} else {
			kept.add(d.Subject, d.Size)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", verb, d.Subject, plain(d.ID), cmp.Or(plain(d.Source), "-"), plain(strings.Join(d.Reasons, "; ")))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "It would delete %s, and keep %s; nothing was changed.\n", &gone, &kept)
	return err
}

// writeOutcomes writes a line for each thing that was to be deleted, and a sum.
func (s *cleaned) writeOutcomes(w io.Writer) error {
	var gone, kept tally
	others := map[retention.Action]int64{}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, o := range s.Outcomes {
		if o.Action == retention.Deleted {
			gone.add(o.Subject, o.Size)
		} else {
			others[o.Action]++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", o.Action, o.Subject, plain(o.ID), cmp.Or(plain(o.Source), "-"), plain(o.Reason))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, d := range s.Plan.Decisions {
		if !d.Delete {
			kept.add(d.Subject, d.Size)
		}
	}
	fmt.Fprintf(w, "Deleted %s; kept %s", &gone, &kept)
	if s.Swept > 0 {
		fmt.Fprintf(w, "; swept %s", count(int64(s.Swept), "broken upload", "broken uploads"))
	}
	for _, action := range []retention.Action{retention.Locked, retention.Kept, retention.Failed} {
		if others[action] > 0 {
			fmt.Fprintf(w, "; %d that should have gone: %s", others[action], action)
		}
	}
	_, err := fmt.Fprintln(w, ".")
	return err
}

// tally counts things and their bytes.
type tally struct {
	sets, leftovers, proofs, bytes int64
}

func (t *tally) add(subject retention.Subject, bytes int64) {
	t.bytes += bytes
	switch subject {
	case retention.Set, retention.Damaged:
		t.sets++
	case retention.Stray:
		t.leftovers++
	case retention.Proof, retention.Record:
		t.proofs++
	}
}

func (t *tally) String() string {
	text := count(t.sets, "backup", "backups")
	if t.leftovers > 0 {
		text += ", " + count(t.leftovers, "unfinished one", "unfinished ones")
	}
	if t.proofs > 0 {
		text += ", " + count(t.proofs, "record", "records")
	}
	return text + " (" + size(t.bytes) + ")"
}
