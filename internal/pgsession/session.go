package pgsession

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Defaults of [Options].
const (
	DefaultLockTimeout = time.Minute
	DefaultMaxBlocking = time.Minute
	DefaultHeartbeat   = 30 * time.Second
)

// farewell is how long a server may take to answer a cancel request, or to
// take leave, before its connection is torn down.
const farewell = 3 * time.Second

var (
	// ErrBusy is returned while another session holds the lock of the same name.
	ErrBusy = errors.New("another run holds the lock")
	// ErrLost is in the chain of every error that says that the session's
	// snapshot is gone: nothing that is read from now on would belong to it.
	ErrLost = errors.New("the session with its snapshot is lost")
	// ErrClosed is the cause of a session's context after Close.
	ErrClosed = errors.New("the session is closed")
)

// Options says what to connect to and what to lock. Config and Relations are
// required.
type Options struct {
	Config *pgx.ConnConfig // never changed

	// Relations lists what to lock: ordinary and partitioned tables, as LOCK
	// TABLE of PostgreSQL 13 takes no others. It is called in a transaction of
	// its own, and again inside the snapshot; where the two differ all begins
	// anew. It reads catalogs only.
	Relations func(ctx context.Context, conn *pgx.Conn) ([]Relation, error)

	// Before is called once before the tables are locked and the snapshot is
	// taken, outside of any transaction. nil: nothing is.
	Before func(ctx context.Context, conn *pgx.Conn) error

	// LockName names a session advisory lock, taken in the database before
	// anything else. Empty: none. The locks of a standby and of its primary
	// do not exclude each other.
	LockName string

	LockTimeout time.Duration // of each wait for a table; 0: one minute
	MaxBlocking time.Duration // how long somebody may wait for our locks; 0: one minute; negative: for ever
	Deferrable  bool          // SERIALIZABLE, READ ONLY, DEFERRABLE; not on a standby
	Heartbeat   time.Duration // between signs of life on an idle leader; 0: 30 s
	Logger      *slog.Logger  // nil discards
}

// Relation is a table to lock.
type Relation struct {
	OID          uint32
	Schema, Name string
	FileNode     uint32 // pg_class.relfilenode; 0: none
}

func (r Relation) String() string { return QuoteIdent(r.Schema, r.Name) }

// Info describes the database and the snapshot of a session.
type Info struct {
	Version     int    // server_version_num
	VersionText string // server_version
	Database    string
	DatabaseOID uint32
	SystemID    string // empty where the role may not ask for it
	Timeline    uint32 // 0 where the role may not ask for it
	Standby     bool
	Started     time.Time // when the server was: tells servers apart

	// LSN is the insert LSN just after the snapshot was taken, on a standby the
	// replay LSN: all that the snapshot shows was written before it.
	LSN        string
	Snapshot   string    // pg_current_snapshot()
	SnapshotID string    // what pg_export_snapshot() returned
	Time       time.Time // of the data; on a standby of the last transaction replayed

	Encoding       string // of the database
	ClientEncoding string // of every connection of the session
	LCMonetary     string
	User           string // current_user
	Superuser      bool
}

// Session is a snapshot of a database, the locks on its tables, and the
// connections that read it. Its methods may be called concurrently.
type Session struct {
	opts     Options
	log      *slog.Logger
	info     Info
	warnings []string

	ctx    context.Context // ends when the session is lost, gives way, or is closed
	lose   context.CancelCauseFunc
	turn   chan struct{} // holds one token: the right to use the leader
	leader *pgx.Conn

	loops     sync.WaitGroup // heartbeat and watch
	unarm     func() bool    // keeps the end of ctx from tearing down connections
	tornDown  chan struct{}  // closed when they are torn down
	closeOnce sync.Once

	mu    sync.Mutex
	conns map[*pgx.Conn]uint32 // every open connection and its backend's pid; 0: it holds no locks on tables
	gone  bool                 // tearDown has run: no connection may be added
}

