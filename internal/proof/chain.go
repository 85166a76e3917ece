package proof

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// LinkError tells that an incremental set cannot be restored, because it, or a
// set that it builds on, is missing, damaged or not what it was.
type LinkError struct {
	Set  string // the one that was asked for
	Link string // the one that is at fault
	// Offer is the newest good set of the same source that is older than Set and
	// does without Link, as far as manifests tell; nil if the sink has none.
	Offer *manifest.Manifest
	Err   error
}

func (e *LinkError) Error() string {
	s := fmt.Sprintf("set %s cannot be restored: %v", e.Set, e.Err)
	if e.Link != e.Set {
		s = fmt.Sprintf("set %s builds on %s, which cannot be used: %v", e.Set, e.Link, e.Err)
	}
	if e.Offer == nil {
		return s + "; no older point is left that does without it"
	}
	return fmt.Sprintf("%s; the newest older point that does without it is %s, data of %s", s, e.Offer.ID, e.Offer.DataTime.Format(time.RFC3339))
}

// Unwrap returns what is wrong with the link: a [*manifest.DamageError], a
// [*manifest.SealError], or that it is not there or another.
func (e *LinkError) Unwrap() error { return e.Err }

// Chain is an incremental set with all sets that it builds on. A nil Chain is
// that of a full set, which builds on none.
type Chain struct {
	Sets []Set // the full one first, the set itself last

	asked  *manifest.Manifest
	source *manifest.Inventory
	byID   map[string]*manifest.Manifest
	layers map[manifest.TableName]*Layers
}

// OpenChain finds the sets that an incremental one builds on, by their names and
// the hashes of their manifests, each under a seal where there are keys to trust.
// The set's own seal is the caller's to check. What is wrong with a link is a
// *LinkError. [Chain.Read] comes next.
func OpenChain(ctx context.Context, s Set, trust []ed25519.PublicKey) (*Chain, error) {
	inv, err := manifest.Scan(ctx, s.Sink, &manifest.ScanOptions{Trust: trust})
	if err != nil {
		return nil, err
	}
	c := &Chain{asked: s.Manifest, source: inv.Source(s.Source), byID: map[string]*manifest.Manifest{}}
	for _, m := range c.source.Sets {
		c.byID[m.ID] = m
	}
	c.Sets = []Set{s}
	for m := s.Manifest; m.Kind != manifest.Full; {
		parent, err := c.parent(m)
		if err != nil {
			return nil, c.broken(parentID(m), err)
		}
		c.Sets = append(c.Sets, Set{Manifest: parent, Sink: s.Sink, Identities: s.Identities})
		m = parent
	}
	slices.Reverse(c.Sets)
	return c, nil
}

// parent finds the set that m was taken after. The hashes let no chain go round
// in a circle.
func (c *Chain) parent(m *manifest.Manifest) (*manifest.Manifest, error) {
	p := c.byID[parentID(m)]
	if p == nil {
		return nil, c.missing(parentID(m))
	}
	sum, err := p.SHA256()
	switch {
	case err != nil:
		return nil, err
	case sum != m.Parents[0].SHA256:
		return nil, fmt.Errorf("its manifest is not the one that %s was taken after, so it was altered or replaced", m.ID)
	case p.Kind != manifest.Full && p.Kind != manifest.Incremental:
		return nil, fmt.Errorf("it is no backup of a database, but of kind %s", p.Kind)
	case !sameDatabase(p.Database, m.Database):
		return nil, fmt.Errorf("it is of another database than %s", m.ID)
	}
	return p, nil
}

// parentID names the set that m was taken after; "" if it does not say.
func parentID(m *manifest.Manifest) string {
	if len(m.Parents) == 0 {
		return ""
	}
	return m.Parents[0].ID
}

// sameDatabase tells whether a set can be of an earlier state of a database.
func sameDatabase(was, is *manifest.Database) bool {
	return was != nil && is != nil && was.SystemID == is.SystemID && was.OID == is.OID
}

// missing says why a set is not among those of the source.
func (c *Chain) missing(id string) error {
	for _, d := range c.source.Damaged {
		if d.ID == id {
			return d.Err
		}
	}
	for _, s := range c.source.Strays {
		if s.ID == id {
			return errors.New("it has no manifest: its run died, or it is being deleted")
		}
	}
	return fmt.Errorf("it is missing: the sink has no such set of %q", c.source.Sources())
}

func (c *Chain) broken(link string, err error) *LinkError {
	e := &LinkError{Set: c.asked.ID, Link: link, Err: err}
	for _, m := range slices.Backward(c.source.Sets) {
		database := m.Kind == manifest.Full || m.Kind == manifest.Incremental
		if database && m.Good() && m.Scope == c.asked.Scope && m.Purpose != manifest.Safety && m.Start.Before(c.asked.Start) && c.without(m, link) {
			e.Offer = m
			break
		}
	}
	return e
}

// without tells whether all that a set builds on is there, and a link is not
// part of it.
func (c *Chain) without(m *manifest.Manifest, link string) bool {
	for m.ID != link {
		if m.Kind == manifest.Full {
			return true
		}
		p, err := c.parent(m)
		if err != nil {
			return false
		}
		m = p
	}
	return false
}

// Blame turns damage of one of the chain's sets into a *LinkError. Any other
// error, and any where there is no chain, it returns as it is.
func (c *Chain) Blame(err error) error {
	var link *LinkError
	var damage *DamageError
	if c == nil || errors.As(err, &link) || !errors.As(err, &damage) || c.byID[damage.Set] == nil {
		return err
	}
	return c.broken(damage.Set, err)
}
