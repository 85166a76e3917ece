package manifest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Inventory is what a sink held when it was scanned.
type Inventory struct {
	Sets    []*Manifest // by Start, oldest first
	Damaged []Damaged   // by ID
	Strays  []Stray     // by ID

	Holds   []*Hold   // by the set's ID
	Proofs  []*Proof  // by End, oldest first
	Runs    []*Run    // by Start, oldest first; see ScanOptions.RunsSince
	Refused []Refused // holds, proofs and records of runs that do not count
}

// ErrNoSet is returned by [Inventory.Find] when no set answers the reference.
var ErrNoSet = errors.New("no such backup set")

func newInventory(found []finding) *Inventory {
	inv := new(Inventory)
	first := map[string]*Manifest{}
	for _, f := range found {
		switch {
		case f.set != nil && first[f.set.ID] != nil:
			inv.Damaged = append(inv.Damaged, Damaged{f.set.ID, f.set.prefix,
				fmt.Errorf("%s lies in the sink twice: the one at %s counts", f.set.Path(""), first[f.set.ID].Path(""))})
		case f.set != nil:
			first[f.set.ID] = f.set
			inv.Sets = append(inv.Sets, f.set)
		case f.damaged != nil:
			inv.Damaged = append(inv.Damaged, *f.damaged)
		case f.stray != nil:
			inv.Strays = append(inv.Strays, *f.stray)
		}
	}
	slices.SortFunc(inv.Sets, func(a, b *Manifest) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(inv.Damaged, func(a, b Damaged) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(inv.Strays, func(a, b Stray) int { return cmp.Compare(a.ID, b.ID) })
	return inv
}

// Sources lists the names of all sources, sorted.
func (inv *Inventory) Sources() []string {
	var names []string
	for _, m := range inv.Sets {
		names = append(names, m.Source)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Source returns the sets and runs of one source. What is damaged or stray stays
// in, as nobody can tell whose it is; so do holds and proofs.
func (inv *Inventory) Source(name string) *Inventory {
	out := *inv
	out.Sets, out.Runs = nil, nil
	for _, r := range inv.Runs {
		if r.Source == name {
			out.Runs = append(out.Runs, r)
		}
	}
	for _, m := range inv.Sets {
		if m.Source == name {
			out.Sets = append(out.Sets, m)
		}
	}
	return &out
}

// Latest returns the set with the newest data, of the given kinds or of any, or
// nil; of two with the same, the one that was started last. One that was made of
// others by consolidating them may be younger than its data. Suspect sets, parts
// and safety sets do not count. It does not tell sources apart: where a sink holds
// several, ask Source(name).Latest.
func (inv *Inventory) Latest(kinds ...Kind) (newest *Manifest) {
	for _, m := range inv.Sets {
		if m.Good() && m.Scope == Whole && m.Purpose != Safety && (len(kinds) == 0 || slices.Contains(kinds, m.Kind)) &&
			(newest == nil || !m.DataTime.Before(newest.DataTime)) {
			newest = m
		}
	}
	return newest
}

// Find returns the set that ref means: "latest" (see [Inventory.Latest]), its
// ID, or a beginning or an end of that ID which no other set shares, such as
// "k7f3" or "full/20250808". Sets that are damaged or unfinished are never
// returned, but the error tells. If nothing answers, it wraps [ErrNoSet].
func (inv *Inventory) Find(ref string) (*Manifest, error) {
	if ref == "latest" {
		return inv.findLatest()
	}
	var found []string
	var set *Manifest
	for _, m := range inv.Sets {
		if m.ID == ref {
			return m, nil
		}
		if means(ref, m.ID) {
			found = append(found, m.ID)
			set = m
		}
	}
	switch {
	case len(found) == 1:
		return set, nil
	case len(found) > 3:
		return nil, fmt.Errorf("%q can mean %d sets, %s among them: give more of the name", ref, len(found), strings.Join(found[:3], ", "))
	case len(found) > 1:
		return nil, fmt.Errorf("%q can mean %s: give more of the name", ref, strings.Join(found, " or "))
	}
	for _, d := range inv.Damaged {
		if means(ref, d.ID) {
			return nil, fmt.Errorf("%w: %s cannot be used: %w", ErrNoSet, d.ID, d.Err)
		}
	}
	for _, s := range inv.Strays {
		if means(ref, s.ID) {
			return nil, fmt.Errorf("%w: %s has no manifest: its run is still at work, or died", ErrNoSet, s.ID)
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoSet, ref)
}

func means(ref, id string) bool {
	return ref != "" && (strings.HasPrefix(id, ref) || strings.HasSuffix(id, ref))
}

func (inv *Inventory) findLatest() (*Manifest, error) {
	if names := inv.Sources(); len(names) > 1 {
		return nil, fmt.Errorf("\"latest\" is judged for one source, and here are %d: %.200q", len(names), names)
	}
	if m := inv.Latest(); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("%w: there is no good one that is whole (%d suspect, partial or safety, %d damaged, %d unfinished)",
		ErrNoSet, len(inv.Sets), len(inv.Damaged), len(inv.Strays))
}
