package manifest

import (
	"context"
	"fmt"
	"slices"
)

// removal is a set that the source no longer has.
type removal struct {
	*Manifest
	keep string // why it must stay, "" if it may go
}

// clean deletes the sets that the source no longer has, those first that need
// others, and says what became of each.
func (s *syncer) clean(ctx context.Context) (outcomes []SyncedSet) {
	listed, whole := s.after(ctx)
	list := planRemovals(s.source, s.dest, listed, whole)
	for i := len(list) - 1; i >= 0; i-- {
		r := list[i]
		out := SyncedSet{ID: r.ID, Source: r.Source, Action: SyncDeleted}
		switch {
		case r.keep != "":
			out.Action, out.Reason = SyncKept, r.keep
		case !s.DryRun:
			stays, err := s.remove(ctx, r.Manifest)
			if err != nil {
				out.fail(at("destination", err))
			} else {
				s.Logger.Info("set deleted", "set", r.ID)
			}
			if stays {
				keepNeeds(r.Manifest, list)
			}
		}
		outcomes = append(outcomes, out)
	}
	slices.Reverse(outcomes)
	return outcomes
}

// after returns the sets that the destination then lists, those brought from
// the source and those that it alone has, and which of them are whole.
func (s *syncer) after(ctx context.Context) (listed, whole *Inventory) {
	var all, intact []finding
	brought := map[string]bool{}
	for _, set := range s.sets {
		brought[set.ID] = true
		if set.outcome.Err == nil {
			intact = append(intact, finding{set: set.Manifest})
		}
	}
	all = slices.Clone(intact)
	flaws := make([]error, len(s.dest.Sets))
	inParallel(s.Jobs, len(s.dest.Sets), func(i int) {
		if m := s.dest.Sets[i]; !brought[m.ID] {
			flaws[i] = s.one(ctx, func() error {
				sizes, err := s.list(ctx, s.to, m, place{m.prefix, m.ID})
				if err == nil {
					err = firstFlaw(m, sizes)
				}
				return err
			})
		}
	})
	for i, m := range s.dest.Sets {
		if brought[m.ID] {
			continue
		}
		all = append(all, finding{set: m})
		if flaws[i] == nil {
			intact = append(intact, finding{set: m})
		}
	}
	return newInventory(all), newInventory(intact)
}

// planRemovals decides about each set of dest that the source no longer has,
// in an order in which sets come behind those that they need. listed and whole
// are what the destination has once all is copied. The last good set is kept
// by either: one that is newer but not whole must not cost the one that is.
func planRemovals(source, dest, listed, whole *Inventory) (list []removal) {
	last := map[*Manifest]bool{}
	for _, inv := range []*Inventory{listed, whole} {
		for _, name := range inv.Sources() {
			sets := inv.Source(name)
			for _, m := range []*Manifest{sets.Latest(), sets.Latest(Full), sets.Latest(Storage), sets.Latest(Configs)} {
				last[m] = true
			}
		}
	}
	has := map[string]bool{}
	for _, m := range source.Sets {
		has[m.ID] = true
	}
	unclear := map[string]string{}
	for _, stray := range source.Strays {
		unclear[stray.ID] = "the source has it without a manifest"
	}
	for _, d := range source.Damaged {
		unclear[d.ID] = "it is damaged at the source"
	}
	stay := slices.Clone(source.Sets) // what is not copied yet needs others, too
	for _, m := range inOrder(dest.Sets) {
		if has[m.ID] {
			stay = append(stay, m)
			continue
		}
		why := unclear[m.ID]
		sets := source.Source(m.Source)
		switch {
		case why != "":
		case dest.Held(m) != nil:
			why = "it is held: " + dest.Held(m).Reason
		case sets.Latest() == nil:
			why = fmt.Sprintf("the source has no good set of %q", m.Source)
		case m.Start.After(sets.Sets[len(sets.Sets)-1].Start):
			why = fmt.Sprintf("it is newer than the newest set of %q at the source", m.Source)
		case last[m]:
			why = fmt.Sprintf("it is the last good one of %q", m.Source)
		}
		if why != "" {
			stay = append(stay, m)
		}
		list = append(list, removal{m, why})
	}
	for _, m := range stay {
		keepNeeds(m, list)
	}
	return list
}

// keepNeeds keeps what a set needs, directly or not.
func keepNeeds(m *Manifest, list []removal) {
	needs := m.needs()
	for i, r := range list {
		if _, needed := slices.BinarySearch(needs, r.ID); needed && r.keep == "" {
			list[i].keep = m.ID + " needs it"
			keepNeeds(r.Manifest, list)
		}
	}
}

// remove deletes a set, its manifest first, and tells whether that is still
// listed. What the manifest does not name stays.
func (s *syncer) remove(ctx context.Context, m *Manifest) (listed bool, err error) {
	del := func(name string) error {
		return s.try(ctx, func() error { return s.to.Delete(ctx, m.Path(name)) })
	}
	if err := s.one(ctx, func() error { return del(Name) }); err != nil {
		return true, err
	}
	if err := s.one(ctx, func() error { return del(SealName) }); err != nil {
		return false, err
	}
	return false, s.all(ctx, len(m.Objects), func(i int) error { return del(m.Objects[i].Name) })
}
