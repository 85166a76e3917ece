package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// trust is what the commands share that look at seals.
type trust struct {
	Trust files `placeholder:"FILE" help:"Public key (PEM) of those who may seal a backup: one that they did not seal counts as damaged. Repeat for more."`
}

// keys reads the public keys.
func (t *trust) keys() ([]ed25519.PublicKey, error) { return readAll(t.Trust, "--trust", parseTrust) }

// place is what the commands share that look for backups.
type place struct {
	Sink   sinks  `required:"" placeholder:"PATH|URL" help:"Where the backups are: a folder, s3://bucket/prefix, gs://... or azblob://... Of several the first is read."`
	Source string `placeholder:"NAME" help:"Only backups of this source, where the sink holds several."`
	trust
}

// found is what a command reads from, and one backup in it.
type found struct {
	sink       remote.RemoteSink
	inventory  *manifest.Inventory
	trust      []ed25519.PublicKey
	set        *manifest.Manifest // nil unless one was chosen
	identities []age.Identity     // what opens it
}

// scan opens the sink and reads which backups it holds.
func (p *place) scan(ctx context.Context) (*found, error) {
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	s, err := p.Sink[0].open(ctx, false)
	if err != nil {
		return nil, err
	}
	inv, err := manifest.Scan(ctx, s, &manifest.ScanOptions{Trust: keys})
	if err != nil {
		return nil, err
	}
	if p.Source != "" {
		if known := inv.Sources(); !slices.Contains(known, p.Source) {
			return nil, fmt.Errorf("%w of source %q; the sink holds %q", manifest.ErrNoSet, p.Source, known)
		}
		inv = inv.Source(p.Source)
	}
	return &found{sink: s, inventory: inv, trust: keys}, nil
}

// selection is what the commands share that mean one backup.
type selection struct {
	place
	Set string `arg:"" help:"Which backup: its name as list shows it, a part of the name that no other has, or latest (${latest})."`
}

// find opens the sink and reads the manifest of the selected backup.
func (s *selection) find(ctx context.Context, c *console) (*found, error) {
	f, err := s.scan(ctx)
	if err != nil {
		return nil, err
	}
	return f, s.choose(c, f)
}

// choose finds the selected backup.
func (s *selection) choose(c *console, f *found) (err error) {
	if known := f.inventory.Sources(); s.Set == "latest" && len(known) > 1 {
		return usageError(fmt.Sprintf("the sink holds backups of several sources: say which with --source, one of %q", known))
	}
	if f.set, err = f.inventory.Find(s.Set); err == nil && s.Set == "latest" {
		f.warnOfNewer(c)
	}
	return err
}

// warnOfNewer tells which newer backups latest passes over.
func (f *found) warnOfNewer(c *console) {
	const passed = "latest passes over a newer backup"
	for _, m := range f.inventory.Sets {
		if !m.Good() && m.Kind == f.set.Kind && isSafety(m) == isSafety(f.set) && m.Start.After(f.set.Start) {
			c.log.Warn(passed, "backup", m.ID, "state", "suspect")
		}
	}
	for _, d := range f.inventory.Damaged {
		if manifest.KindOf(d.ID) == f.set.Kind && d.ID > f.set.ID {
			c.log.Warn(passed, "backup", d.ID, "state", "damaged", "err", d.Err)
		}
	}
}

// isSafety tells what was taken before something was overwritten.
func isSafety(m *manifest.Manifest) bool { return m.Purpose == manifest.Safety }

// choice is what the commands share that read one backup.
type choice struct {
	Identity files `short:"i" placeholder:"FILE" help:"age identities (AGE-SECRET-KEY-...) that open an encrypted backup. Repeat for more."`
	selection
}

// find finds the backup, and reads what opens it.
func (o *choice) find(ctx context.Context, c *console) (*found, error) {
	f, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return f, o.choose(c, f)
}

// open opens the sink, and reads what opens its backups.
func (o *choice) open(ctx context.Context) (*found, error) {
	identities, err := readAll(o.Identity, "--identity", identitiesParser(ctx))
	if err != nil {
		return nil, err
	}
	f, err := o.scan(ctx)
	if err != nil {
		return nil, err
	}
	f.identities = identities
	return f, nil
}
