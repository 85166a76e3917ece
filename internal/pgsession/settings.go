package pgsession

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgproto3"
)

// ApplicationName is the application_name of every connection, unless the
// caller's configuration names another.
const ApplicationName = "pgcofre"

// readBuffer is how much is read from a server at a time, in bytes.
const readBuffer = 256 << 10

// Settings says what a connection pins beyond what all of them have in common.
// The zero value reads in the server's own encoding.
type Settings struct {
	// ClientEncoding is the encoding of what is sent and received.
	// Empty: the database's own, so that no byte is converted.
	ClientEncoding string
	// LCMonetary is the locale of the text of money values. Empty: as the
	// server has it for this role and database.
	LCMonetary string
	// LockTimeout bounds each wait for a lock. Zero: no limit.
	LockTimeout time.Duration
	// Restoring allows what a restore needs and a backup must not do: function
	// bodies are not checked, and views may be read (a materialized view that is
	// refreshed reads them), as may be foreign tables.
	Restoring bool
}

// Connect opens a connection whose settings are pinned, so that the text of a
// row does not depend on how the server, the database or the role is
// configured. The names of settings that a server does not know are left out.
//
// It refuses, with a [*DoctorError], a pooler that hands the server connection
// to another client after each transaction: there the settings would be lost
// for us and would harm the other clients.
//
// Queries use [pgx.QueryExecModeExec]: nothing is prepared or cached, and
// parameters travel as text of the type that fits their Go type, so an OID is
// passed as $1::int8::oid. Cancelling the context of a query sends the server a cancel request. The
// caller closes the connection. cfg is not changed.
func Connect(ctx context.Context, cfg *pgx.ConnConfig, s Settings) (*pgx.Conn, error) {
	conn, err := dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	_, unfit, err := probe(ctx, cfg, conn, 0)
	if err == nil && unfit != nil {
		err = &DoctorError{Findings: []Finding{*unfit}}
	}
	if err == nil {
		err = s.pin(ctx, conn)
	}
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	return conn, nil
}

// dial connects without touching any setting: behind a pooler that is not fit
// for us a setting would reach other clients.
func dial(ctx context.Context, cfg *pgx.ConnConfig) (*pgx.Conn, error) {
	cfg = cfg.Copy()
	// Statements without names and caches: poolers may not know them.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.StatementCacheCapacity = 0
	cfg.DescriptionCacheCapacity = 0
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = ApplicationName
	}
	cfg.BuildContextWatcherHandler = func(pc *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: pc, DeadlineDelay: farewell}
	}
	// A server sends 8 KiB at a time; taking more of it with each system call
	// saves some 4 % of the time of a backup.
	cfg.BuildFrontend = func(r io.Reader, w io.Writer) *pgproto3.Frontend {
		return pgproto3.NewFrontend(bufio.NewReaderSize(r, readBuffer), w)
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connecting to the database: %w", err)
	}
	return conn, nil
}

// pin sets everything in one round trip. The search path comes first, in a
// statement without operators: before it is empty, a user's operator might be
// found in the place of PostgreSQL's.
func (s Settings) pin(ctx context.Context, conn *pgx.Conn) error {
	var names, values []string
	for _, kv := range s.list() {
		names, values = append(names, kv[0]), append(values, kv[1])
	}
	var b pgx.Batch
	b.Queue(`SELECT pg_catalog.set_config('search_path', '', false)`)
	b.Queue(`SELECT pg_catalog.set_config(s.name, v.value, false)
		FROM unnest($1::text[], $2::text[]) v(name, value)
		JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(v.name)`, names, values)
	if s.ClientEncoding == "" {
		b.Queue(`SELECT pg_catalog.set_config('client_encoding', pg_catalog.current_setting('server_encoding'), false)`)
	}
	if err := conn.SendBatch(ctx, &b).Close(); err != nil {
		return fmt.Errorf("pinning the session's settings: %w", err)
	}
	return nil
}

func (s Settings) list() [][2]string {
	list := [][2]string{
		{"DateStyle", "ISO"},
		{"IntervalStyle", "postgres"},
		{"TimeZone", "UTC"},
		{"extra_float_digits", "3"},
		{"bytea_output", "hex"},
		{"xmloption", "content"},
		{"row_security", "off"},
		{"standard_conforming_strings", "on"},
		{"quote_all_identifiers", "off"},
		{"client_min_messages", "warning"},
		{"statement_timeout", "0"},
		{"transaction_timeout", "0"}, // 17 and newer
		{"idle_in_transaction_session_timeout", "0"},
		{"idle_session_timeout", "0"}, // 14 and newer
		{"lock_timeout", milliseconds(s.LockTimeout)},
		{"exit_on_error", "off"},
	}
	if s.ClientEncoding != "" {
		list = append(list, [2]string{"client_encoding", s.ClientEncoding})
	}
	if s.LCMonetary != "" {
		list = append(list, [2]string{"lc_monetary", s.LCMonetary})
	}
	if s.Restoring {
		return append(list,
			[2]string{"default_transaction_read_only", "off"},
			[2]string{"default_transaction_isolation", "read committed"}, // others fail when jobs meet
			[2]string{"check_function_bodies", "off"},
			[2]string{"array_nulls", "on"},
			[2]string{"restrict_nonsystem_relation_kind", ""},
		)
	}
	return append(list,
		[2]string{"synchronize_seqscans", "off"},
		[2]string{"enable_tidscan", "on"},
		[2]string{"max_parallel_workers_per_gather", "0"},
		[2]string{"jit", "off"},
		// Since the minors of August 2024 (CVE-2024-7348): a table that is
		// swapped for a view must not run the view's code as us.
		[2]string{"restrict_nonsystem_relation_kind", "view,foreign-table"},
	)
}

// milliseconds writes d as PostgreSQL's timeouts want it; the least is 1 ms,
// because 0 means no limit.
func milliseconds(d time.Duration) string {
	if d > 0 && d < time.Millisecond {
		d = time.Millisecond
	}
	return strconv.FormatInt(d.Milliseconds(), 10)
}
