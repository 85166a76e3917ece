package manifest

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"fmt"
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
	if err := inv.scanHolds(ctx, sink, holdFolder+id+recordExt, trust); err != nil {
		return nil, err
	}
	return inv.Held(&Manifest{ID: id}), nil
}

// scanHolds reads the holds whose names begin with prefix. One that cannot be
// read holds all the same, as what it was meant to keep must not go: only where
// seals are asked for does one without a good seal not count.
func (inv *Inventory) scanHolds(ctx context.Context, sink remote.RemoteSink, prefix string, trust []ed25519.PublicKey) error {
	refused, err := scanRecords(ctx, sink, prefix, trust, func(name string, text []byte) error {
		id := strings.TrimSuffix(strings.TrimPrefix(name, holdFolder), recordExt)
		h := new(Hold)
		err := parseRecord(text, h)
		if err == nil {
			err = h.check()
		}
		if err == nil && h.Set != id {
			err = fmt.Errorf("it is the hold of %s", h.Set)
		}
		switch {
		case err == nil:
		case CheckID(id) != nil || len(trust) > 0:
			return err
		default:
			h = &Hold{Format: FormatVersion, Set: id, Reason: fmt.Sprintf("the hold cannot be read: %v", err)}
		}
		inv.Holds = append(inv.Holds, h)
		return nil
	})
	inv.Refused = append(inv.Refused, refused...)
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
