package main

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

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
	return f, f.choose(c, s.Set)
}

// reading is what the commands share that open backups.
type reading struct {
	Identity files `short:"i" placeholder:"FILE" help:"age identities (AGE-SECRET-KEY-...) that open an encrypted backup. Repeat for more."`
	place
}

// open opens the sink, and reads what opens its backups.
func (r *reading) open(ctx context.Context) (*found, error) {
	identities, err := readAll(r.Identity, "--identity", identitiesParser(ctx))
	if err != nil {
		return nil, err
	}
	f, err := r.scan(ctx)
	if err != nil {
		return nil, err
	}
	f.identities = identities
	return f, nil
}

// choice is what the commands share that read one backup.
type choice struct {
	reading
	Set string `arg:"" help:"Which backup: its name as list shows it, a part of the name that no other has, or latest (${latest})."`
}

// find finds the backup, and reads what opens it.
func (o *choice) find(ctx context.Context, c *console) (*found, error) {
	f, err := o.open(ctx)
	if err != nil {
		return nil, err
	}
	return f, f.choose(c, o.Set)
}

// choose finds the backup that is meant.
func (f *found) choose(c *console, ref string) (err error) {
	if ref == "latest" {
		if _, err := f.source(ref); err != nil {
			return err
		}
	}
	if f.set, err = f.inventory.Find(ref); err == nil && ref == "latest" {
		f.warnOfNewer(c, time.Time{})
	}
	return err
}

// source is the one whose backups the sink holds.
func (f *found) source(asked string) (string, error) {
	switch known := f.inventory.Sources(); len(known) {
	case 0:
		_, err := f.inventory.Find("latest")
		return "", err
	case 1:
		return known[0], nil
	default:
		return "", usageError(fmt.Sprintf("%s means one source, and the sink holds backups of several: say which with --source, one of %q", asked, known))
	}
}

// instead tells whether a backup of the kind could stand for the chosen one: of a
// database full and incremental ones do.
func (f *found) instead(kind manifest.Kind) bool {
	ofDatabase := func(k manifest.Kind) bool { return k == manifest.Full || k == manifest.Incremental }
	return kind == f.set.Kind || ofDatabase(kind) && ofDatabase(f.set.Kind)
}

// warnOfNewer tells which newer backups are passed over, and began before a
// moment, if there is one.
func (f *found) warnOfNewer(c *console, before time.Time) {
	const passed = "a newer backup is passed over"
	for _, m := range f.inventory.Sets {
		if !m.Good() && f.instead(m.Kind) && isSafety(m) == isSafety(f.set) && m.Start.After(f.set.Start) && (before.IsZero() || m.Start.Before(before)) {
			c.log.Warn(passed, "backup", m.ID, "state", "suspect")
		}
	}
	for _, d := range f.inventory.Damaged {
		began := startOf(d.ID)
		if f.instead(manifest.KindOf(d.ID)) && began > startOf(f.set.ID) && (before.IsZero() || began < before.UTC().Format(idSecond)) {
			c.log.Warn(passed, "backup", d.ID, "state", "damaged", "err", d.Err)
		}
	}
}

// isSafety tells what was taken before something was overwritten.
func isSafety(m *manifest.Manifest) bool { return m.Purpose == manifest.Safety }
