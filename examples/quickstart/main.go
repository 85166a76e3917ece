// Quickstart shows pgcofre at work in one command, without any configuration:
//
//	go run ./examples/quickstart
//
// It starts a private PostgreSQL server with a sample database, backs that up
// into a folder while something keeps writing to it, restores the backup into
// a new database, and proves that the copy is the snapshot, row for row. With
// DATABASE_URL set it backs up that database instead, which it only reads.
//
// The exit status is 1 on any failure. What could not be proven is no failure,
// but it is named.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	r := &report{w: os.Stdout, terminal: term.IsTerminal(int(os.Stdout.Fd())), started: time.Now()}
	err := run(ctx, r, os.Getenv("DATABASE_URL"))
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", err)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}
