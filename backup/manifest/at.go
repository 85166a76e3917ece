package manifest

import (
	"fmt"
	"time"
)

// At returns the newest point of a source's database that is no younger than t:
// the set, full or incremental, whose DataTime is the last that is not after it.
// Of two of the same moment, as a chain and what was made of it by consolidation,
// it is the full one. Suspect sets, parts and safety sets do not count. Whether
// what an incremental builds on is there, only a restore's plan tells. If there
// is no such set, the error wraps [ErrNoSet] and names the oldest point.
func (inv *Inventory) At(source string, t time.Time) (*Manifest, error) {
	var found, oldest *Manifest
	for _, m := range inv.Sets {
		if m.Source != source || !m.Good() || m.Scope != Whole || m.Purpose == Safety || m.Kind != Full && m.Kind != Incremental {
			continue
		}
		if oldest == nil || m.DataTime.Before(oldest.DataTime) {
			oldest = m
		}
		if m.DataTime.After(t) {
			continue
		}
		if found == nil || m.DataTime.After(found.DataTime) || m.DataTime.Equal(found.DataTime) && (m.Kind == Full || found.Kind != Full) {
			found = m
		}
	}
	switch {
	case found != nil:
		return found, nil
	case oldest != nil:
		return nil, fmt.Errorf("%w: none of %q is as old as %s: the oldest point is that of %s, %s",
			ErrNoSet, source, t.Format(time.RFC3339), oldest.ID, oldest.DataTime.Format(time.RFC3339))
	}
	return nil, fmt.Errorf("%w: there is no good and whole backup of a database %q", ErrNoSet, source)
}
