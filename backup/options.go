package backup

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"filippo.io/age"
	"golang.org/x/time/rate"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/remote"
)

// Options changes how [Run] stores a backup. The zero value, and nil, work.
type Options struct {
	// Compression is "zstd" (the default), "gzip" or "none", with an optional
	// level behind a colon: "zstd:3", "gzip:9". Stock pg_restore reads gzip
	// and none from release 12 on, zstd from 16 on, and the large objects of
	// a server of 17 or 18, however compressed, from 17 on.
	Compression string

	// Recipients encrypt every object but the manifest and its seal with age,
	// so that any one of their identities opens it. All must be of one
	// strength: age refuses to mix post-quantum ones with others. None leaves
	// the set readable by whoever can read the sink.
	Recipients []age.Recipient

	// StateKey is an identity that stays on the machine that backs up, an
	// *age.X25519Identity or *age.HybridIdentity. What the next incremental
	// needs to know of this set, which is no row of it, is encrypted to it as
	// well. It opens nothing else. Only with Recipients.
	StateKey age.Identity

	// Seal signs the manifest: an Ed25519 key, such as an ed25519.PrivateKey.
	// nil leaves the set without a seal.
	Seal crypto.Signer

	// Trust are the keys whose seals make an earlier set part of the history.
	// Default: that of Seal. Without either, seals are not looked at.
	Trust []ed25519.PublicKey

	// Copies are further sinks that get the same set at the same time. One
	// that fails gets no manifest, and is no more waited for.
	Copies []remote.RemoteSink

	// MinCopies is how many sinks, that given to Run counted, must hold the
	// set in the end; fewer is a [*CopiesError]. 0 means 1.
	MinCopies int

	// MaxStall is how long the other sinks wait for one that takes in nothing
	// and gives no answer, before it is given up. 0 means 5 minutes. A single
	// sink is waited for as long as the context allows.
	MaxStall time.Duration

	// Rate bounds what is sent to each sink, and what is then read back from
	// all of them, in stored bytes a second. 0 means no bound.
	Rate int64

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
	forState    []age.Recipient // of what the StateKey opens as well
	limit       *rate.Limiter   // nil: none
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
	if err := r.resolveKeys(); err != nil {
		return nil, err
	}
	if r.MinCopies = max(r.MinCopies, 1); r.MinCopies > 1+len(r.Copies) {
		return nil, fmt.Errorf("backup: Options.MinCopies is %d, but there are only %d sinks", r.MinCopies, 1+len(r.Copies))
	}
	switch {
	case r.MaxStall < 0:
		return nil, errors.New("backup: Options.MaxStall is negative")
	case r.MaxStall == 0:
		r.MaxStall = 5 * time.Minute
	}
	switch {
	case r.Rate < 0:
		return nil, errors.New("backup: Options.Rate is negative")
	case r.Rate > 0:
		r.limit = newLimit(r.Rate)
	}
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

// resolveKeys finds what is wrong with the keys before anything is read.
func (r *resolved) resolveKeys() error {
	if len(r.Recipients) > 0 {
		if _, err := age.Encrypt(io.Discard, r.Recipients...); err != nil {
			return fmt.Errorf("backup: Options.Recipients: %w", err)
		}
	}
	if r.StateKey != nil {
		if err := r.resolveStateKey(); err != nil {
			return err
		}
	}
	if r.Seal != nil {
		if _, err := manifest.Sign(r.Seal, nil); err != nil {
			return fmt.Errorf("backup: Options.Seal: %w", err)
		}
		if len(r.Trust) == 0 {
			r.Trust = []ed25519.PublicKey{r.Seal.Public().(ed25519.PublicKey)}
		}
	}
	return nil
}

func (r *resolved) resolveStateKey() error {
	var to age.Recipient
	switch key := r.StateKey.(type) {
	case *age.X25519Identity:
		to = key.Recipient()
	case *age.HybridIdentity:
		to = key.Recipient()
	default:
		return fmt.Errorf("backup: Options.StateKey is a %T: want an *age.X25519Identity or *age.HybridIdentity", r.StateKey)
	}
	if len(r.Recipients) == 0 {
		return errors.New("backup: Options.StateKey without Recipients: nothing would be encrypted")
	}
	r.forState = append(slices.Clone(r.Recipients), to)
	if _, err := age.Encrypt(io.Discard, r.forState...); err != nil {
		return fmt.Errorf("backup: Options.StateKey: %w", err)
	}
	return nil
}
