package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// report prints one line a step as the steps go, with how long each took.
type report struct {
	w        io.Writer
	terminal bool // w is one: lines may be rewritten
	started  time.Time
	name     string
	lines    []string // about the step at work
}

// step runs one step. What it adds with line is printed behind its name.
func (r *report) step(name string, work func() error) error {
	r.name, r.lines = name, nil
	start := time.Now()
	if r.terminal {
		fmt.Fprintf(r.w, "%-10s ...", name)
	}
	err := work()
	if r.terminal {
		fmt.Fprint(r.w, "\r\x1b[K")
	}
	if err != nil {
		r.lines = append(r.lines, "FAILED")
	}
	fmt.Fprintf(r.w, "%-10s %6.1f s   %s\n", name, time.Since(start).Seconds(),
		strings.Join(r.lines, "\n"+strings.Repeat(" ", 22)))
	return err
}

func (r *report) line(format string, args ...any) {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

// progress shows how far the step is, on a terminal.
func (r *report) progress(done, total int64) {
	if r.terminal && total > 0 {
		fmt.Fprintf(r.w, "\r\x1b[K%-10s %3d %%", r.name, min(100, 100*done/total))
	}
}

func (r *report) text(format string, args ...any) { fmt.Fprintf(r.w, format+"\n", args...) }

func count(n int64) string { return humanize.Comma(n) }

func size(n int64) string { return humanize.Bytes(uint64(n)) }
