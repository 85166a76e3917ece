package main

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// point is what the commands share that restore: a backup, or a time.
type point struct {
	reading
	Set string `arg:"" optional:"" help:"Which backup: its name as list shows it, a part of the name that no other has, or latest (${latest}). None with --at."`
	At  moment `file:"no" placeholder:"TIME" help:"The newest backup, full or incremental, of this time or before: 2026-11-23T14:00:00Z, or \"2026-11-23 14:00\" in the time zone of this machine."`
}

// find finds the backup, and reads what opens it.
func (p *point) find(ctx context.Context, c *console) (*found, error) {
	switch {
	case p.At.IsZero() && p.Set == "":
		return nil, usageError(`expected "<set>", or --at TIME`)
	case !p.At.IsZero() && p.Set != "":
		return nil, usageError(fmt.Sprintf("--at and %q both say which backup: leave one of the two out", p.Set))
	}
	f, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	if p.Set != "" {
		return f, f.choose(c, p.Set)
	}
	source, err := f.source("--at")
	if err != nil {
		return nil, err
	}
	if f.set, err = f.inventory.At(source, p.At.Time); err != nil {
		return nil, err
	}
	f.warnOfNewer(c, p.At.Time)
	return f, nil
}

// moment is a flag that holds a point of time.
type moment struct{ time.Time }

// The forms that a moment may have, with its own offset from UTC or without.
var (
	zoned = []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00"}
	local = []string{"2006-01-02T15:04:05", "2006-01-02T15:04"}
)

// UnmarshalText reads what RFC 3339 allows, with or without seconds, or the same
// without an offset, in the machine's time zone.
func (m *moment) UnmarshalText(text []byte) (err error) {
	s := strings.Replace(string(text), " ", "T", 1)
	for _, layout := range zoned {
		if m.Time, err = time.Parse(layout, s); err == nil {
			return nil
		}
	}
	for _, layout := range local {
		if m.Time, err = time.ParseInLocation(layout, s, time.Local); err == nil {
			return unclear(m.Time, s, layout)
		}
	}
	return fmt.Errorf("%q: want a time, such as 2026-11-23T14:00:00Z or \"2026-11-23 14:00\"", text)
}

// unclear refuses what a clock that is changed shows twice, or never.
func unclear(t time.Time, s, layout string) error {
	_, offset := t.Zone()
	for _, day := range []time.Duration{-day, day} {
		_, other := t.Add(day).Zone()
		again := t.Add(time.Duration(offset-other) * time.Second)
		if other != offset && again.Format(layout) == s || t.Format(layout) != s {
			return fmt.Errorf("%q: on that day the clocks of %s were changed: say which is meant with an offset, such as %s",
				s, time.Local, t.Format(time.RFC3339))
		}
	}
	return nil
}
