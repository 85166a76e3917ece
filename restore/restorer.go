package restore

import (
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"runtime"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// IdentityError tells that a set is encrypted, and that no identity was given
// or none of those given opens it. Nothing but the set's contents.json was
// read to find that out.
type IdentityError = proof.IdentityError

// Restorer brings sets of one sink back to one server. Sink and Target are
// required. It holds no state and may be used by several goroutines.
type Restorer struct {
	// Sink is where the sets are.
	Sink remote.RemoteSink

	// Target names the server and the database to restore into. Without
	// [Options.Replace] the database must be empty or not exist. If it does
	// not, it is created, for which the role needs CREATEDB and a connection to
	// the database "postgres" or "template1". A set with prerequisites finds them in schemas of their own,
	// which need not be empty.
	Target *pgx.ConnConfig

	// Identities open sets that are encrypted: one of those that a set is
	// encrypted to is enough. They are used by several goroutines at a time.
	// Sets that are not encrypted need none.
	Identities []age.Identity

	// Trust are the public keys of those who may seal a set. If there are any,
	// a set without the seal of one of them is refused with a
	// [*manifest.SealError] before anything else of it is read. Default: seals
	// are not looked at.
	Trust []ed25519.PublicKey

	// Safety is where safety backups go, and where PlanRollback reads them.
	// Default: Sink.
	Safety remote.RemoteSink

	// SafetyOptions say how safety backups are stored: compression, recipients,
	// seal, copies. Purpose is set by the restore. nil stores them as
	// backup.Run does by default, and is refused where the set that is restored
	// is encrypted or Trust asks for seals. Nothing of a safety backup is
	// compared with earlier ones unless ShrinkLimit is positive.
	SafetyOptions *backup.Options

	// Progress is called while a plan is applied, at most ten times a second
	// and once at the end, from one goroutine at a time. It must not block.
	Progress func(Progress)

	// Logger receives what an operator wants to know. nil discards.
	Logger *slog.Logger
}

// Options changes how a set is restored. The zero value, and nil, work.
type Options struct {
	// Jobs is how many connections load and build indexes at a time. 0 means
	// the number of CPUs, at least 2.
	Jobs int

	// NoOwner leaves everything with the role that restores.
	NoOwner bool

	// NoPrivileges leaves out GRANT, REVOKE and default privileges.
	NoPrivileges bool

	// Roles maps roles of the backup to roles of the target, in ownership,
	// privileges and policies.
	Roles map[string]string

	// CreateRoles creates the roles that are missing, without the right to
	// log in; what they may do beyond the archive's grants is in globals.sql.
	CreateRoles bool

	// Replace restores into a database that exists and need not be empty: what
	// the set holds is dropped there first and created anew, and all else stays
	// as it is. See [Plan.Replace]. The role must own the database.
	Replace bool

	// Confirm is asked by Apply before the first change, where the restore
	// replaces something; an error ends it. It must be there then, and may take
	// its time: what changes meanwhile is noticed. See [Typed].
	Confirm func(ctx context.Context, p *Plan) error

	// LockTimeout bounds each wait for what others use of what is replaced. 0
	// means one minute; a negative value waits for ever.
	LockTimeout time.Duration
}

// Progress is a snapshot of a restore. Bytes are of the set's objects before
// compression.
type Progress struct {
	Phase       string // "schema", "data and indexes", "privileges", "analyzing", "done" ...
	Done, Total int64
	Rows        int64
	Elapsed     time.Duration
}

func (r *Restorer) check() error {
	switch {
	case r.Sink == nil:
		return errNoSink
	case r.Target == nil:
		return errors.New("restore: Restorer.Target is nil; use pgx.ParseConfig")
	case r.Target.Database == "":
		return errors.New("restore: Restorer.Target names no database")
	}
	return nil
}

// open gives access to a set's objects, once its seal was found right.
func (r *Restorer) open(ctx context.Context, set *manifest.Manifest) (proof.Set, error) {
	if r.Sink == nil {
		return proof.Set{}, errNoSink
	}
	if err := manifest.CheckSeal(ctx, r.Sink, set, r.Trust); err != nil {
		return proof.Set{}, err
	}
	return proof.Set{Manifest: set, Sink: r.Sink, Identities: r.Identities}, nil
}

var errNoSink = errors.New("restore: Restorer.Sink is nil")

func (r *Restorer) logger() *slog.Logger {
	if r.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Logger
}

func (o *Options) jobs() int {
	if o.Jobs > 0 {
		return o.Jobs
	}
	return max(2, runtime.NumCPU())
}
