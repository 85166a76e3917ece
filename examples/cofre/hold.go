package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

type holdCommand struct {
	selection
	Reason  string `required:"" placeholder:"TEXT" help:"Why it must stay, for whoever looks at it in a year."`
	SealKey file   `placeholder:"FILE" help:"Ed25519 private key (PEM) to sign the hold with: where --trust is used one without a seal does not count."`
}

func (*holdCommand) Help() string {
	return `Keeps a backup, and what that needs, from being deleted by "cofre cleanup", until it
is released. It is held in each sink that has it.

Example:

  cofre hold --sink /var/backups/app --reason "the audit of 2025" full/20250808`
}

func (h *holdCommand) Run(ctx context.Context, c *console) error {
	seal, err := readOne(h.SealKey, "--seal-key", parseSealKey)
	if err != nil {
		return err
	}
	f, err := h.find(ctx, c)
	if err != nil {
		return err
	}
	if !trusted(seal, f.trust) {
		return usageError("--trust is used here, and whoever trusts those keys alone will not count this hold: sign it with the --seal-key of one of them")
	}
	hold := manifest.Hold{Set: f.set.ID, Reason: h.Reason, Since: time.Now()}
	r := &holdResult{Set: hold.Set, Reason: hold.Reason}
	c.result = r
	return h.each(ctx, r, func(s remote.RemoteSink) (bool, error) {
		inv, err := manifest.Scan(ctx, s, &manifest.ScanOptions{Trust: f.trust})
		if err != nil || !slices.ContainsFunc(inv.Sets, func(m *manifest.Manifest) bool { return m.ID == hold.Set }) {
			return false, err
		}
		return true, hold.Put(ctx, s, seal)
	})
}

// trusted tells whether what a key seals, or nothing does, counts for those who
// trust these.
func trusted(seal crypto.Signer, keys []ed25519.PublicKey) bool {
	return len(keys) == 0 || seal != nil && slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return k.Equal(seal.Public()) })
}

type releaseCommand struct {
	Sink sinks  `required:"" placeholder:"PATH|URL" help:"Where the backup is: a folder, s3://bucket/prefix, gs://... or azblob://... It is released in each of several."`
	Set  string `arg:"" help:"Which backup: its name as list shows it, or the beginning or end of it that no other held one has."`
}

func (*releaseCommand) Help() string {
	return `Takes a hold away. The next "cofre cleanup" deletes the backup if its policy says so.

Example:

  cofre release --sink /var/backups/app full/20250808`
}

func (l *releaseCommand) Run(ctx context.Context, c *console) error {
	id, err := l.find(ctx)
	if err != nil {
		return err
	}
	r := &holdResult{Set: id}
	c.result = r
	return (&place{Sink: l.Sink}).each(ctx, r, func(s remote.RemoteSink) (bool, error) {
		held, err := manifest.HoldOf(ctx, s, id, nil)
		if err != nil || held == nil {
			return false, err
		}
		return true, manifest.Release(ctx, s, id)
	})
}

// find returns the one held set that is meant, in whichever sink. The set
// itself may be damaged, or gone.
func (l *releaseCommand) find(ctx context.Context) (string, error) {
	var held, meant []string
	for i := range l.Sink {
		s, err := l.Sink[i].open(ctx, false)
		if err != nil {
			return "", err
		}
		inv, err := manifest.Scan(ctx, s, nil)
		if err != nil {
			return "", err
		}
		for _, h := range inv.Holds {
			held = append(held, h.Set)
		}
	}
	slices.Sort(held)
	held = slices.Compact(held)
	for _, id := range held {
		if l.Set != "" && (strings.HasPrefix(id, l.Set) || strings.HasSuffix(id, l.Set)) {
			meant = append(meant, id)
		}
	}
	switch {
	case len(held) == 0:
		return "", errors.New("nothing is held here")
	case len(meant) == 0:
		return "", fmt.Errorf("%q is not held; held are: %s", l.Set, strings.Join(held, ", "))
	case len(meant) > 1:
		return "", fmt.Errorf("%q can mean %s: give more of the name", l.Set, strings.Join(meant, " or "))
	}
	return meant[0], nil
}

// each does something in every sink, whatever became of the others, and tells
// the result which it was done in.
func (p *place) each(ctx context.Context, r *holdResult, do func(remote.RemoteSink) (done bool, err error)) error {
	var failed []error
	for i := range p.Sink {
		at := &p.Sink[i]
		line := holdLine{Sink: at.String()}
		s, err := at.open(ctx, false)
		if err == nil {
			line.Done, err = do(s)
		}
		if err != nil {
			line.Done, line.Error = false, err.Error()
			failed = append(failed, fmt.Errorf("%s: %w", line.Sink, err))
		}
		r.Sinks = append(r.Sinks, line)
	}
	return errors.Join(failed...)
}

// holdResult is what was held, or released if there is no reason.
type holdResult struct {
	Set    string     `json:"set"`
	Reason string     `json:"reason,omitempty"`
	Sinks  []holdLine `json:"sinks"` // in the order given
}

// holdLine is one sink.
type holdLine struct {
	Sink  string `json:"sink"`
	Done  bool   `json:"done"` // false where there was nothing to hold or release
	Error string `json:"error,omitempty"`
}

func (r *holdResult) writeText(w io.Writer) error {
	done, not := "released", "held"
	if r.Reason != "" {
		done, not = "held", "there"
	}
	for _, s := range r.Sinks {
		switch {
		case s.Error != "": // which the error tells
		case s.Done:
			fmt.Fprintf(w, "%s is %s in %s.\n", r.Set, done, plain(s.Sink))
		default:
			fmt.Fprintf(w, "%s is not %s in %s.\n", r.Set, not, plain(s.Sink))
		}
	}
	return nil
}
