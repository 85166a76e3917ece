package pgsession

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// attempts is how often locking begins anew when tables change in between.
const attempts = 10

// errChanged says that the tables of the snapshot are not those that were locked.
type errChanged struct{ tables []string }

func (e *errChanged) Error() string {
	return "created, replaced or rewritten while they were being locked: " + strings.Join(e.tables, ", ")
}

// takeSnapshot lists, locks, takes the snapshot and compares, until the tables
// that the snapshot shows are those that are locked.
func (s *Session) takeSnapshot() error {
	for n := 1; ; n++ {
		err := s.tryTables()
		if err == nil {
			return nil
		}
		if !startOver(err) {
			return err
		}
		if n == attempts {
			return fmt.Errorf("the tables changed during each of %d attempts to lock them; stop the DDL or exclude them: %w", n, err)
		}
		s.log.Info("tables changed while they were being locked; starting over", "attempt", n, "err", err)
		if err := pause(s.ctx, time.Duration(n)*20*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *Session) tryTables() error {
	rels, err := s.list()
	if err != nil {
		return err
	}
	err = s.lockAndExport(rels)
	if err == nil || s.leader.IsClosed() {
		return err
	}
	if _, rerr := s.leader.Exec(s.ctx, "ROLLBACK"); rerr != nil {
		return errors.Join(err, rerr)
	}
	var locking *LockError
	if errors.As(err, &locking) && sqlState(err) == lockNotAvailable {
		if berr := nameBlockers(s.ctx, s.leader, locking, rels); berr != nil {
			return errors.Join(err, berr)
		}
	}
	return err
}

// list asks for the tables in a transaction of its own, and examines them.
func (s *Session) list() (rels []Relation, err error) {
	if _, err = s.leader.Exec(s.ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
		return nil, err
	}
	defer func() {
		if _, rerr := s.leader.Exec(s.ctx, "ROLLBACK"); err == nil && rerr != nil {
			err = rerr
		}
	}()
	if rels, err = s.opts.Relations(s.ctx, s.leader); err != nil {
		return nil, fmt.Errorf("listing the tables: %w", err)
	}
	return rels, s.examineRelations(rels)
}

func (s *Session) lockAndExport(rels []Relation) error {
	begin := "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
	if s.opts.Deferrable {
		begin = "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE"
	}
	if _, err := s.leader.Exec(s.ctx, begin); err != nil {
		return err
	}
	if err := lockTables(s.ctx, s.leader, rels); err != nil {
		return err
	}
	if err := s.export(); err != nil {
		return err
	}
	seen, err := s.opts.Relations(s.ctx, s.leader)
	if err != nil {
		return fmt.Errorf("listing the tables in the snapshot: %w", err)
	}
	return compareLocked(s.ctx, s.leader, seen)
}

// export is the first query of the transaction: it takes the snapshot. The LSN
// is read after that, as functions run after the snapshot of their statement.
func (s *Session) export() error {
	i := &s.info
	var pid uint32
	var searchPath string
	err := s.leader.QueryRow(s.ctx, `
		SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_current_snapshot()::text,
			(CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
				ELSE pg_catalog.pg_current_wal_insert_lsn() END)::text,
			CASE WHEN pg_catalog.pg_is_in_recovery() THEN COALESCE(pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.statement_timestamp())
				ELSE pg_catalog.statement_timestamp() END,
			pg_catalog.pg_backend_pid(), pg_catalog.current_setting('search_path')`).
		Scan(&i.SnapshotID, &i.Snapshot, &i.LSN, &i.Time, &pid, &searchPath)
	if err != nil {
		return fmt.Errorf("exporting the snapshot: %w", err)
	}
	if !s.owns(s.leader, pid) || searchPath != "" {
		return &DoctorError{Findings: []Finding{*transactionPooler(s.opts.Config)}}
	}
	return nil
}

// compareLocked looks for tables that the snapshot shows without our lock (they
// are new, or the name that was locked belonged to another table then), and for
// those whose rows are elsewhere by now: pg_relation_filenode reads the catalogs
// as they are, not as the snapshot shows them.
func compareLocked(ctx context.Context, conn *pgx.Conn, seen []Relation) error {
	rows, err := conn.Query(ctx, `
		SELECT r.oid, l.relation IS NOT NULL, COALESCE(pg_catalog.pg_relation_filenode(r.oid::oid), 0)
		FROM pg_catalog.unnest($1::int8[]) r(oid)
			LEFT JOIN (SELECT DISTINCT relation FROM pg_catalog.pg_locks
				WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted) l ON l.relation = r.oid::oid`, oids(seen))
	if err != nil {
		return fmt.Errorf("comparing the snapshot with the locks: %w", err)
	}
	wrong := make(map[uint32]bool)
	nodes := make(map[uint32]uint32, len(seen))
	var oid, node uint32
	var locked bool
	_, err = pgx.ForEachRow(rows, []any{&oid, &locked, &node}, func() error {
		wrong[oid], nodes[oid] = !locked, node
		return nil
	})
	if err != nil {
		return fmt.Errorf("comparing the snapshot with the locks: %w", err)
	}
	var changed errChanged
	for _, r := range seen {
		if wrong[r.OID] || r.FileNode != 0 && r.FileNode != nodes[r.OID] {
			changed.tables = append(changed.tables, r.String())
		}
	}
	if changed.tables != nil {
		return &changed
	}
	return nil
}

// startOver tells changes in between from failures that would come again. A
// lock that was waited for in vain is tried again only if nobody holds it now.
func startOver(err error) bool {
	var changed *errChanged
	if errors.As(err, &changed) {
		return true
	}
	switch sqlState(err) {
	case undefinedTable, undefinedSchema, wrongObjectType, deadlockDetected, serializationFailure:
		return true
	case lockNotAvailable:
		var locking *LockError
		return errors.As(err, &locking) && len(locking.Blockers) == 0
	}
	return false
}
