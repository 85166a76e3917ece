package backup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// guardSets is how many earlier sets a new one is compared with.
const guardSets = 5

// SuspectError tells that a backup was taken and committed, but is so unlike
// the ones before it, or of a database so clearly incomplete, that nobody
// should rely on it, nor delete older ones, before someone looked. The manifest carries the same reasons.
type SuspectError struct {
	Set     string
	Reasons []string
}

func (e *SuspectError) Error() string {
	return fmt.Sprintf("backup %s is suspect: %s", e.Set, strings.Join(e.Reasons, "; "))
}

// suspicions judges a set by its floor and by the history of its source.
// Sizes are raw, so that a change of compression does not alarm.
func suspicions(m *manifest.Manifest, history *manifest.Inventory, o *resolved) []string {
	var why []string
	if m.Kind == manifest.Incremental { // as large as what changed
		return nil
	}
	size := m.RawSize()
	if size < o.MinSize {
		why = append(why, fmt.Sprintf("%d bytes before compression, less than the floor of %d", size, o.MinSize))
	}
	if usual, n := usualSize(m, history); n > 0 && o.ShrinkLimit > 0 && float64(size) < o.ShrinkLimit*float64(usual) {
		why = append(why, fmt.Sprintf("%d bytes before compression, less than %.0f %% of the usual %d (median of the last %d)",
			size, 100*o.ShrinkLimit, usual, n))
	}
	return why
}

// usualSize is the median raw size of the newest good sets like m.
func usualSize(m *manifest.Manifest, history *manifest.Inventory) (median int64, sets int) {
	var sizes []int64
	for _, s := range slices.Backward(history.Sets) {
		if s.Good() && s.Kind == m.Kind && s.Scope == m.Scope && (s.Purpose == manifest.Safety) == (m.Purpose == manifest.Safety) {
			sizes = append(sizes, s.RawSize())
		}
		if len(sizes) == guardSets {
			break
		}
	}
	if len(sizes) == 0 {
		return 0, 0
	}
	slices.Sort(sizes)
	return sizes[len(sizes)/2], len(sizes)
}
