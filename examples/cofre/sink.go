package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// openers open a sink by the scheme of its URL. A command that only reads must
// not make a sink: what is not there has no backups, and a typing error would
// look like an empty one.
var openers = map[string]func(u *url.URL, create bool) (remote.RemoteSink, error){
	"file": openFolder,
}

func openFolder(u *url.URL, create bool) (remote.RemoteSink, error) {
	if !create {
		if _, err := os.Stat(u.Path); err != nil {
			return nil, fmt.Errorf("opening the sink: %w", err)
		}
	}
	return remote.NewDir(u.Path)
}

// sink is a flag that names a place for backups.
type sink struct{ url *url.URL }

// UnmarshalText reads a path, or a URL of a known scheme.
func (s *sink) UnmarshalText(text []byte) error {
	scheme, rest, isURL := strings.Cut(string(text), "://")
	if !isURL {
		scheme, rest = "file", string(text)
	}
	known := strings.Join(slices.Sorted(maps.Keys(openers)), "://, ") + "://"
	switch {
	case len(text) == 0:
		return errors.New("is empty: want a path, or a URL with " + known)
	case openers[scheme] == nil:
		return fmt.Errorf("scheme %q is not known: want a path, or a URL with %s", scheme, known)
	case !isURL:
		s.url = &url.URL{Scheme: scheme, Path: rest}
		return nil
	}
	u, err := url.Parse(string(text))
	if err != nil {
		return fmt.Errorf("malformed URL: %w", errors.Unwrap(err)) // without its text, which may hold a secret
	}
	if scheme == "file" && (u.Host != "" && u.Host != "localhost" || u.Path == "") {
		return errors.New("want file:///absolute/path, with three slashes")
	}
	s.url = u
	return nil
}

func (s *sink) open(create bool) (remote.RemoteSink, error) {
	return openers[s.url.Scheme](s.url, create)
}

// place is what the commands share that look for backups.
type place struct {
	Sink   sink   `required:"" placeholder:"PATH|URL" help:"Where the backups are: a folder, or file:///path."`
	Source string `placeholder:"NAME" help:"Only backups of this source, where the sink holds several."`
}

// scan opens the sink and reads which backups it holds.
func (p *place) scan(ctx context.Context) (remote.RemoteSink, *manifest.Inventory, error) {
	s, err := p.Sink.open(false)
	if err != nil {
		return nil, nil, err
	}
	inv, err := manifest.Scan(ctx, s, nil)
	if err != nil || p.Source == "" {
		return s, inv, err
	}
	if known := inv.Sources(); !slices.Contains(known, p.Source) {
		return nil, nil, fmt.Errorf("%w of source %q; the sink holds %q", manifest.ErrNoSet, p.Source, known)
	}
	return s, inv.Source(p.Source), nil
}

// choice is what the commands share that work on one backup.
type choice struct {
	place
	Set string `arg:"" help:"Which backup: its name as list shows it, a part of the name that no other has, or latest (the newest that is good and whole)."`
}

// find opens the sink and reads the manifest of the chosen backup.
func (c *choice) find(ctx context.Context) (remote.RemoteSink, *manifest.Manifest, error) {
	s, inv, err := c.scan(ctx)
	if err != nil {
		return nil, nil, err
	}
	if known := inv.Sources(); c.Set == "latest" && len(known) > 1 {
		return nil, nil, usageError(fmt.Sprintf("the sink holds backups of several sources: say which with --source, one of %q", known))
	}
	set, err := inv.Find(c.Set)
	return s, set, err
}
