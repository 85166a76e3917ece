package backup

import (
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// ErrBusy is returned, wrapped, when another run backs up the same database.
var ErrBusy = pgsession.ErrBusy

// ErrLost is in the chain of the errors of a run whose snapshot was lost:
// the connection that held it broke, or the server ended it.
var ErrLost = pgsession.ErrLost

// What can keep a [Dumper] from taking a backup, for errors.As.
type (
	// DoctorError lists all that is wrong with the connection, the server or
	// the role, each with the way out: Findings, of What and Way.
	DoctorError = pgsession.DoctorError

	// LockError names the tables that could not be locked in time, and who
	// holds them: Tables, Blockers, Err.
	LockError = pgsession.LockError

	// BlockingError tells that the run gave way to somebody who waited behind
	// its locks for longer than [Dumper.MaxBlocking]: PID, User, Table, Query.
	BlockingError = pgsession.BlockingError

	// UnsupportedError names the objects of kinds that cannot be reproduced,
	// as [Dumper.ExcludeObjects] takes them: Objects.
	UnsupportedError = pgschema.UnsupportedError
)
