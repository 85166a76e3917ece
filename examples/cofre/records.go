package main

import (
	"fmt"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// proofFact is the outcome of a set's newest test.
type proofFact struct {
	Method manifest.Method `json:"method"`
	OK     bool            `json:"ok"`
	End    time.Time       `json:"end"`
}

// proofOf returns nil if the set was never put to the test.
func proofOf(inv *manifest.Inventory, m *manifest.Manifest) *proofFact {
	p := inv.Proven(m)
	if p == nil {
		return nil
	}
	return &proofFact{p.Method, p.OK, p.End}
}

func (p *proofFact) String() string {
	switch {
	case p == nil:
		return "-"
	case p.OK:
		return "passed " + humanize.Time(p.End)
	}
	return "failed " + humanize.Time(p.End)
}

// holdFact is why a backup is held.
type holdFact struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// holdOf returns nil if the set is not held. It may be damaged or unfinished.
func holdOf(inv *manifest.Inventory, id string) *holdFact {
	h := inv.Held(&manifest.Manifest{ID: id})
	if h == nil {
		return nil
	}
	return &holdFact{h.Reason, h.Since}
}

func (h *holdFact) String() string {
	if h.Since.IsZero() {
		return plain(h.Reason)
	}
	return fmt.Sprintf("since %s: %s", h.Since.Local().Format(time.DateOnly), plain(h.Reason))
}

// refusedLine is a hold or a proof that does not count.
type refusedLine struct {
	Name    string `json:"name"`
	Problem string `json:"problem"`
}
