// Command cofre backs up PostgreSQL databases, lists and proves the backups,
// and restores them. It is the reference program over the library: each of its
// commands is a call or two of it. README.md says how to run it for real.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/restore"
)

func main() { os.Exit(run(os.Args[1:])) }

// run does what the arguments ask and returns the exit code.
func run(args []string) int {
	ctx, stop := untilSignal(context.Background())
	defer stop()
	c := newConsole(wantsJSON(args))
	name, err := command(ctx, c, args)
	if cause := context.Cause(ctx); cause != nil && exitCode(err) == exitFailed {
		if is[*restore.ReplaceError](err) { // which says what it left
			cause = fmt.Errorf("%w: %w", cause, err)
		}
		err = cause // not the many things that the signal broke
	}
	return c.finish(name, err)
}

// command parses the arguments and runs the command that they name.
func command(ctx context.Context, c *console, args []string) (name string, err error) {
	parser, err := newParser(c)
	if err != nil {
		return "", err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return "", err
	}
	warnOfPasswords(c, parsed)
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run()
	if is[*restore.IdentityError](err) {
		err = fmt.Errorf("%w: give its file with --identity", err)
	}
	return parsed.Selected().Name, err
}

// warnOfPasswords tells of passwords that everybody on the machine may read.
func warnOfPasswords(c *console, parsed *kong.Context) {
	for _, p := range parsed.Path {
		if p.Flag == nil || p.Resolved {
			continue
		}
		if d, ok := p.Flag.Target.Addr().Interface().(*database); ok && d.password {
			c.log.Warn("the password on the command line is visible in the list of processes",
				"flag", "--"+p.Flag.Name, "instead", "give the URL as "+p.Flag.Envs[0]+", or the password in ~/.pgpass or PGPASSWORD")
		}
	}
}

// stopError is the cause that ends a command at a signal.
type stopError struct{ signal syscall.Signal }

func (e *stopError) Error() string { return fmt.Sprintf("stopped by a signal (%v)", e.signal) }

// untilSignal returns a context that ends at the first SIGINT or SIGTERM. The
// second one ends the program at once, as if nobody had listened.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(&stopError{s.(syscall.Signal)})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}
