package retention

import (
	"fmt"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

const day = 24 * time.Hour

// RetentionPolicy says what to keep. The zero policy deletes nothing.
//
// A set is kept if any part of the [Rule] of its kind keeps it, and for the
// reasons that the package comment lists. Ages count from a set's start, and
// what is exactly as old as its rule says is kept.
type RetentionPolicy struct {
	// Full, Incremental, Storage and Configs are the rules of these kinds. A
	// rule without any part keeps all sets of its kind.
	Full, Incremental, Storage, Configs Rule

	// Safety is how long sets are kept that were taken just before a restore
	// overwrote something, of whatever kind. 0, or less: for ever.
	Safety time.Duration

	// Proofs is how long the results of tests are kept, counted from their
	// end. The newest of a set that stays, and the newest that it passed, are
	// kept with it. 0, or less: for ever.
	Proofs time.Duration

	// Runs is how long the records of runs are kept, counted from the start of
	// the run; see [manifest.Run]. The newest of each source and outcome is kept
	// whatever its age. 0, or less: for ever.
	Runs time.Duration

	// MinVerified is how many of the newest verified full sets of a source are
	// kept, if there are so many. A full set is verified if it is good and
	// passed its newest test; see [manifest.Inventory.Verified].
	MinVerified int

	// Grace is how long a set's folder without a manifest, and what no listing
	// shows, must have been silent before it counts as what is left of a run
	// that died. 0 means 24 hours, less than 0 for ever. The objects of a run
	// that stores nothing for so long are deleted under its hands.
	Grace time.Duration

	// Location is where hours, days, weeks, months and years begin. nil is UTC.
	Location *time.Location

	// Force has the policy followed where it would otherwise be refused, and
	// all sets of the source be kept: where its rules keep no good set of a
	// source; where the sets of one source are of two databases by turns; and
	// where one starts in the future. What the package comment lists stays.
	Force bool
}

// Rule says which sets of one kind to keep. Each part keeps some; a set goes
// if none does. A count below 0 has no bound, and so has an age.
type Rule struct {
	Within time.Duration // those started so long ago, or later
	Last   int           // the newest so many

	// The newest set of each of the newest so many hours, days and so on that
	// have one. Weeks begin on Monday (ISO 8601).
	Hourly, Daily, Weekly, Monthly, Yearly int
}

// Documented returns the policy of the documented strategy: full sets are kept
// for 30 days, incrementals for 7, storage for 14, configurations for 90, the
// results of tests and records of runs for 30, and at least one verified full
// set of each source.
// Safety sets are kept as long as full ones.
func Documented() RetentionPolicy {
	return RetentionPolicy{
		Full:        Rule{Within: 30 * day},
		Incremental: Rule{Within: 7 * day},
		Storage:     Rule{Within: 14 * day},
		Configs:     Rule{Within: 90 * day},
		Safety:      30 * day,
		Proofs:      30 * day,
		Runs:        30 * day,
		MinVerified: 1,
	}
}

// rule returns the rule of a kind.
func (p RetentionPolicy) rule(kind manifest.Kind) Rule {
	switch kind {
	case manifest.Full:
		return p.Full
	case manifest.Incremental:
		return p.Incremental
	case manifest.Storage:
		return p.Storage
	case manifest.Configs:
		return p.Configs
	}
	return Rule{}
}

// grace returns how long a leftover must have been silent; false if it may
// never go.
func (p RetentionPolicy) grace() (time.Duration, bool) {
	switch {
	case p == RetentionPolicy{Location: p.Location} || p.Grace < 0:
		return 0, false
	case p.Grace == 0:
		return day, true
	}
	return p.Grace, true
}

// String says for people what the rule keeps.
func (r Rule) String() string {
	var parts []string
	switch {
	case r == Rule{}:
		return "all"
	case r.Within > 0:
		parts = append(parts, span(r.Within))
	case r.Within < 0:
		parts = append(parts, "any age")
	}
	switch {
	case r.Last > 0:
		parts = append(parts, fmt.Sprintf("the last %d", r.Last))
	case r.Last < 0:
		parts = append(parts, "any number")
	}
	for _, p := range r.periods() {
		switch {
		case p.count > 0:
			parts = append(parts, fmt.Sprintf("%d %s", p.count, p.name))
		case p.count < 0:
			parts = append(parts, "all "+p.name)
		}
	}
	return strings.Join(parts, ", ")
}

// period cuts time into pieces of which each has a key of its own.
type period struct {
	name  string
	count int // of those to keep one set of, below 0 all
	key   func(time.Time) string
}

func (r Rule) periods() []period {
	layout := func(layout string) func(time.Time) string {
		return func(t time.Time) string { return t.Format(layout) }
	}
	week := func(t time.Time) string {
		year, week := t.ISOWeek()
		return fmt.Sprintf("%d-W%02d", year, week)
	}
	return []period{
		{"hourly", r.Hourly, layout("2006-01-02 15h -0700")}, // with the zone, as clocks put back repeat an hour
		{"daily", r.Daily, layout("2006-01-02")},
		{"weekly", r.Weekly, week},
		{"monthly", r.Monthly, layout("2006-01")},
		{"yearly", r.Yearly, layout("2006")},
	}
}

// span writes a duration in days and hours.
func span(d time.Duration) string {
	days, rest := d/day, d%day
	switch {
	case days == 1 && rest == 0:
		return "1 day"
	case rest == 0 && days != 0:
		return fmt.Sprintf("%d days", days)
	case days >= 3:
		return fmt.Sprintf("%d days", days)
	case d < time.Minute:
		return d.Round(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}
