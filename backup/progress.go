package backup

import (
	"sync"
	"time"
)

// progressEvery is the least time between two reports.
const progressEvery = 100 * time.Millisecond

// Progress is a snapshot of a run. Bytes are of the source's relations on
// disk, so that the total is known from the start; a table in flight counts
// by the share of its COPY text seen so far.
type Progress struct {
	Phase   string // "connecting", "comparing", "copying", "reading back", "done" ...
	Done    int64  // bytes of the source that are done
	Total   int64  // bytes of the source; 0 until known
	Rows    int64  // rows copied
	Raw     int64  // bytes produced, before compression
	Elapsed time.Duration
	Left    time.Duration // estimate of what remains; -1 while there is no ground for one
}

// meter adds up what the jobs report.
type meter struct {
	mu      sync.Mutex
	call    func(Progress)
	now     func() time.Time
	begun   time.Time
	working string    // the phase of the work
	workAt  time.Time // when the work began: what is before it is no measure of speed
	last    time.Time
	state   Progress

	doneWeight, doneRaw int64 // finished tasks
	doneBefore          int64 // doneWeight at workAt
	shownDone, shownRaw int64 // reported already: what is tried again does not turn them back
	running             map[*task]*runningTask
}

type runningTask struct{ weight, raw int64 }

func newMeter(call func(Progress), now func() time.Time) *meter {
	m := &meter{call: call, now: now, begun: now(), running: map[*task]*runningTask{}}
	m.state.Left = -1
	return m
}

func (m *meter) phase(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Phase = name
	m.report(true)
}

// work begins a part whose speed predicts the rest of it.
func (m *meter) work(phase string, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Phase, m.working, m.workAt, m.doneBefore = phase, phase, m.now(), m.doneWeight
	m.state.Total += total
	m.report(true)
}

// start begins, or begins again, a task of the given weight.
func (m *meter) start(t *task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running[t] = &runningTask{weight: t.weight}
}

// add counts bytes and rows of a running task. It is called for every
// buffer, not for every row.
func (m *meter) add(t *task, raw int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running[t].raw += raw
	m.report(false)
}

func (m *meter) done(t *task, rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.running[t]
	delete(m.running, t)
	m.doneWeight += r.weight
	m.doneRaw += r.raw
	m.state.Rows += rows
	m.report(false)
}

// reached tells what the run is at, and how many rows it has copied.
func (m *meter) reached() (phase string, rows int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Phase, m.state.Rows
}

func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Phase, m.state.Left = "done", 0
	m.report(true)
}

// report calls back, unless it did so a moment ago. m.mu is held, which keeps
// the calls one at a time.
func (m *meter) report(always bool) {
	now := m.now()
	if m.call == nil || (!always && now.Sub(m.last) < progressEvery) {
		return
	}
	m.last = now
	s := m.state
	s.Elapsed = now.Sub(m.begun)
	s.Done, s.Raw = m.doneWeight, m.doneRaw
	for _, r := range m.running {
		s.Raw += r.raw
		s.Done += m.share(r)
	}
	m.shownDone, m.shownRaw = max(m.shownDone, s.Done), max(m.shownRaw, s.Raw)
	s.Done, s.Raw = m.shownDone, m.shownRaw
	done, left := s.Done-m.doneBefore, s.Total-s.Done
	if s.Phase == m.working && left > 0 && done*50 > done+left { // 2 % is the least to extrapolate from
		s.Left = time.Duration(float64(now.Sub(m.workAt)) * float64(left) / float64(done))
	}
	m.call(s)
}

// share estimates how much of a running task is done, from the ratio of text
// to disk bytes of the finished ones.
func (m *meter) share(r *runningTask) int64 {
	done := r.raw
	if m.doneRaw > 0 && m.doneWeight > 0 {
		done = int64(float64(r.raw) * float64(m.doneWeight) / float64(m.doneRaw))
	}
	return min(done, r.weight)
}
