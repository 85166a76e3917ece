package pgsession

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// BlockingError is the cause of a session's end when somebody waited for longer
// than Options.MaxBlocking for a table that the session has locked. Everybody
// else who wants that table queues behind the waiter.
type BlockingError struct {
	PID    int
	User   string
	Table  string // quoted, with its schema
	Query  string // of the waiter: its first 100 characters, as far as we may see them
	Waited time.Duration
}

func (e *BlockingError) Error() string {
	return fmt.Sprintf("the backup gave way: pid %d of user %q had waited %s for %s (%s); run such DDL at another time, or raise MaxBlocking",
		e.PID, e.User, e.Waited.Round(time.Millisecond), e.Table, e.Query)
}

// startWatch opens the small connection that looks for waiters.
func (s *Session) startWatch() error {
	conn, err := s.join(s.ctx, false)
	if err != nil {
		return fmt.Errorf("the connection that watches whom the backup blocks: %w", err)
	}
	s.loops.Go(func() { s.watch(conn) })
	return nil
}

type waiter struct {
	pid   int
	table string
}

// watch ends the session when it blocks somebody for too long. The watch itself
// is not worth a backup: when its connection breaks, it opens another.
func (s *Session) watch(conn *pgx.Conn) {
	every := time.Second
	if s.opts.MaxBlocking > 0 {
		every = min(every, max(s.opts.MaxBlocking/4, 10*time.Millisecond))
	}
	since := make(map[waiter]time.Time)
	for pause(s.ctx, every) == nil {
		if conn == nil {
			var err error
			if conn, err = s.join(s.ctx, false); err != nil {
				s.log.Warn("cannot watch whom the backup blocks", "err", err)
				continue
			}
		}
		waiting, err := s.blocked(conn)
		if err != nil {
			s.log.Warn("watching whom the backup blocks", "err", err)
			s.dismiss(conn)
			conn = nil
			continue
		}
		if e := s.judge(since, waiting, time.Now()); e != nil {
			s.lose(e)
			break
		}
	}
	if conn != nil {
		s.dismiss(conn)
	}
}

// judge updates since when each waiter waits, logs those who are new, and
// returns an error for one who waited too long.
func (s *Session) judge(since map[waiter]time.Time, waiting []BlockingError, now time.Time) error {
	still := make(map[waiter]bool, len(waiting))
	for _, b := range waiting {
		w := waiter{b.PID, b.Table}
		still[w] = true
		first, known := since[w]
		if !known {
			since[w] = now
			s.log.Warn("the backup blocks somebody, and all who queue behind", "pid", b.PID, "user", b.User, "table", b.Table, "query", b.Query)
			continue
		}
		if b.Waited = now.Sub(first); s.opts.MaxBlocking > 0 && b.Waited > s.opts.MaxBlocking {
			return &b
		}
	}
	for w := range since {
		if !still[w] {
			delete(since, w)
		}
	}
	return nil
}

// blocked lists who waits for a table in the one mode that excludes readers
// while we hold it. pg_blocking_pids stops the lock manager for a moment, so it
// is asked about those waiters only.
func (s *Session) blocked(conn *pgx.Conn) ([]BlockingError, error) {
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.LockTimeout)
	defer cancel()
	rows, err := conn.Query(ctx, `
		WITH waiter AS MATERIALIZED (
			SELECT l.pid, l.relation FROM pg_catalog.pg_locks l
			WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND NOT l.granted
				AND l.database = $1::int8::oid)
		SELECT w.pid, COALESCE(a.usename, ''), COALESCE(pg_catalog.format('%I.%I', n.nspname, c.relname), w.relation::text),
			COALESCE(pg_catalog.left(a.query, 100), '')
		FROM waiter w
			LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
			LEFT JOIN pg_catalog.pg_class c ON c.oid = w.relation
			LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE pg_catalog.pg_blocking_pids(w.pid) && $2::int8[]::int4[]`, int64(s.info.DatabaseOID), s.pids())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (b BlockingError, err error) {
		err = row.Scan(&b.PID, &b.User, &b.Table, &b.Query)
		return b, err
	})
}

// beat asks an idle leader for a sign of life, so that nothing between it and
// us takes the connection for dead.
func (s *Session) beat() {
	for pause(s.ctx, s.opts.Heartbeat) == nil {
		select {
		case <-s.turn:
			s.turn <- struct{}{}
		default:
			continue // in use: not idle
		}
		if err := s.Alive(s.ctx); err != nil && s.ctx.Err() == nil {
			s.log.Warn("the leader gave no sign of life", "err", err)
		}
	}
}
