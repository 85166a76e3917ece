package manifest

import (
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// runFolder is where the records of runs lie: under the run's ID while it is
// at work, with runningExt behind it, and when it ended without.
const (
	runFolder  = "state/runs/"
	runningExt = ".running"
)

// maxMessage is the most that a record keeps of an error's text, in bytes.
const maxMessage = 4 << 10

// Outcome says how a run ended.
type Outcome string

// The outcomes of runs.
const (
	Running   Outcome = "running"   // it has not ended, or was killed
	Done      Outcome = "done"      // its set is committed
	Suspect   Outcome = "suspect"   // its set is committed, and nobody should rely on it
	Failed    Outcome = "failed"    // there is no set
	Busy      Outcome = "busy"      // another run was at work on the same database
	Cancelled Outcome = "cancelled" // its caller ended it, and there is no set
)

// Outcomes lists all outcomes.
func Outcomes() []Outcome { return []Outcome{Running, Done, Suspect, Failed, Busy, Cancelled} }

// Run is the record of one run of a backup, whatever came of it. Each sink of
// the run holds it. Like a manifest it names no schema, table or column, unless
// Message does.
//
// A run that was killed stays Running. Nothing tells it from one at work but
// its age, or a later run of the same source that was not Busy.
type Run struct {
	Format  int       `json:"format"` // FormatVersion
	ID      string    `json:"id"`     // "state/runs/20250808T020000Z-k7f3m2xa", see NewRun
	Source  string    `json:"source"`
	Kind    Kind      `json:"kind,omitempty"` // "" where it did not come to know it
	Outcome Outcome   `json:"outcome"`
	Start   time.Time `json:"start"`
	End     time.Time `json:"end,omitzero"` // zero while Running

	Set      string `json:"set,omitempty"`      // the ID of its set, which there is no more if there is no copy
	Raw      int64  `json:"raw,omitempty"`      // bytes of that before compression
	Stored   int64  `json:"stored,omitempty"`   // bytes of that as stored
	Rows     int64  `json:"rows,omitempty"`     // 0 where they are not known
	Copies   int    `json:"copies,omitempty"`   // sinks that hold the set
	Warnings int    `json:"warnings,omitempty"` // how many there were

	Phase   string `json:"phase,omitempty"`   // what it was at when it failed
	Class   string `json:"class,omitempty"`   // of the error: an SQLSTATE, or a word such as "sink"
	Message string `json:"message,omitempty"` // of the error, only where the set is not encrypted

	Producer string `json:"producer"`
}

// NewRun returns the record of a run of a source that begins at start, which
// names it. What cannot be the name of a source is an error.
func NewRun(source string, start time.Time) (*Run, error) {
	r := &Run{
		Format: FormatVersion, Source: source, Outcome: Running, Start: start.UTC(), Producer: Producer(),
		ID: runFolder + stamped(start),
	}
	return r, r.check()
}

// Put stores the record, sealed if there is a signer; see [Sign]. That of a run
// which ended takes the place of the one which says that it is at work. Where
// a store lets nothing go, both stay, and count as one.
func (r *Run) Put(ctx context.Context, sink remote.RemoteSink, seal crypto.Signer) error {
	out := *r
	out.Message = shorten(r.Message)
	if err := out.check(); err != nil {
		return fmt.Errorf("record of a run: %w", err)
	}
	if err := putRecord(ctx, sink, out.object(), out, seal); err != nil {
		return fmt.Errorf("storing the record %s: %w", r.ID, err)
	}
	if r.Outcome != Running {
		_ = deleteRecord(ctx, sink, r.ID+runningExt+recordExt) // what counts is there
	}
	return nil
}

// object is the name of the record itself.
func (r *Run) object() string {
	if r.Outcome == Running {
		return r.ID + runningExt + recordExt
	}
	return r.ID + recordExt
}

// DeleteRun removes all that there is of a run's record. What is left when it
// fails midway is the same run's record still, or none.
func DeleteRun(ctx context.Context, sink remote.RemoteSink, id string) error {
	if err := checkRunID(id); err != nil {
		return err
	}
	for _, name := range []string{runningExt + recordExt + sealExt, runningExt + recordExt, recordExt + sealExt, recordExt} {
		if err := sink.Delete(ctx, id+name); err != nil {
			return fmt.Errorf("deleting the record %s: %w", id, err)
		}
	}
	return nil
}

// RunID returns the run whose record an object of this name is, and when that
// run started, to the second.
func RunID(name string) (id string, start time.Time, ok bool) {
	id, isRecord := strings.CutSuffix(name, recordExt)
	id = strings.TrimSuffix(id, runningExt)
	if !isRecord || checkRunID(id) != nil {
		return "", time.Time{}, false
	}
	start, _ = time.Parse(idTime, id[len(runFolder):][:len(idTime)])
	return id, start, true
}

func checkRunID(id string) error {
	rest, ok := strings.CutPrefix(id, runFolder)
	if !ok || !isStamped(rest) {
		return fmt.Errorf("%.80q is not the name of a run: want one like %s20250808T020000Z-k7f3m2xa", id, runFolder)
	}
	return nil
}

func (r *Run) check() error {
	if err := errors.Join(checkRunID(r.ID), checkLabel("source", r.Source)); err != nil {
		return err
	}
	switch {
	case !slices.Contains(Outcomes(), r.Outcome):
		return fmt.Errorf("unknown outcome %.80q", r.Outcome)
	case r.Kind != "" && !slices.Contains(Kinds(), r.Kind):
		return fmt.Errorf("unknown kind %.80q", r.Kind)
	case !isYear(r.Start) || r.Start.UTC().Format(idTime) != r.ID[len(runFolder):][:len(idTime)]:
		return errors.New("start is missing, or another than in the name")
	case (r.Outcome == Running) != r.End.IsZero() || !r.End.IsZero() && !isYear(r.End):
		return errors.New("end is missing, or tells that of a run at work")
	case min(r.Raw, r.Stored, r.Rows, int64(r.Copies), int64(r.Warnings)) < 0:
		return errors.New("a count is below 0")
	}
	if r.Set != "" {
		return CheckID(r.Set)
	}
	return nil
}

// scanRuns reads the records of the runs that started at since or later, and
// of a run that ended only what tells how.
func (inv *Inventory) scanRuns(ctx context.Context, s *scanner, since time.Time) error {
	if since.IsZero() {
		return nil
	}
	records, err := s.listRecords(ctx, runFolder)
	if err != nil {
		return err
	}
	var wanted []remote.Object
	last := ""
	for _, obj := range records { // in the order of names: "ID.json" comes before "ID.running.json"
		if id, start, ok := RunID(obj.Name); ok && id != last && !start.Before(since.Truncate(time.Second)) {
			wanted = append(wanted, obj)
			last = id
		}
	}
	cache := s.cache("runs")
	refused, err := s.readRecords(ctx, cache, wanted, func(name string, text []byte) error {
		r := new(Run)
		if err := parseRecord(text, r); err != nil {
			return err
		}
		if err := r.check(); err != nil {
			return err
		}
		if r.object() != name {
			return fmt.Errorf("it is the record %s", r.object())
		}
		inv.Runs = append(inv.Runs, r)
		return nil
	})
	cache.prune(namesOf(records))
	slices.SortFunc(inv.Runs, func(a, b *Run) int { return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.ID, b.ID)) })
	inv.Refused = append(inv.Refused, refused...)
	return err
}

// shorten cuts a text that is too long for a record.
func shorten(text string) string {
	if len(text) > maxMessage {
		return strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return text
}
