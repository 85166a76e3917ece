package pgsession

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

// enlist adds a connection to those that end with the session.
func (s *Session) enlist(conn *pgx.Conn, pid uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		hangUp(conn)
		return context.Cause(s.ctx)
	}
	s.conns[conn] = pid
	return nil
}

// owns reports whether the connection still has the backend that it had.
func (s *Session) owns(conn *pgx.Conn, pid uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone || s.conns[conn] == pid
}

// dismiss takes leave of a connection that is not in use.
func (s *Session) dismiss(conn *pgx.Conn) {
	hangUp(conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, conn)
}

// pids returns the backends that hold locks for the session.
func (s *Session) pids() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []int64
	for _, pid := range s.conns {
		if pid != 0 {
			list = append(list, int64(pid))
		}
	}
	return list
}

// tearDown ends every backend, whatever it is doing and whoever uses its
// connection: a backend that computes notices the cancel request, all others
// the end of their connection.
func (s *Session) tearDown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	var all sync.WaitGroup
	for conn := range s.conns {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), farewell)
			defer cancel()
			conn.PgConn().CancelRequest(ctx) // fails where the server is gone, which is as well
			conn.PgConn().Conn().Close()
		})
	}
	all.Wait()
	clear(s.conns)
}

// Close ends the session and every backend of it, those of workers that are
// still open included, and waits for the session's goroutines. It takes a few
// seconds at most. Later calls do nothing.
func (s *Session) Close() error {
	s.closeOnce.Do(func() {
		orderly := s.unarm()
		s.lose(ErrClosed)
		if !orderly {
			<-s.tornDown
		}
		s.loops.Wait()
		if orderly {
			s.takeLeave()
			s.tearDown()
		}
	})
	return nil
}

// takeLeave closes the leader in good order if nobody uses it.
func (s *Session) takeLeave() {
	select {
	case <-s.turn:
		if s.leader != nil {
			s.unlock()
			s.dismiss(s.leader)
		}
	default:
	}
}

// unlock gives up the advisory lock before the connection ends: its backend
// may live a little longer, and the next run would find it busy. Where this
// fails the end of the backend does it.
func (s *Session) unlock() {
	if s.opts.LockName == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_, _ = s.leader.PgConn().Exec(ctx, "ROLLBACK; SELECT pg_catalog.pg_advisory_unlock_all()").ReadAll()
}

// hangUp closes a connection that is not in use, and waits until it is closed.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	conn.Close(ctx)
	select {
	case <-conn.PgConn().CleanupDone():
	case <-ctx.Done():
	}
}
