package main

import (
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// lineEvery is the least time between two log lines of one phase.
const lineEvery = 10 * time.Second

// step is how far a command is.
type step struct {
	phase       string
	done, total int64         // bytes; total is 0 while it is not known
	left        time.Duration // 0 while there is no ground for an estimate
}

func (s step) amount() string {
	if s.total == 0 {
		return ""
	}
	return size(s.done) + " of " + size(s.total)
}

func (s step) remaining() string {
	if s.left < time.Second {
		return ""
	}
	return s.left.Round(time.Second).String() + " left"
}

// follow returns a function to report steps to: a bar on a terminal, log lines
// elsewhere. stop takes the bar away.
func (c *console) follow() (report func(step), stop func()) {
	if c.onTerminal {
		return c.bar()
	}
	var last step
	var at time.Time
	return func(s step) {
		if s.phase == last.phase && time.Since(at) < lineEvery || s.phase == "done" {
			return // the result says so
		}
		last, at = s, time.Now()
		var facts []any
		if s.total > 0 {
			facts = append(facts, "bytes", s.amount())
		}
		if s.left > 0 {
			facts = append(facts, "left", s.left.Round(time.Second))
		}
		c.log.Info(s.phase, facts...)
	}, func() {}
}

func (c *console) bar() (report func(step), stop func()) {
	var mu sync.Mutex
	var now step
	show := func(f func(step) string) decor.Decorator {
		return decor.Any(func(decor.Statistics) string {
			mu.Lock()
			defer mu.Unlock()
			return f(now)
		}, decor.WC{C: decor.DextraSpace})
	}
	bars := mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(40))
	bar := bars.New(0, mpb.BarStyle(),
		mpb.PrependDecorators(show(func(s step) string { return s.phase })),
		mpb.AppendDecorators(show(step.amount), show(step.remaining)))
	c.divert(bars)
	return func(s step) {
			mu.Lock()
			now = s
			mu.Unlock()
			bar.SetTotal(s.total, false)
			bar.SetCurrent(s.done)
		}, func() {
			c.divert(os.Stderr)
			bar.Abort(true)
			bars.Wait()
		}
}
