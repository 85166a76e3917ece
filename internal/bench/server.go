package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/bench/workload"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// settings of the private server, beside what scratch sets: the write-ahead
// log as in production, so that nobody wins by a trick that works on scratch
// servers only, and nothing that runs at random moments.
var settings = map[string]string{
	"wal_level": "replica", "max_wal_size": "16GB", "checkpoint_timeout": "1h", "autovacuum": "off",
	"shared_buffers": "256MB", "max_locks_per_transaction": "256",
}

// server is the server under test, and the database that is measured.
type server struct {
	cfg   *pgx.ConnConfig // to the measured database
	admin *pgx.Conn       // stays open; does nothing while something is measured
	own   *scratch.Server // nil where the server was given
}

func openServer(ctx context.Context, url string) (s *server, err error) {
	s = &server{}
	if url != "" {
		if s.cfg, err = pgx.ParseConfig(url); err != nil {
			return nil, err
		}
	} else {
		if s.own, err = scratch.Start(ctx, &scratch.Options{Settings: settings}); err != nil {
			return nil, err
		}
		db, err := scratch.CreateDatabase(ctx, s.own.Config("postgres"), &scratch.DatabaseOptions{Prefix: "bench_"})
		if err != nil {
			s.close(ctx)
			return nil, err
		}
		s.cfg = db.Config()
	}
	if s.admin, err = pgx.ConnectConfig(ctx, s.cfg); err != nil {
		s.close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *server) close(ctx context.Context) {
	if s.admin != nil {
		s.admin.Close(ctx)
	}
	if s.own != nil {
		if err := s.own.Stop(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
}

// fill builds the database, unless it has tables already. A process of its own
// does it, because ours must stay small: what a process has in memory counts
// as the peak of those that it starts (getrusage(2)).
func (s *server) fill(ctx context.Context, sizes workload.Sizes) error {
	var n int
	err := s.admin.QueryRow(ctx, "SELECT count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'").Scan(&n)
	if err != nil || n > 0 {
		return err
	}
	args := []string{strconv.Itoa(sizes.Large), strconv.Itoa(sizes.Middling), strconv.Itoa(sizes.Each), strconv.Itoa(sizes.Wide), strconv.Itoa(sizes.Empty)}
	cmd := s.self(ctx, "build", s.cfg.Database, args...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("building the database: %w\n%s", err, out)
	}
	return nil
}

// self is this program in another role.
func (s *server) self(ctx context.Context, role, database string, args ...string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	cmd := s.command(ctx, database, exe, args...)
	cmd.Env = append(cmd.Env, roleVariable+"="+role)
	return cmd
}

// command is a program that finds the database in its environment, where no
// other user reads the password.
func (s *server) command(ctx context.Context, database, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	ssl := "disable" // as our own connection came about, so that all pay the same
	if _, ok := s.admin.PgConn().Conn().(*tls.Conn); ok {
		ssl = "require"
	}
	cmd.Env = append(os.Environ(), "PGHOST="+s.cfg.Host, "PGPORT="+strconv.Itoa(int(s.cfg.Port)), "PGUSER="+s.cfg.User,
		"PGPASSWORD="+s.cfg.Password, "PGDATABASE="+database, "PGSSLMODE="+ssl)
	return cmd
}

// describe is what the numbers were measured on.
func (s *server) describe(ctx context.Context) (string, error) {
	var version, size, set string
	var tables int
	err := s.admin.QueryRow(ctx, `
		SELECT current_setting('server_version'), pg_size_pretty(pg_database_size(current_database())),
			(SELECT count(*) FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'),
			(SELECT string_agg(name || '=' || current_setting(name), ', ' ORDER BY name) FROM pg_settings
			 WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'autovacuum', 'shared_buffers', 'maintenance_work_mem'))`).
		Scan(&version, &size, &tables, &set)
	if err != nil {
		return "", fmt.Errorf("asking what is measured: %w", err)
	}
	kind := "given"
	if s.own != nil {
		kind = "private"
	}
	return fmt.Sprintf("PostgreSQL %s, %s server (%s); database of %d tables, %s with its indexes", version, kind, set, tables, size), nil
}

// rest waits until the backends of the last contestant are gone, so that their
// processor time is in the sum.
func (s *server) rest(ctx context.Context) error {
	for {
		var busy int
		err := s.admin.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()").Scan(&busy)
		if err != nil {
			return err
		}
		if busy == 0 || s.own == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// settle has the server write out what is left of the last contestant, so that
// the next one does not pay for it.
func (s *server) settle(ctx context.Context) error {
	if s.own == nil {
		return nil
	}
	_, err := s.admin.Exec(ctx, "CHECKPOINT")
	return err
}

// rows counts all rows of a database.
func (s *server) rows(ctx context.Context, database string) (n int64, err error) {
	cfg := s.cfg.Copy()
	cfg.Database = database
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `
		SELECT coalesce(sum((xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM ONLY %I.%I', schemaname, tablename), false, true, '')))[1]::text::int8), 0)::int8
		FROM pg_tables WHERE schemaname !~ '^(pg_|information_schema)'`).Scan(&n)
	return n, err
}

// cpu is the processor time of the private server's processes since it
// started; 0 where it cannot be told.
func (s *server) cpu() time.Duration {
	if s.own == nil {
		return 0
	}
	file, err := os.ReadFile(filepath.Join(s.own.Dir, "data", "postmaster.pid"))
	if err != nil {
		return 0
	}
	postmaster, _, _ := strings.Cut(string(file), "\n")
	var ticks int64
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		stat, err := os.ReadFile(name)
		if err != nil {
			continue // ended
		}
		// proc(5): pid (comm) state ppid ... utime is the 14th, cstime the 17th.
		f := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		own := strings.HasPrefix(name, "/proc/"+postmaster+"/")
		if !own && f[1] != postmaster {
			continue
		}
		for _, field := range f[11:15] {
			n, _ := strconv.ParseInt(field, 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}
