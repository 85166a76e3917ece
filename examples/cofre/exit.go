package main

import (
	"errors"

	"github.com/alecthomas/kong"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// The exit codes. A signal gives 128 and its number, as a shell would say.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitDamaged = 3
	exitSuspect = 4
	exitBusy    = 75 // EX_TEMPFAIL of sysexits.h: try again later
)

// usageError is what the caller of the program did wrong.
type usageError string

func (e usageError) Error() string { return string(e) }

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case is[*kong.ParseError](err), is[usageError](err):
		return exitUsage
	case is[*backup.CopiesError](err): // which may hold any other
		return exitFailed
	case is[*manifest.DamageError](err), is[*manifest.SealError](err), is[*restore.LinkError](err), is[*verify.FailedError](err):
		return exitDamaged
	case is[*backup.SuspectError](err):
		return exitSuspect
	case errors.Is(err, backup.ErrBusy), errors.Is(err, restore.ErrBusy), errors.Is(err, errLocked):
		return exitBusy
	}
	if stopped := (*stopError)(nil); errors.As(err, &stopped) {
		return 128 + int(stopped.signal)
	}
	return exitFailed
}

// is tells whether an error of type E is in the chain.
func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}
