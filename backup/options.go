package backup

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
)

// Options changes how [Run] stores a backup. The zero value, and nil, work.
type Options struct {
	// Compression is "zstd" (the default), "gzip" or "none", with an optional
	// level behind a colon: "zstd:3", "gzip:9". Stock pg_restore reads gzip
	// and none from release 12 on, zstd from 16 on, and the large objects of
	// a server of 17 or 18, however compressed, from 17 on.
	Compression string

	// MinSize makes a set suspect whose raw size (before compression) is
	// smaller, in bytes. 0 sets no floor.
	MinSize int64

	// ShrinkLimit makes a set suspect whose raw size is smaller than this
	// share of the median of the last five good sets of the same source and
	// kind. 0 means 0.5; a negative value turns the comparison off.
	ShrinkLimit float64

	// Purpose is manifest.Backup by default.
	Purpose manifest.Purpose

	// Progress is called while the backup runs, at most ten times a second
	// and once at the end, from one goroutine at a time. It must not block.
	Progress func(Progress)

	// Logger receives what an operator wants to know. nil discards.
	Logger *slog.Logger

	// Now tells the time, for the set's name and times. nil is time.Now.
	Now func() time.Time
}

// resolved is Options with every default in place.
type resolved struct {
	Options
	compression codec.Compression
}

func (o *Options) resolve() (*resolved, error) {
	r := &resolved{}
	if o != nil {
		r.Options = *o
	}
	if r.Compression == "" {
		r.Compression = "zstd"
	}
	c, err := codec.ParseCompression(r.Compression)
	if err != nil {
		return nil, fmt.Errorf("backup: Options.Compression: %w", err)
	}
	r.compression = c
	if r.MinSize < 0 {
		return nil, errors.New("backup: Options.MinSize is negative")
	}
	switch {
	case r.ShrinkLimit == 0:
		r.ShrinkLimit = 0.5
	case r.ShrinkLimit >= 1:
		return nil, fmt.Errorf("backup: Options.ShrinkLimit is %g: it is a share below 1", r.ShrinkLimit)
	}
	if r.Purpose == "" {
		r.Purpose = manifest.Backup
	}
	if r.Logger == nil {
		r.Logger = slog.New(slog.DiscardHandler)
	}
	if r.Now == nil {
		r.Now = time.Now
	}
	return r, nil
}
