package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrNotConfirmed is returned, wrapped, by what [Typed] returns when the answer
// is not the one that was asked for. Nothing was changed then.
var ErrNotConfirmed = errors.New("the restore was not confirmed")

var errNoConfirm = errors.New("restore: the restore overwrites what the database holds, and Options.Confirm is nil: nobody confirms it")

// Typed returns an [Options.Confirm] that accepts what a person typed: the
// target database's name, or one of the words.
func Typed(answer string, words ...string) func(context.Context, *Plan) error {
	return func(_ context.Context, p *Plan) error {
		if answer == p.Database || slices.Contains(words, answer) {
			return nil
		}
		return fmt.Errorf("%w: %q was answered, the name of the database is %q", ErrNotConfirmed, answer, p.Database)
	}
}

// ReplaceError tells how far a restore came that failed after it had taken its
// safety backup, and the way back.
type ReplaceError struct {
	Database string
	Set      string // that was to be restored
	Safety   string // the safety backup
	Changed  bool   // whether anything in the database was changed
	Err      error
}

func (e *ReplaceError) Error() string {
	if !e.Changed {
		return fmt.Sprintf("database %q is as it was (safety backup %s is not needed): %v", e.Database, e.Safety, e.Err)
	}
	return fmt.Sprintf("database %q is INCOMPLETE, as the restore of %s failed in the middle; restore it again, or roll back to safety backup %s: %v",
		e.Database, e.Set, e.Safety, e.Err)
}

func (e *ReplaceError) Unwrap() error { return e.Err }
