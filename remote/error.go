package remote

import (
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"syscall"
)

// ErrNoStore is in the chain of errors of a sink whose bucket or container does
// not exist, which no further attempt changes. It is not [io/fs.ErrNotExist],
// as nothing can be said of the objects.
var ErrNoStore = errors.New("the sink does not exist")

// IsLasting tells whether a sink's error is one that no further attempt of a
// few seconds later changes: no permission, no such bucket, an impossible name,
// a file system that is full, over its quota or mounted for reading alone.
func IsLasting(err error) bool {
	return slices.ContainsFunc([]error{fs.ErrPermission, fs.ErrInvalid, ErrNoStore, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS},
		func(lasting error) bool { return errors.Is(err, lasting) })
}

// Error says which operation failed on which object of which sink. The cause
// stays in the chain: [io/fs.ErrNotExist], [io/fs.ErrPermission], a system's
// error number such as syscall.ENOSPC, or the error of the reader that was to
// be stored.
type Error struct {
	Op   string // "put", "get", "stat", "list", "delete" or "sweep"
	Sink string // the folder or bucket, as the sink's String gives it; never a credential
	Name string // the object, or the prefix listed; may be empty
	Err  error
}

func (e *Error) Error() string {
	s := e.Op
	if e.Name != "" {
		s += " " + strconv.Quote(e.Name)
	}
	if e.Sink != "" {
		s += " in " + e.Sink
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }
