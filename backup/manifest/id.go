package manifest

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"
)

const idTime = "20060102T150405Z"

// NewID names a new set: "full/20250808T020000Z-k7f3m2xa" is of kind Full, was
// started at that second of UTC, and has eight random characters. Nothing but
// these keeps two runs apart that cron starts in the same second, and that
// would overwrite each other's objects.
func NewID(kind Kind, start time.Time) string {
	return string(kind) + "/" + stamped(start)
}

// CheckID tells whether id has the form that NewID gives. The random part may
// have 4 to 16 lower-case letters and digits.
func CheckID(id string) error {
	kind, rest, _ := strings.Cut(id, "/")
	if !slices.Contains(Kinds(), Kind(kind)) || !isStamped(rest) {
		return fmt.Errorf("%.80q is not the name of a set: want one like full/20250808T020000Z-k7f3", id)
	}
	return nil
}

// stamped names what begins at start.
func stamped(start time.Time) string {
	return start.UTC().Format(idTime) + "-" + strings.ToLower(rand.Text()[:8])
}

// isStamped tells whether a name has the form that stamped gives. The random
// part may have 4 to 16 lower-case letters and digits.
func isStamped(name string) bool {
	stamp, random, _ := strings.Cut(name, "-")
	t, err := time.Parse(idTime, stamp)
	return err == nil && t.Format(idTime) == stamp &&
		len(random) >= 4 && len(random) <= 16 &&
		strings.Trim(random, "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// KindOf returns the kind in an ID that CheckID accepts.
func KindOf(id string) Kind {
	kind, _, _ := strings.Cut(id, "/")
	return Kind(kind)
}
