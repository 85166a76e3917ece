package retention

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Action says what became of something that was to be deleted.
type Action string

// What can become of it.
const (
	Deleted Action = "deleted"
	Locked  Action = "locked" // the store does not let it go: it is under a lock, or this program may not delete it
	Kept    Action = "kept"   // something changed since the plan was made
	Failed  Action = "failed" // see the error
)

// Outcome tells what became of something that was to be deleted.
type Outcome struct {
	Decision
	Action Action
	Reason string // why it was not deleted; "" where it was
	Err    error  // why it failed, nil for all other actions

	listed bool // a set that still has its manifest
}

// end says how the deletion ended.
func (o *Outcome) end(err error) {
	switch {
	case err == nil:
		o.Action = Deleted
	case errors.Is(err, fs.ErrPermission):
		o.Action, o.Reason = Locked, err.Error()
	default:
		o.Action, o.Reason, o.Err = Failed, err.Error(), err
	}
}

// String returns a line for people.
func (o Outcome) String() string {
	why := o.Reason
	if o.Action == Deleted {
		why = strings.Join(o.Reasons, "; ")
	}
	return fmt.Sprintf("%-7s %s %s: %s", o.Action, o.Subject, strings.TrimSuffix(o.Path, "/"), why)
}

// Result tells what [Apply] or [Clean] did.
type Result struct {
	Plan     *Plan
	DryRun   bool
	Outcomes []Outcome // of all that was to be deleted: sets, strays, proofs and runs, as in the plan
	Swept    int       // leftovers that no listing shows
}

// Count returns the number of things of a subject that this became of. The
// records of runs share one outcome: where one of them stays, it is that one's.
func (r *Result) Count(of Subject, action Action) (n int) {
	for _, o := range r.Outcomes {
		if o.Subject == of && o.Action == action {
			n += max(1, o.Decision.Count)
		}
	}
	return n
}

// String returns a line for each thing that was to be deleted, and one that
// sums up; of a dry run it is the plan.
func (r *Result) String() string {
	if r.DryRun {
		return r.Plan.String() + "\ndry run, nothing was changed"
	}
	var b strings.Builder
	for _, refusal := range r.Plan.Refusals {
		fmt.Fprintf(&b, "refused %s of %q: %s\n", refusal.What, refusal.Source, refusal.Reason)
	}
	var bytes int64
	for _, o := range r.Outcomes {
		fmt.Fprintln(&b, o)
		if o.Action == Deleted {
			bytes += o.Size
		}
	}
	kept, _ := r.Plan.sum(Set, false)
	fmt.Fprintf(&b, "%d sets kept; deleted: %d sets, %d leftovers, %d proofs (%d bytes), %d records of runs, and %d unseen", kept,
		r.Count(Set, Deleted), r.Count(Stray, Deleted), r.Count(Proof, Deleted), bytes, r.Count(Runs, Deleted), r.Swept)
	for _, action := range []Action{Kept, Locked, Failed} {
		if n := r.Count(Set, action) + r.Count(Stray, action) + r.Count(Proof, action) + r.Count(Runs, action); n > 0 {
			fmt.Fprintf(&b, "; %d %s", n, action)
		}
	}
	return b.String()
}

// err is nil if all went well. other is what went wrong besides.
func (r *Result) err(other error) error {
	e := &ApplyError{Other: other}
	for _, o := range r.Outcomes {
		if o.Err != nil {
			e.Failed = append(e.Failed, o)
		}
	}
	if len(e.Failed) == 0 && other == nil {
		return nil
	}
	return e
}

// ApplyError tells that some of what was to be deleted may still be there.
type ApplyError struct {
	Failed []Outcome
	Other  error // from looking for leftovers; nil for none
}

// Error names the first few.
func (e *ApplyError) Error() string {
	text := fmt.Sprintf("retention: deleting %d things failed", len(e.Failed))
	if e.Other != nil {
		text += "; " + e.Other.Error()
	}
	for i, o := range e.Failed {
		if i == 3 {
			return text + "; ..."
		}
		text += fmt.Sprintf("; %s: %v", o.ID, o.Err)
	}
	return text
}

// Unwrap returns all errors.
func (e *ApplyError) Unwrap() (errs []error) {
	for _, o := range e.Failed {
		errs = append(errs, o.Err)
	}
	if e.Other != nil {
		errs = append(errs, e.Other)
	}
	return errs
}
