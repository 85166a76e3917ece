package pgsession

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// probeTimeout is how long a pooler may take to find a backend for us.
const probeTimeout = 10 * time.Second

// probe finds the backend behind conn, and whether conn belongs to a pooler
// that may give us another one for the next transaction. A direct connection
// answers with the pid that the server announced when it was opened; then the
// given number of witnesses suffices. Behind a pooler the two differ even in
// session mode. A witness is another connection that holds a transaction while
// conn is asked again: a pooler in transaction or statement mode gives it the
// backend that conn had just now.
func probe(ctx context.Context, cfg *pgx.ConnConfig, conn *pgx.Conn, witnesses int) (pid uint32, unfit *Finding, err error) {
	if pid, err = backendPID(ctx, conn); err != nil {
		return 0, nil, err
	}
	if pid != conn.PgConn().PID() {
		witnesses = 3
	}
	for range witnesses {
		w, unfit, err := witness(ctx, cfg)
		if w != nil {
			defer hangUp(w)
		}
		if err != nil || unfit != nil {
			return 0, unfit, err
		}
		asking, cancel := context.WithTimeout(ctx, probeTimeout)
		again, err := backendPID(asking, conn)
		waited := asking.Err() != nil && ctx.Err() == nil // the witnesses have all of its backends
		cancel()
		if waited || err == nil && again != pid {
			return 0, transactionPooler(cfg), nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
	return pid, nil, nil
}

// witness opens a connection and a transaction on it.
func witness(ctx context.Context, cfg *pgx.ConnConfig) (w *pgx.Conn, unfit *Finding, err error) {
	opening, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if w, err = dial(opening, cfg); err == nil {
		_, err = w.Exec(opening, `BEGIN; SELECT pg_catalog.pg_backend_pid()`)
	}
	if err != nil && opening.Err() != nil && ctx.Err() == nil {
		return w, &Finding{
			What: fmt.Sprintf("%s gave no further connection within %s", address(cfg), probeTimeout),
			Way:  "raise the size of the pooler's pool, or connect to the server itself",
		}, nil
	}
	return w, nil, err
}

func backendPID(ctx context.Context, conn *pgx.Conn) (pid uint32, err error) {
	if err = conn.QueryRow(ctx, `SELECT pg_catalog.pg_backend_pid()`).Scan(&pid); err != nil {
		return 0, fmt.Errorf("asking for the backend's pid: %w", err)
	}
	return pid, nil
}

func transactionPooler(cfg *pgx.ConnConfig) *Finding {
	return &Finding{
		What: fmt.Sprintf("%s is a pooler that gives every transaction another backend (transaction or statement mode)", address(cfg)),
		Way:  "connect to the server itself, or to the pooler's session mode, often another port",
	}
}

func address(cfg *pgx.ConnConfig) string {
	return fmt.Sprintf("%s:%d", cfg.Host, cfg.Port)
}
