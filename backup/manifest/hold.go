package manifest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// holdFolder is where holds lie, each under its set's ID.
const holdFolder = "state/holds/"

// Hold keeps a set, and what that needs, from being deleted by age, until it
// is released.
type Hold struct {
	Format int       `json:"format"` // FormatVersion
	Set    string    `json:"set"`    // its ID
	Reason string    `json:"reason"` // for people
	Since  time.Time `json:"since"`
}

// Put stores the hold in the sink where the set is, in place of an earlier one
// of the same set, sealed if there is a signer; see [Sign].
func (h Hold) Put(ctx context.Context, sink remote.RemoteSink, seal crypto.Signer) error {
	h.Format, h.Since = FormatVersion, h.Since.UTC()
	if err := h.check(); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if err := putRecord(ctx, sink, holdFolder+h.Set+recordExt, h, seal); err != nil {
		return fmt.Errorf("holding %s: %w", h.Set, err)
	}
	return nil
}

// Release removes the hold of a set. Where there is none it does nothing.
func Release(ctx context.Context, sink remote.RemoteSink, id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	if err := deleteRecord(ctx, sink, holdFolder+id+recordExt); err != nil {
		return fmt.Errorf("releasing %s: %w", id, err)
	}
	return nil
}

func (h *Hold) check() error {
	if err := CheckID(h.Set); err != nil {
		return err
	}
	return checkLabel("reason", h.Reason)
}

// HoldOf returns the hold that a set has now, or nil, as [Scan] does for all:
// for who is about to delete the set.
func HoldOf(ctx context.Context, sink remote.RemoteSink, id string, trust []ed25519.PublicKey) (*Hold, error) {
	inv := new(Inventory)
	if err := inv.scanHolds(ctx, &scanner{sink: sink, trust: trust}, holdFolder+id+recordExt); err != nil {
		return nil, err
	}
	return inv.Held(&Manifest{ID: id}), nil
}

// scanHolds reads the holds whose names begin with prefix. One that cannot be
// read holds all the same, as what it was meant to keep must not go: only where
// seals are asked for does one without a good seal not count.
func (inv *Inventory) scanHolds(ctx context.Context, s *scanner, prefix string) error {
	records, err := s.listRecords(ctx, prefix)
	if err != nil {
		return err
	}
	cache := s.cache("holds")
	setOf := func(name string) string { return strings.TrimSuffix(strings.TrimPrefix(name, holdFolder), recordExt) }
	refused, err := s.readRecords(ctx, cache, records, func(name string, text []byte) error {
		h := new(Hold)
		if err := parseRecord(text, h); err != nil {
			return err
		}
		if err := h.check(); err != nil {
			return err
		}
		if h.Set != setOf(name) {
			return fmt.Errorf("it is the hold of %s", h.Set)
		}
		inv.Holds = append(inv.Holds, h)
		return nil
	})
	cache.prune(namesOf(records))
	for _, r := range refused {
		var unread *unreadError
		id := setOf(r.Name)
		if CheckID(id) != nil || len(s.trust) > 0 && !errors.As(r.Err, &unread) {
			inv.Refused = append(inv.Refused, r)
			continue
		}
		inv.Holds = append(inv.Holds, &Hold{Format: FormatVersion, Set: id, Reason: fmt.Sprintf("the hold cannot be read: %v", r.Err)})
	}
	slices.SortFunc(inv.Holds, func(a, b *Hold) int { return cmp.Compare(a.Set, b.Set) })
	return err
}

// Held returns the hold of a set, or nil.
func (inv *Inventory) Held(m *Manifest) *Hold {
	for _, h := range inv.Holds {
		if h.Set == m.ID {
			return h
		}
	}
	return nil
}