// Open examines the server, takes the advisory lock, locks the tables and then
// takes the snapshot: a snapshot older than the locks shows no rows of a table
// that was truncated in between.
//
// Errors: [ErrBusy], [*DoctorError], [*LockError], [*BlockingError], [ErrLost],
// and what connecting returns. ctx bounds the whole session, not only its
// opening: when it ends, every backend is cancelled and disconnected. The
// caller closes the session.
func Open(ctx context.Context, opts *Options) (*Session, error) {
	s := &Session{opts: *opts, turn: make(chan struct{}, 1), tornDown: make(chan struct{}), conns: make(map[*pgx.Conn]uint32)}
	if err := s.opts.setDefaults(); err != nil {
		return nil, err
	}
	s.opts.Config = s.opts.Config.Copy()
	s.log = s.opts.Logger
	s.ctx, s.lose = context.WithCancelCause(ctx)
	s.unarm = context.AfterFunc(s.ctx, func() {
		defer close(s.tornDown)
		s.tearDown()
	})
	err := s.open()
	s.turn <- struct{}{}
	if err != nil {
		if s.ctx.Err() != nil {
			err = errors.Join(context.Cause(s.ctx), err)
		}
		s.Close()
		return nil, err
	}
	s.loops.Go(s.beat)
	return s, nil
}

func (o *Options) setDefaults() error {
	switch {
	case o.Config == nil:
		return errors.New("pgsession: Options.Config is missing")
	case o.Relations == nil:
		return errors.New("pgsession: Options.Relations is missing")
	case o.LockTimeout < 0:
		return fmt.Errorf("pgsession: Options.LockTimeout %s is negative", o.LockTimeout)
	case o.Heartbeat < 0:
		return fmt.Errorf("pgsession: Options.Heartbeat %s is negative", o.Heartbeat)
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = DefaultLockTimeout
	}
	if o.MaxBlocking == 0 {
		o.MaxBlocking = DefaultMaxBlocking
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = DefaultHeartbeat
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

func (s *Session) open() (err error) {
	if s.leader, err = dial(s.ctx, s.opts.Config); err != nil {
		return err
	}
	if err := s.enlist(s.leader, 0); err != nil {
		return err
	}
	pid, unfit, err := probe(s.ctx, s.opts.Config, s.leader, 1)
	if err != nil {
		return err
	}
	if unfit != nil {
		return &DoctorError{Findings: []Finding{*unfit}}
	}
	if err := s.enlist(s.leader, pid); err != nil {
		return err
	}
	if err := (Settings{LockTimeout: s.opts.LockTimeout}).pin(s.ctx, s.leader); err != nil {
		return err
	}
	if err := s.examine(); err != nil {
		return err
	}
	if s.opts.LockName != "" {
		if err := TakeLock(s.ctx, s.leader, s.opts.LockName); err != nil {
			return err
		}
	}
	if err := s.startWatch(); err != nil {
		return err
	}
	if s.opts.Before != nil {
		if err := s.opts.Before(s.ctx, s.leader); err != nil {
			return err
		}
	}
	return s.takeSnapshot()
}

// Info describes the database and the snapshot.
func (s *Session) Info() Info { return s.info }

// Warnings says what does not stop the backup but may, with the way out.
func (s *Session) Warnings() []string { return s.warnings }

// Context ends when the session is lost, gives way to someone whom its locks
// block ([*BlockingError]), or is closed; [context.Cause] says which.
func (s *Session) Context() context.Context { return s.ctx }

// Use runs fn with the leader, whose transaction holds the snapshot and the
// locks; one fn runs at a time. fn must leave the transaction as it found it: a
// statement that fails or is cancelled outside of a savepoint of fn's own
// aborts the transaction, and with it the session is lost. The context that fn
// gets also ends with the session.
func (s *Session) Use(ctx context.Context, fn func(ctx context.Context, conn *pgx.Conn) error) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
	defer func() { s.turn <- struct{}{} }()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	err := fn(ctx, s.leader)
	if s.ctx.Err() != nil {
		return errors.Join(context.Cause(s.ctx), err)
	}
	if s.leader.IsClosed() || s.leader.PgConn().TxStatus() != 'T' {
		if err == nil {
			err = errors.New("its transaction was ended")
		}
		err = fmt.Errorf("%w: %w", ErrLost, err)
		s.lose(err)
	}
	return err
}

// Alive returns nil if the leader's snapshot has survived until now.
func (s *Session) Alive(ctx context.Context) error {
	return s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		var snapshot string
		if err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_current_snapshot()::text`).Scan(&snapshot); err != nil {
			return err
		}
		if snapshot != s.info.Snapshot {
			err := fmt.Errorf("%w: the leader reads snapshot %s in the place of %s", ErrLost, snapshot, s.info.Snapshot)
			s.lose(err)
			return err
		}
		return nil
	})
}
