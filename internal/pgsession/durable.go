package pgsession

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// WaitDurable waits until the server has flushed its WAL up to where it stood
// at the snapshot. A transaction with asynchronous commit is visible before it
// is durable: after a crash the backup would hold what the database lost. On a
// standby it returns at once, because what is replayed is durable.
//
// A quiet server would flush the last records only with its next checkpoint, so
// a transaction that does nothing but take an id is committed there: the WAL
// writer flushes its commit record, and all before it, within three
// wal_writer_delay (xact.c:RecordTransactionCommit).
func (s *Session) WaitDurable(ctx context.Context) error {
	if s.info.Standby {
		return nil
	}
	for nudged := false; ; {
		done, err := s.durable(ctx)
		if err != nil || done {
			return err
		}
		if !nudged {
			if err := s.nudge(ctx); err != nil {
				return fmt.Errorf("waiting until the WAL is durable: %w", err)
			}
			nudged = true
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *Session) durable(ctx context.Context) (done bool, err error) {
	var flushed string
	var page, segment uint64
	err = s.Use(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `
			SELECT pg_catalog.pg_current_wal_flush_lsn()::text, pg_catalog.current_setting('wal_block_size')::int8,
				pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))`).Scan(&flushed, &page, &segment)
	})
	if err != nil {
		return false, fmt.Errorf("asking how much of the WAL is durable: %w", err)
	}
	have, err := ParseLSN(flushed)
	if err != nil {
		return false, err
	}
	want, err := ParseLSN(s.info.LSN)
	return err == nil && have >= endOfRecord(want, page, segment), err
}

func (s *Session) nudge(ctx context.Context) error {
	conn, err := s.join(ctx, false)
	if err != nil {
		return err
	}
	defer s.dismiss(conn)
	_, err = conn.Exec(ctx, `SELECT pg_catalog.pg_current_xact_id()`)
	return err
}

// endOfRecord returns where the record before the insert position ends. The
// insert position is where the next record begins, which at the start of a page
// is behind the page's header (24 bytes, 40 in the first page of a segment; see
// xlog.c:XLogBytePosToRecPtr and XLogBytePosToEndRecPtr). An idle server never
// flushes that header.
func endOfRecord(insert, page, segment uint64) uint64 {
	header := uint64(24)
	if insert%segment < page {
		header = 40
	}
	if insert%page == header {
		return insert - header
	}
	return insert
}

// ParseLSN reads a position in the log as the server writes it, as in "1F/2A".
func ParseLSN(s string) (uint64, error) {
	hi, lo, ok := strings.Cut(s, "/")
	h, herr := strconv.ParseUint(hi, 16, 32)
	l, lerr := strconv.ParseUint(lo, 16, 32)
	if !ok || herr != nil || lerr != nil {
		return 0, fmt.Errorf("%q is not an LSN", s)
	}
	return h<<32 | l, nil
}
