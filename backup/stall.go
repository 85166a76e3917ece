package backup

import (
	"fmt"
	"sync"
	"time"
)

// pulse tells how long a sink has been waited for without a sign of life. As a
// writer it takes each byte that came back for one.
type pulse struct {
	mu      sync.Mutex
	waiting int // how many wait for the sink
	last    time.Time
}

// await begins to wait for the sink, done ends it. What ends is a sign of life.
func (p *pulse) await() { p.beat(1) }
func (p *pulse) done()  { p.beat(-1) }

func (p *pulse) beat(waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if waiting <= 0 || p.waiting == 0 {
		p.last = time.Now()
	}
	p.waiting += waiting
}

func (p *pulse) Write(b []byte) (int, error) {
	p.beat(0)
	return len(b), nil
}

// silence is how long the sink has been waited for in vain.
func (p *pulse) silence() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == 0 {
		return 0
	}
	return time.Since(p.last)
}

// watch gives up sinks that hold all the others up, until stop is called. A
// sink may stay alive without ever getting on: its client tries again and
// again, longer than the others' snapshot should be held for it. The last sink
// is waited for as long as the run's context allows.
func (w *Writer) watch() (stop func()) {
	if len(w.sinks) < 2 {
		return func() {}
	}
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		ticker := time.NewTicker(w.opts.MaxStall / 8)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ticker.C:
				for _, d := range w.whole() {
					if silence := d.alive.silence(); silence > w.opts.MaxStall && len(w.whole()) > 1 {
						w.drop(d, fmt.Errorf("the others waited for it in vain for %v", silence.Round(time.Second)))
					}
				}
			}
		}
	})
	return func() {
		close(ended)
		watching.Wait()
	}
}
