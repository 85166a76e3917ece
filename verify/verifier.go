package verify

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// IdentityError tells that a set is encrypted, and that no identity was given
// or none of those given opens it. Nothing but the set's contents.json was
// read to find that out.
type IdentityError = proof.IdentityError

// LinkError tells that a set which an incremental one builds on is missing,
// damaged or not what it was. It names the link, and offers the newest older
// point that does without it.
type LinkError = proof.LinkError

// Verifier proves sets of one sink. Only Sink is required. It holds no state
// and may be used by several goroutines.
type Verifier struct {
	Sink remote.RemoteSink

	// Identities open sets that are encrypted: one of those that a set is
	// encrypted to is enough. They are used by several goroutines at a time.
	// Sets that are not encrypted need none.
	Identities []age.Identity

	// Trust are the public keys of those who may seal a set. If there are any,
	// a set without the seal of one of them is refused with a
	// [*manifest.SealError] before anything else of it is read. Default: seals
	// are not looked at.
	Trust []ed25519.PublicKey

	// Jobs is how many objects or tables are read at a time. 0 means the
	// number of CPUs, at least 2.
	Jobs int

	// Progress is called while a proof runs, at most ten times a second and
	// once at the end, from one goroutine at a time. It must not block.
	Progress func(Progress)

	// Logger receives what an operator wants to know. nil discards.
	Logger *slog.Logger
}

// Progress is a snapshot of a proof.
type Progress struct {
	Done, Total int64 // stored bytes when objects are read, rows when tables are
	Elapsed     time.Duration
}

// Report says what one proof found.
type Report struct {
	Set      string        `json:"set"`
	Database string        `json:"database,omitempty"` // that was compared; "" when objects were read
	Start    time.Time     `json:"start"`
	Took     time.Duration `json:"took"` // nanoseconds

	// Method is how the set itself was proven; "" for a comparison with a
	// database, and where bytes alone were read.
	Method manifest.Method `json:"method,omitempty"`

	Objects      int   `json:"objects,omitempty"`
	Bytes        int64 `json:"bytes,omitempty"` // stored bytes read
	Tables       int   `json:"tables"`
	Rows         int64 `json:"rows"`
	Sequences    int   `json:"sequences"`
	LargeObjects int64 `json:"large_objects"`
	Entries      int   `json:"entries,omitempty"` // of the schema, compared as text

	// Findings are the differences; the proof holds when there are none.
	Findings []Finding `json:"findings,omitempty"`
	// Limits say what was not proven, or on what less than a digest it rests.
	Limits []string `json:"limits,omitempty"`

	mu sync.Mutex
}

// Finding is one thing that is not as the set says.
type Finding struct {
	What    string `json:"what"` // "object 4312.dat.zst", "table public.tarefas"
	Problem string `json:"problem"`
}

// FailedError tells that a proof found differences.
type FailedError struct{ Report *Report }

func (e *FailedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "set %s is not proven", e.Report.Set)
	for i, f := range e.Report.Findings {
		if i == 5 {
			fmt.Fprintf(&b, "; and %d more", len(e.Report.Findings)-i)
			break
		}
		fmt.Fprintf(&b, "; %s: %s", f.What, f.Problem)
	}
	return b.String()
}

// OK tells whether the proof holds.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

// Err is nil when the proof holds, else a *FailedError.
func (r *Report) Err() error {
	if r.OK() {
		return nil
	}
	return &FailedError{r}
}

// Proof is the report as it is kept beside the set; see [manifest.Proof.Put].
// Only a report that has a Method is a proof.
func (r *Report) Proof(set *manifest.Manifest) (*manifest.Proof, error) {
	if r.Method == "" || r.Set != set.ID {
		return nil, fmt.Errorf("verify: this report proves nothing of %s", set.ID)
	}
	p, err := manifest.NewProof(set, r.Start)
	if err != nil {
		return nil, err
	}
	p.Method, p.OK, p.End = r.Method, r.OK(), r.Start.Add(r.Took)
	return p, nil
}

func (r *Report) find(what, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Findings = append(r.Findings, Finding{what, fmt.Sprintf(format, args...)})
}

func (r *Report) limit(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Limits = append(r.Limits, fmt.Sprintf(format, args...))
}

// count counts a table that was looked at.
func (r *Report) count(rows int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Tables++
	r.Rows += rows
}

func (v *Verifier) jobs() int {
	if v.Jobs > 0 {
		return v.Jobs
	}
	return max(2, runtime.NumCPU())
}

// open gives access to a set's objects, once its seal was found right.
func (v *Verifier) open(ctx context.Context, set *manifest.Manifest) (proof.Set, error) {
	if v.Sink == nil {
		return proof.Set{}, errNoSink
	}
	if set.Kind != manifest.Full && set.Kind != manifest.Incremental {
		return proof.Set{}, fmt.Errorf("verify: set %s is %s, not a backup of a database", set.ID, set.Kind)
	}
	if err := manifest.CheckSeal(ctx, v.Sink, set, v.Trust); err != nil {
		return proof.Set{}, err
	}
	return proof.Set{Manifest: set, Sink: v.Sink, Identities: v.Identities}, nil
}

var errNoSink = errors.New("verify: Verifier.Sink is nil")

// meter reports progress.
type meter struct {
	mu    sync.Mutex
	call  func(Progress)
	begun time.Time
	last  time.Time
	state Progress
}

// progressEvery is the least time between two reports.
const progressEvery = 100 * time.Millisecond

func newMeter(call func(Progress), total int64) *meter {
	return &meter{call: call, begun: time.Now(), state: Progress{Total: total}}
}

// grow sets the total, where it turned out to be more.
func (m *meter) grow(total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Total = total
}

func (m *meter) add(n int64, end bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Done += n
	if m.call == nil || (!end && time.Since(m.last) < progressEvery) {
		return
	}
	m.last = time.Now()
	m.state.Elapsed = time.Since(m.begun)
	m.call(m.state)
}
