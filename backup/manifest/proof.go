package manifest

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// proofFolder is where proofs lie.
const proofFolder = "integrity_tests/"

// Method says how a set was proven.
type Method string

// The methods of proofs.
const (
	Integrity Method = "integrity" // every object was read and held against what was recorded
	Drill     Method = "drill"     // it was restored, and what came out compared with what was recorded
)

// Proof tells that a set was put to the test, and what came out. Like a
// manifest it names no schema, table or column.
type Proof struct {
	Format   int       `json:"format"`   // FormatVersion
	ID       string    `json:"id"`       // "integrity_tests/20250808T050000Z-k7f3m2xa"
	Set      string    `json:"set"`      // the ID of what was tested
	Manifest string    `json:"manifest"` // the SHA-256 that its manifest.json had then
	Method   Method    `json:"method"`
	OK       bool      `json:"ok"` // it holds what it should
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Producer string    `json:"producer"`
}

// NewProof returns a proof of a set that is still to be filled with how it was
// tested, until when, and what came out. It is named by start.
func NewProof(m *Manifest, start time.Time) (*Proof, error) {
	sum, err := m.SHA256()
	if err != nil {
		return nil, err
	}
	return &Proof{
		Format: FormatVersion, Set: m.ID, Manifest: sum, Start: start.UTC(), Producer: Producer(),
		ID: proofFolder + stamped(start),
	}, nil
}

// Put stores the proof in the sink where the set is, sealed if there is a
// signer; see [Sign].
func (p *Proof) Put(ctx context.Context, sink remote.RemoteSink, seal crypto.Signer) error {
	if err := p.check(); err != nil {
		return fmt.Errorf("proof: %w", err)
	}
	if err := putRecord(ctx, sink, p.ID+recordExt, p, seal); err != nil {
		return fmt.Errorf("storing the proof of %s: %w", p.Set, err)
	}
	return nil
}

// Delete removes the proof and its seal.
func (p *Proof) Delete(ctx context.Context, sink remote.RemoteSink) error {
	return deleteRecord(ctx, sink, p.ID+recordExt)
}

func (p *Proof) check() error {
	if err := CheckID(p.Set); err != nil {
		return err
	}
	switch {
	case !strings.HasPrefix(p.ID, proofFolder) || remote.CheckName(p.ID+recordExt+sealExt) != nil:
		return fmt.Errorf("%.80q is not the name of a proof", p.ID)
	case !isSHA256(p.Manifest):
		return fmt.Errorf("manifest: sha256 %.80q is not one", p.Manifest)
	case p.Method != Integrity && p.Method != Drill:
		return fmt.Errorf("unknown method %.80q", p.Method)
	case p.Start.IsZero() || p.End.IsZero():
		return errors.New("start or end is missing")
	}
	return nil
}

// scanProofs reads all proofs.
func (inv *Inventory) scanProofs(ctx context.Context, s *scanner) error {
	records, err := s.listRecords(ctx, proofFolder)
	if err != nil {
		return err
	}
	cache := s.cache("proofs")
	refused, err := s.readRecords(ctx, cache, records, func(name string, text []byte) error {
		p := new(Proof)
		if err := parseRecord(text, p); err != nil {
			return err
		}
		if err := p.check(); err != nil {
			return err
		}
		if p.ID+recordExt != name {
			return fmt.Errorf("it is the proof %s", p.ID)
		}
		inv.Proofs = append(inv.Proofs, p)
		return nil
	})
	cache.prune(namesOf(records))
	slices.SortFunc(inv.Proofs, func(a, b *Proof) int { return cmp.Or(a.End.Compare(b.End), cmp.Compare(a.ID, b.ID)) })
	inv.Refused = append(inv.Refused, refused...)
	return err
}

// Proven returns the newest proof of a set, as its manifest now is, or nil if
// it was never put to the test.
func (inv *Inventory) Proven(m *Manifest) *Proof {
	sum, err := m.SHA256()
	if err != nil {
		return nil
	}
	for _, p := range slices.Backward(inv.Proofs) {
		if p.Set == m.ID && p.Manifest == sum {
			return p
		}
	}
	return nil
}

// Verified reports whether a set is good and its newest proof found it to hold
// what it should.
func (inv *Inventory) Verified(m *Manifest) bool {
	p := inv.Proven(m)
	return m.Good() && p != nil && p.OK
}
