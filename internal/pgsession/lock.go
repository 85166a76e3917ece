package pgsession

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes of PostgreSQL's errcodes.txt.
const (
	lockNotAvailable     = "55P03"
	outOfMemory          = "53200" // "out of shared memory": the lock table is full
	deadlockDetected     = "40P01"
	serializationFailure = "40001" // on a standby: conflict with recovery
	undefinedTable       = "42P01"
	undefinedSchema      = "3F000"
	wrongObjectType      = "42809"
	invalidParameter     = "22023" // SET TRANSACTION SNAPSHOT: no such snapshot, before 17
	undefinedObject      = "42704" // the same, 17 and newer
)

// LockError names the tables that could not be locked and who holds them.
type LockError struct {
	Tables   []string  // quoted, with their schemas
	Blockers []Blocker // none if they are gone by now
	Err      error     // what the server said
}

// Blocker is who holds a table in a mode that forbids to read it, or waits for
// that: readers queue behind.
type Blocker struct {
	PID      int    // 0: a prepared transaction
	Prepared string // its name
	User     string
	Query    string // the first 100 characters, as far as we may see them
}

func (b Blocker) String() string {
	if b.PID == 0 {
		return fmt.Sprintf("prepared transaction %q", b.Prepared)
	}
	return fmt.Sprintf("pid %d of user %q: %s", b.PID, b.User, b.Query)
}

func (e *LockError) Error() string {
	tables := e.Tables
	var more string
	if n := len(tables) - 10; n > 0 {
		tables, more = tables[:10], fmt.Sprintf(" and %d more", n)
	}
	msg := fmt.Sprintf("locking %s%s", strings.Join(tables, ", "), more)
	for i, b := range e.Blockers {
		sep := ", "
		if i == 0 {
			sep = ", blocked by "
		}
		msg += sep + b.String()
	}
	return fmt.Sprintf("%s: %v; try again when they are done, or allow a longer lock timeout", msg, e.Err)
}

func (e *LockError) Unwrap() error { return e.Err }

// BackupLock names the advisory lock that a backup of a database holds, and
// that keeps backups away from one that is being restored in place.
const BackupLock = "pgcofre"

// TakeLock takes the session advisory lock of a name in the database of conn,
// without waiting: an error that wraps [ErrBusy] says who holds it.
func TakeLock(ctx context.Context, conn *pgx.Conn, name string) error {
	var ok bool
	if err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_try_advisory_lock($1)`, lockKey(name)).Scan(&ok); err != nil {
		return fmt.Errorf("taking the lock %q: %w", name, err)
	}
	if ok {
		return nil
	}
	err := CheckLock(ctx, conn, name)
	if err == nil {
		err = busy(conn, name, "done just now")
	}
	return err
}

// CheckLock returns an error that wraps [ErrBusy] while a session holds the
// lock of a name. It takes nothing.
func CheckLock(ctx context.Context, conn *pgx.Conn, name string) error {
	var holder string
	err := conn.QueryRow(ctx, `
		SELECT pg_catalog.format('pid %s, %s, connected since %s', l.pid, a.application_name, a.backend_start)
		FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
			AND l.classid::int8 << 32 | l.objid::int8 = $1
			AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
		LIMIT 1`, lockKey(name)).Scan(&holder)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("asking who holds the lock %q: %w", name, err)
	}
	return busy(conn, name, holder)
}

func busy(conn *pgx.Conn, name, holder string) error {
	return fmt.Errorf("%w %q of database %q (%s); try again when it has ended", ErrBusy, name, conn.Config().Database, holder)
}

// lockKey is made of the name.
func lockKey(name string) int64 {
	sum := sha256.Sum256([]byte("pgcofre " + name))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// lockBatch is the number of tables that one statement locks.
const lockBatch = 400

// lockTables locks the tables within the transaction of conn. LOCK TABLE takes
// no snapshot, so the transaction still has none afterwards.
func lockTables(ctx context.Context, conn *pgx.Conn, rels []Relation) error {
	for batch := range slices.Chunk(rels, lockBatch) {
		names := make([]string, len(batch))
		for i, r := range batch {
			names[i] = r.String()
		}
		_, err := conn.Exec(ctx, "LOCK TABLE ONLY "+strings.Join(names, ", ONLY ")+" IN ACCESS SHARE MODE")
		if sqlState(err) == lockNotAvailable {
			return &LockError{Tables: names, Err: err}
		}
		if err != nil { // it names the table
			return fmt.Errorf("locking the tables: %w", lockTableFull(err))
		}
	}
	return nil
}

func lockTableFull(err error) error {
	if sqlState(err) == outOfMemory {
		return fmt.Errorf("the server's lock table is full (raise max_locks_per_transaction and restart it): %w", err)
	}
	return err
}

// nameBlockers narrows a lock error down to the tables that others hold or wait
// for in the one mode that excludes readers. conn must not be in an aborted
// transaction.
func nameBlockers(ctx context.Context, conn *pgx.Conn, e *LockError, rels []Relation) error {
	rows, err := conn.Query(ctx, `
		SELECT l.relation, COALESCE(l.pid, 0), COALESCE(p.gid, ''), COALESCE(a.usename, ''), COALESCE(pg_catalog.left(a.query, 100), '')
		FROM pg_catalog.pg_locks l
			LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
			LEFT JOIN pg_catalog.pg_locks x ON l.pid IS NULL AND x.pid IS NULL
				AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
			LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
		WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation = ANY ($1::int8[]::oid[])
			AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
		ORDER BY l.granted DESC, l.relation, l.pid`, oids(rels))
	if err != nil {
		return fmt.Errorf("asking who blocks: %w", err)
	}
	held := make(map[uint32]bool)
	var oid uint32
	var b Blocker
	_, err = pgx.ForEachRow(rows, []any{&oid, &b.PID, &b.Prepared, &b.User, &b.Query}, func() error {
		held[oid] = true
		if !slices.Contains(e.Blockers, b) {
			e.Blockers = append(e.Blockers, b)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("asking who blocks: %w", err)
	}
	if len(held) > 0 {
		e.Tables = nil
		for _, r := range rels {
			if held[r.OID] {
				e.Tables = append(e.Tables, r.String())
			}
		}
	}
	return nil
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func oids(rels []Relation) []int64 {
	list := make([]int64, len(rels))
	for i, r := range rels {
		list[i] = int64(r.OID)
	}
	return list
}

// pause waits, unless ctx ends before.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
