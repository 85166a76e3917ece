package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// confirmed is the word that confirms whatever the target is called.
const confirmed = "CONFIRMO"

// target is what the commands share that write to a database.
type target struct {
	To      database `required:"" placeholder:"URL" help:"The database to restore into."`
	Confirm string   `file:"no" placeholder:"WORD" help:"The name of that database once more, or CONFIRMO. On a terminal it is asked for."`
}

// check finds out that another target was confirmed, before anything is asked.
func (t *target) check() error {
	if t.Confirm != "" && !t.means(t.Confirm) {
		return usageError(fmt.Sprintf("--confirm names %q, but the target is %q: nothing was done", t.Confirm, t.To.config.Database))
	}
	return nil
}

// means tells whether a word confirms this target.
func (t *target) means(word string) bool { return word == t.To.config.Database || word == confirmed }

// plan is what the library's plans have in common.
type plan interface {
	WriteText(w io.Writer) error
	Missing() error
}

// agree shows a plan, and makes sure that it can be done and is meant.
func (t *target) agree(ctx context.Context, c *console, p plan) error {
	if !c.json {
		if err := p.WriteText(visible{os.Stdout}); err != nil {
			return err
		}
	}
	if err := p.Missing(); err != nil {
		return err
	}
	if t.Confirm != "" {
		return nil
	}
	name := t.To.config.Database
	if c.json || !term.IsTerminal(int(os.Stdin.Fd())) {
		return usageError(fmt.Sprintf("nothing was done; to do it, add --confirm %q", name))
	}
	fmt.Fprintf(os.Stderr, "To do this, type the name of the target, %s, or %s: ", plain(name), confirmed)
	answer, err := readLine(ctx, os.Stdin)
	if err == nil && !t.means(answer) {
		err = usageError(fmt.Sprintf("%q is not the name of the target, %q: nothing was done", answer, name))
	}
	return err
}

// agreed is the library's question to whom was asked already.
func agreed[P any](context.Context, P) error { return nil }

// readLine reads one line, or ends with ctx; a read that waits then goes on
// until the program ends.
func readLine(ctx context.Context, from io.Reader) (string, error) {
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(from).ReadString('\n') // an answer without an end is none that fits
		line <- strings.TrimRight(text, "\r\n")
	}()
	select {
	case text := <-line:
		return text, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}
