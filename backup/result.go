package backup

import (
	"errors"
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// Result is what a run came to: the manifest of the set that it committed, and
// where.
type Result struct {
	*manifest.Manifest

	// Copies has one entry for each sink: the one given to Run, then those of
	// Options.Copies.
	Copies []Copy

	// Warnings say, for people, what went less well than it should have: a
	// copy that was not made, what the source found. None of it keeps the set
	// from being restored.
	Warnings []string

	// Rows is how many rows of tables the set stores: in an incremental those
	// that were written since its parent, and all of the tables that it has whole.
	// It is 0 for what is no database.
	Rows int64

	// Promotion is why an [Incremental] took a full backup; "" if it did not.
	// It is among the Warnings, too, where somebody should look at it.
	Promotion string
}

// Copy tells whether one sink holds the set.
type Copy struct {
	Sink string // as the sink's String gives it; never a credential
	Err  error  // nil if the set is committed there
}

// Committed is how many sinks hold the set.
func (r *Result) Committed() (n int) {
	for _, c := range r.Copies {
		if c.Err == nil {
			n++
		}
	}
	return n
}

// CopiesError tells that fewer sinks than [Options.MinCopies] hold the set.
// Where one holds it at least, Run returns a [Result] as well, and the set
// stays: manifest.Sync brings the others up to it.
type CopiesError struct {
	Set    string
	Want   int
	Copies []Copy
}

func (e *CopiesError) Error() string {
	var failed []string
	for _, c := range e.Copies {
		if c.Err != nil {
			failed = append(failed, fmt.Sprintf("%s: %v", c.Sink, c.Err))
		}
	}
	return fmt.Sprintf("backup %s is in %d of %d sinks, %d were wanted: %s",
		e.Set, len(e.Copies)-len(failed), len(e.Copies), e.Want, strings.Join(failed, "; "))
}

// Unwrap returns what failed, one error for each sink that did.
func (e *CopiesError) Unwrap() []error {
	var errs []error
	for _, c := range e.Copies {
		if c.Err != nil {
			errs = append(errs, c.Err)
		}
	}
	return errs
}

// result sums a finished run up. Its error is a *CopiesError, a *SuspectError,
// both, or nil.
func (w *Writer) result(m *manifest.Manifest) (*Result, error) {
	r := &Result{Manifest: m, Warnings: w.warnings, Rows: w.rows, Promotion: w.promotion}
	for _, d := range w.sinks {
		err := d.failed()
		if err != nil {
			r.Warnings = append(r.Warnings, fmt.Sprintf("there is no copy in %s: %v", d.name, err))
		}
		r.Copies = append(r.Copies, Copy{d.name, err})
	}
	var errs []error
	if r.Committed() < w.opts.MinCopies {
		errs = append(errs, &CopiesError{m.ID, w.opts.MinCopies, r.Copies})
	}
	if len(m.Suspect) > 0 {
		errs = append(errs, &SuspectError{Set: m.ID, Reasons: m.Suspect})
	}
	if len(errs) == 1 {
		return r, errs[0]
	}
	return r, errors.Join(errs...)
}
