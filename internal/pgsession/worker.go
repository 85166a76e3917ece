package pgsession

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Worker is a connection of its own that reads in the session's snapshot. It is
// for one goroutine at a time.
type Worker struct {
	s    *Session
	conn *pgx.Conn
}

// Worker opens a connection, pins the settings that the leader has, and
// attaches it to the snapshot. It fails with [ErrLost] in the chain if the
// snapshot no longer exists. The caller closes the worker; the end of the
// session tears its connection down as well.
func (s *Session) Worker(ctx context.Context) (*Worker, error) {
	if s.ctx.Err() != nil {
		return nil, context.Cause(s.ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })()
	conn, err := s.join(ctx, true)
	if err != nil {
		return nil, err
	}
	if err := s.attach(ctx, conn); err != nil {
		s.dismiss(conn)
		err = fmt.Errorf("attaching a worker to the snapshot: %w", err)
		if errors.Is(err, ErrLost) {
			s.lose(err)
		}
		return nil, err
	}
	return &Worker{s: s, conn: conn}, nil
}

// join opens another connection to the leader's server, with its settings. Its
// locks count as the session's if it reads.
func (s *Session) join(ctx context.Context, reads bool) (*pgx.Conn, error) {
	conn, err := dial(ctx, s.opts.Config)
	if err != nil {
		return nil, err
	}
	var pid uint32
	var started time.Time
	pinned := Settings{ClientEncoding: s.info.ClientEncoding, LCMonetary: s.info.LCMonetary, LockTimeout: s.opts.LockTimeout}
	if err = pinned.pin(ctx, conn); err == nil {
		err = conn.QueryRow(ctx, `SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_postmaster_start_time()`).Scan(&pid, &started)
	}
	if err == nil && !started.Equal(s.info.Started) {
		err = fmt.Errorf("%s led to another server than before: name a single one", address(s.opts.Config))
	}
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	if !reads {
		pid = 0
	}
	return conn, s.enlist(conn, pid)
}

func (s *Session) attach(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT "+QuoteLiteral(s.info.SnapshotID))
	if err != nil {
		if code := sqlState(err); code == invalidParameter || code == undefinedObject {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		return err
	}
	var pid uint32
	var snapshot string
	err = conn.QueryRow(ctx, `SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_current_snapshot()::text`).Scan(&pid, &snapshot)
	if err != nil {
		return err
	}
	if !s.owns(conn, pid) {
		return &DoctorError{Findings: []Finding{*transactionPooler(s.opts.Config)}}
	}
	if snapshot != s.info.Snapshot {
		return fmt.Errorf("%w: it reads snapshot %s in the place of %s", ErrLost, snapshot, s.info.Snapshot)
	}
	return nil
}

// Conn is the worker's connection, in a transaction that must stay open. The
// pinned settings may be changed for the transaction.
func (w *Worker) Conn() *pgx.Conn { return w.conn }

// Lock takes the worker's own lock on a table, without ever queueing for it:
// behind somebody who waits for the leader's lock the worker would wait for
// ever. It tries again until the lock timeout of the session, while the waiter
// may give up or the session may give way. A [*LockError] leaves the worker
// usable. The session's lock keeps a table's name but not that of its schema:
// it is an error if the name has come to mean another table.
func (w *Worker) Lock(ctx context.Context, r Relation) error {
	deadline := time.Now().Add(w.s.opts.LockTimeout)
	for {
		err := w.tryLock(ctx, r)
		var locking *LockError
		if err == nil || !errors.As(err, &locking) || time.Now().After(deadline) {
			return err
		}
		if w.s.ctx.Err() != nil {
			return context.Cause(w.s.ctx)
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (w *Worker) tryLock(ctx context.Context, r Relation) error {
	results, err := w.conn.PgConn().Exec(ctx, fmt.Sprintf(`SAVEPOINT lock; LOCK TABLE ONLY %s IN ACCESS SHARE MODE NOWAIT; RELEASE SAVEPOINT lock;
		SELECT WHERE pg_catalog.to_regclass(%s)::oid = %d`, r, QuoteLiteral(r.String()), r.OID)).ReadAll()
	if err == nil {
		if len(results[len(results)-1].Rows) == 0 {
			return fmt.Errorf("locking %s: another table has that name since its schema was renamed; run the backup again", r)
		}
		return nil
	}
	locking := &LockError{Tables: []string{r.String()}, Err: lockTableFull(err)}
	if sqlState(err) != lockNotAvailable {
		return fmt.Errorf("locking %s: %w", r, lockTableFull(err))
	}
	if _, err := w.conn.Exec(ctx, "ROLLBACK TO SAVEPOINT lock; RELEASE SAVEPOINT lock"); err != nil {
		return fmt.Errorf("locking %s: %w", r, err)
	}
	if err := nameBlockers(ctx, w.conn, locking, []Relation{r}); err != nil {
		return errors.Join(locking, err)
	}
	return locking
}

// Close ends the worker's connection.
func (w *Worker) Close() { w.s.dismiss(w.conn) }
