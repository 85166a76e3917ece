package manifest

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// SyncAction says what became of one set.
type SyncAction string

// What can become of a set.
const (
	SyncCopied   SyncAction = "copied"   // the destination did not list it
	SyncRepaired SyncAction = "repaired" // the destination listed it, incomplete or altered
	SyncSame     SyncAction = "same"     // there was nothing to do
	SyncDeleted  SyncAction = "deleted"  // the source no longer has it
	SyncKept     SyncAction = "kept"     // the source no longer has it, but it must not go
	SyncFailed   SyncAction = "failed"   // see the error
)

// SyncedSet tells what was done about one set, or would be in a dry run.
type SyncedSet struct {
	ID      string
	Source  string // the name of what is backed up; "" where the manifest cannot be read
	Action  SyncAction
	Reason  string // why; "" where the action says it
	Err     error  // why it failed, nil for all other actions
	Objects int    // copied for it, those that failed later included
	Bytes   int64  // of these objects
}

func (s *SyncedSet) fail(err error) {
	s.Action, s.Reason, s.Err = SyncFailed, err.Error(), err
}

// String returns a line for people.
func (s SyncedSet) String() string {
	text := fmt.Sprintf("%-8s %s", s.Action, s.ID)
	if s.Objects > 0 {
		text += fmt.Sprintf(" (objects: %d, bytes: %d)", s.Objects, s.Bytes)
	}
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return text
}

// SyncResult tells what [Sync] did, or would do.
type SyncResult struct {
	// Sets are those of the source, each behind what it needs and otherwise by
	// their start, then what is damaged at the source. After these come, if
	// they were to be deleted, those that the source no longer has.
	Sets   []SyncedSet
	DryRun bool
}

// Count returns the number of sets that this became of.
func (r *SyncResult) Count(action SyncAction) (n int) {
	for _, s := range r.Sets {
		if s.Action == action {
			n++
		}
	}
	return n
}

// Copied returns the number of objects that were copied, and their bytes.
// Manifests and seals do not count, nor what only had to be compared.
func (r *SyncResult) Copied() (objects int, bytes int64) {
	for _, s := range r.Sets {
		objects += s.Objects
		bytes += s.Bytes
	}
	return objects, bytes
}

// String returns a line for each set that was not the same, and one that sums
// up.
func (r *SyncResult) String() string {
	var b strings.Builder
	for _, s := range r.Sets {
		if s.Action != SyncSame {
			fmt.Fprintln(&b, s)
		}
	}
	if r.DryRun {
		b.WriteString("dry run, nothing was changed: ")
	}
	for _, action := range []SyncAction{SyncCopied, SyncRepaired, SyncSame, SyncDeleted, SyncKept, SyncFailed} {
		fmt.Fprintf(&b, "%d %s, ", r.Count(action), action)
	}
	objects, bytes := r.Copied()
	fmt.Fprintf(&b, "objects: %d, bytes: %d", objects, bytes)
	return b.String()
}

// result sums up what became of the sets of the source.
func (s *syncer) result() *SyncResult {
	r := &SyncResult{DryRun: s.DryRun}
	for _, set := range s.sets {
		set.outcome.Objects, set.outcome.Bytes = set.copied.objects, set.copied.bytes
		r.Sets = append(r.Sets, set.outcome)
	}
	for _, d := range s.source.Damaged {
		out := SyncedSet{ID: d.ID}
		out.fail(at("source", d.Err))
		r.Sets = append(r.Sets, out)
	}
	return r
}

// err is nil if all went well.
func (r *SyncResult) err() error {
	e := &SyncError{Total: len(r.Sets)}
	for _, s := range r.Sets {
		if s.Err != nil {
			e.Failed = append(e.Failed, s)
		}
	}
	if len(e.Failed) == 0 {
		return nil
	}
	return e
}

// SyncError tells that some sets are not at the destination as the source has
// them, or could not be deleted.
type SyncError struct {
	Failed []SyncedSet // at least one
	Total  int         // of the sets that Sync looked at
}

// Error names the first few sets.
func (e *SyncError) Error() string {
	text := fmt.Sprintf("sync: %d of %d sets failed", len(e.Failed), e.Total)
	for i, s := range e.Failed {
		if i == 3 {
			return text + "; ..."
		}
		text += fmt.Sprintf("; %s: %v", s.ID, s.Err)
	}
	return text
}

// Unwrap returns the errors of all sets that failed.
func (e *SyncError) Unwrap() (errs []error) {
	for _, s := range e.Failed {
		errs = append(errs, s.Err)
	}
	return errs
}

// SyncProgress is a snapshot of a run of [Sync]. What is done and what there is
// to do are those of the phase, and 0 where that is unknown.
type SyncProgress struct {
	Phase        string // "scanning", "comparing", "copying", "deleting" or "done"
	Set          string // the ID of one that is being worked on, or ""
	Objects      int    // done: copied, or compared and found right
	TotalObjects int
	Bytes        int64 // done, those of objects under way included
	TotalBytes   int64
}

// progressEvery is the least time between two reports.
const progressEvery = 100 * time.Millisecond

// syncMeter adds up what the jobs do.
type syncMeter struct {
	mu     sync.Mutex
	call   func(SyncProgress)
	last   time.Time
	state  SyncProgress
	passed int64 // bytes, less those of what has to be tried again
}

// phase begins one with so much to do.
func (m *syncMeter) phase(name string, total amount) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = SyncProgress{Phase: name, TotalObjects: total.objects, TotalBytes: total.bytes}
	m.passed = 0
	m.report(true)
}

// add counts what was done for a set, or takes it back. The bytes reported
// never turn back.
func (m *syncMeter) add(set string, objects int, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passed += bytes
	m.state.Set = set
	m.state.Objects += objects
	m.state.Bytes = max(m.state.Bytes, m.passed)
	m.report(m.state.Objects == m.state.TotalObjects)
}

// report calls back, unless it did so a moment ago. m.mu is held, which keeps
// the calls one at a time.
func (m *syncMeter) report(always bool) {
	now := time.Now()
	if m.call == nil || (!always && now.Sub(m.last) < progressEvery) {
		return
	}
	m.last = now
	m.call(m.state)
}
