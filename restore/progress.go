package restore

import (
	"sync"
	"time"
)

// progressEvery is the least time between two reports.
const progressEvery = 100 * time.Millisecond

// meter adds up what the workers report.
type meter struct {
	mu    sync.Mutex
	call  func(Progress)
	begun time.Time
	last  time.Time
	state Progress
}

func newMeter(call func(Progress), total int64) *meter {
	return &meter{call: call, begun: time.Now(), state: Progress{Total: total}}
}

func (m *meter) update(always bool, change func(*Progress)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.state)
	m.state.Elapsed = time.Since(m.begun)
	if m.call != nil && (always || time.Since(m.last) >= progressEvery) {
		m.last = time.Now()
		m.call(m.state)
	}
}

func (m *meter) phase(name string) { m.update(true, func(p *Progress) { p.Phase = name }) }
func (m *meter) add(bytes int64)   { m.update(false, func(p *Progress) { p.Done += bytes }) }
func (m *meter) addRows(n int64)   { m.update(false, func(p *Progress) { p.Rows += n }) }

func (m *meter) finish() {
	m.update(true, func(p *Progress) { p.Phase, p.Done = "done", p.Total })
}

func (m *meter) rows() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Rows
}

func (m *meter) elapsed() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state.Elapsed
}
