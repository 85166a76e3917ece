package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
)

// lock is what the commands share that cron starts, of which a second must not
// begin before the first has ended.
type lock struct {
	LockDir file `placeholder:"DIR" help:"A folder, made if needed, of a file for each command and profile, locked while it runs: another run of the same ends at once, with 75. full and incremental have the same."`
}

// errLocked is wrapped by the error of who came second.
var errLocked = errors.New("another run of it is at work")

// take locks the file of a job. The kernel ends the lock with the process, so
// that none is ever left over; the file stays, as removing it would let in two.
func (l *lock) take(command string, p profile) (unlock func(), err error) {
	if l.LockDir == "" {
		return func() {}, nil
	}
	if p != "" {
		command += "-" + url.PathEscape(string(p))
	}
	if err := os.MkdirAll(string(l.LockDir), 0o700); err != nil {
		return nil, fmt.Errorf("--lock-dir: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(string(l.LockDir), command+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--lock-dir: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errLocked
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
