package retention

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// String returns the decision as a line for people.
func (d Decision) String() string {
	verb := "keep  "
	if d.Delete {
		verb = "delete"
	}
	return fmt.Sprintf("%s %s %s: %s", verb, d.Subject, strings.TrimSuffix(d.Path, "/"), strings.Join(d.Reasons, "; "))
}

// String returns the plan as lines for people: first what is refused, then each
// decision, and a sum. For programs, marshal the plan as JSON.
func (p *Plan) String() string {
	var b strings.Builder
	for _, r := range p.Refusals {
		fmt.Fprintf(&b, "refused %s of %q: %s\n", r.What, r.Source, r.Reason)
	}
	source := ""
	for _, d := range p.Decisions {
		if d.Source != source {
			source = d.Source
			if source != "" {
				fmt.Fprintf(&b, "%s:\n", source)
			}
		}
		fmt.Fprintln(&b, d)
	}
	kept, keptBytes := p.sum(Set, false)
	gone, goneBytes := p.sum(Set, true)
	strays, strayBytes := p.sum(Stray, true)
	proofs, _ := p.sum(Proof, true)
	runs, _ := p.sum(Runs, true)
	fmt.Fprintf(&b, "%d sets to keep (%d bytes); to delete: %d sets (%d bytes), %d leftovers (%d bytes), %d proofs, %d records of runs",
		kept, keptBytes, gone, goneBytes, strays, strayBytes, proofs, runs)
	return b.String()
}

// sum counts what is to be deleted of a subject, or kept, and its bytes.
func (p *Plan) sum(of Subject, deleted bool) (n int, bytes int64) {
	for _, d := range p.Decisions {
		if d.Subject == of && d.Delete == deleted {
			n += max(1, d.Count)
			bytes += d.Size
		}
	}
	return n, bytes
}

// Err returns a [*RefusedError] if the policy is not followed for some sets.
func (p *Plan) Err() error {
	if len(p.Refusals) == 0 {
		return nil
	}
	return &RefusedError{p.Refusals}
}

// RefusedError tells that a policy was not followed for some sets, all of which
// stay.
type RefusedError struct {
	Refusals []Refusal // at least one
}

// Error names the first few.
func (e *RefusedError) Error() string {
	text := "retention: refused"
	for i, r := range e.Refusals {
		if i == 3 {
			return text + "; ..."
		}
		text += fmt.Sprintf("; %s of %q: %s", r.What, r.Source, r.Reason)
	}
	return text
}

// Kept returns the sets that stay, by source and start.
func (p *Plan) Kept() (sets []*manifest.Manifest) {
	for _, d := range p.Decisions {
		if d.set != nil && !d.Delete {
			sets = append(sets, d.set)
		}
	}
	return sets
}
