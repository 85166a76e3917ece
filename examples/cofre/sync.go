package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

type syncCommand struct {
	From sink `arg:"" help:"The sink to copy from: a folder, or a URL as --sink of the other commands takes it."`
	To   sink `arg:"" help:"The sink to copy to; a folder is made if needed."`

	DryRun   bool `help:"Say what would be done, and do nothing."`
	Delete   bool `help:"Delete from TO the backups that FROM no longer has, but none newer than the newest of FROM, and never the last good one."`
	ByMonth  bool `help:"Put new backups below the year and month of their start: 2025/08/full/..."`
	Checksum bool `help:"Read what is there already and compare its checksums, instead of names and sizes alone."`
	Jobs     uint `placeholder:"N" help:"Objects to copy at a time. By default 4."`
	trust
	lock
}

func (*syncCommand) Help() string {
	return `Copies the backups that TO lacks, or holds incomplete or altered. A backup is
listed there only when all of it has arrived and was compared with its checksums.
It may be stopped at any time and run again: what has arrived stays. It needs no
key: what is encrypted is copied as it is.

Exits with 1 if a backup could not be copied, and with 3 if that is because it is
damaged in FROM; all others are copied.

Examples:

  cofre sync --dry-run /var/backups/app "s3://backups/app?region=eu-west-1"
  cofre sync --by-month --delete /var/backups/app gs://backups/app`
}

func (s *syncCommand) Run(ctx context.Context, c *console, p profile) error {
	unlock, err := s.take("sync", p)
	if err != nil {
		return err
	}
	defer unlock()
	keys, err := s.keys()
	if err != nil {
		return err
	}
	from, err := s.From.open(ctx, false)
	if err != nil {
		return err
	}
	to, err := s.To.open(ctx, !s.DryRun)
	if err != nil {
		return err
	}
	report, stop := c.follow()
	defer stop()
	done, err := manifest.Sync(ctx, from, to, &manifest.SyncOptions{
		Jobs: int(s.Jobs), DryRun: s.DryRun, Delete: s.Delete, ByMonth: s.ByMonth, Checksum: s.Checksum, Trust: keys, Logger: c.log,
		Progress: func(p manifest.SyncProgress) {
			report(step{phase: p.Phase, done: p.Bytes, total: p.TotalBytes})
		},
	})
	if done != nil {
		c.result = newSyncResult(done)
	}
	return err
}

// syncResult is what was done, or would be.
type syncResult struct {
	DryRun  bool       `json:"dry_run"`
	Sets    []syncLine `json:"sets"`
	Objects int        `json:"objects"` // that were copied
	Size    int64      `json:"size"`    // bytes of these
}

type syncLine struct {
	ID      string              `json:"id"`
	Source  string              `json:"source,omitempty"`
	Action  manifest.SyncAction `json:"action"`
	Reason  string              `json:"reason,omitempty"`
	Objects int                 `json:"objects"`
	Size    int64               `json:"size"`
}

func newSyncResult(done *manifest.SyncResult) *syncResult {
	r := &syncResult{DryRun: done.DryRun, Sets: []syncLine{}}
	r.Objects, r.Size = done.Copied()
	for _, s := range done.Sets {
		r.Sets = append(r.Sets, syncLine{s.ID, s.Source, s.Action, s.Reason, s.Objects, s.Bytes})
	}
	return r
}

// writeText writes a line for each backup that was not the same already, and a
// sum.
func (r *syncResult) writeText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	sum := map[manifest.SyncAction]int64{}
	for _, s := range r.Sets {
		if sum[s.Action]++; s.Action != manifest.SyncSame {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Action, s.ID, size(s.Size), plain(s.Reason))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var parts []string
	for _, a := range []manifest.SyncAction{
		manifest.SyncCopied, manifest.SyncRepaired, manifest.SyncSame, manifest.SyncDeleted, manifest.SyncKept, manifest.SyncFailed,
	} {
		if sum[a] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", sum[a], a))
		}
	}
	if len(parts) == 0 {
		parts = []string{"no backups in FROM"}
	}
	text := strings.Join(parts, ", ")
	if r.DryRun {
		_, err := fmt.Fprintf(w, "It would be: %s; nothing was changed.\n", text)
		return err
	}
	_, err := fmt.Fprintf(w, "Done: %s; %s in %s were copied.\n", text, size(r.Size), count(int64(r.Objects), "object", "objects"))
	return err
}
