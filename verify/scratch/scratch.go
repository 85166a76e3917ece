// Package scratch brings up throw-away PostgreSQL servers and databases to
// restore into.
//
// [Start] makes a private server from binaries that are installed, without any
// configuration and without touching the servers of the machine; it is gone
// when [Server.Stop] returns, and also when the program is killed. On a server
// that is given, [CreateDatabase] makes a database with a random name.
package scratch

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Options say which server to start. The zero value, and nil, is the newest
// one found with settings for data that may be lost.
type Options struct {
	// Major is the wanted major version; 0 is the newest found. It is ignored
	// when BinDir is set.
	Major int
	// BinDir is the folder of the binaries; "" looks for them as [Find] does.
	BinDir string
	// Settings are configuration parameters of the server, unquoted. They
	// override ours: fsync, synchronous_commit and full_page_writes off, and
	// wal_level minimal (unless wal_level or max_wal_senders is given).
	Settings map[string]string
	// InitArgs are further arguments of initdb. They override ours:
	// --encoding=UTF8 --no-locale.
	InitArgs []string
	// Logger gets what happens, never a password; nil discards it.
	Logger *slog.Logger
}

// Server is a running private server. Its methods may be called from several
// goroutines. The server ends with the program that started it, even when that
// is killed, and when the last reference to the Server is gone.
type Server struct {
	// Dir is the server's folder, which also holds its socket and its file
	// "log". It is gone after Stop.
	Dir string

	install  Install
	port     int
	password string
	config   *pgx.ConnConfig
	log      *slog.Logger

	mu      sync.Mutex
	cmd     *exec.Cmd
	hold    *os.File // the watcher stops the server when this end is closed
	status  *os.File // the watcher writes a line when the server has ended
	stopped bool
}

//go:embed watch.sh
var watchScript string

// attempts bounds how often Start tries another port when the one that was
// free a second ago is taken by then.
const attempts = 5

var errPortTaken = errors.New("scratch: the port was taken")

// Start starts a server and returns when it accepts connections, about two
// seconds later, most of them spent in initdb. The caller stops it. When ctx
// ends before, nothing is left behind. The error is a [*NotFoundError] when no
// binaries are there; otherwise it ends with the last lines of the server's log.
//
// The server listens on a random port of 127.0.0.1 and on a socket in its
// folder, which is closed to other users; both ask for the password of the
// superuser postgres, which is random. Started by root, it runs as the user
// postgres or nobody.
func Start(ctx context.Context, opts *Options) (*Server, error) {
	if opts == nil {
		opts = &Options{}
	}
	install, err := choose(opts)
	if err != nil {
		return nil, err
	}
	cred, err := account()
	if err != nil {
		return nil, err
	}
	if !reaches(cred, install.BinDir) {
		return nil, fmt.Errorf("scratch: the user that runs the server for root, uid %d, cannot reach %s; use binaries in a folder open to it", cred.Uid, install.BinDir)
	}
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	for range attempts {
		s := &Server{install: install, password: rand.Text(), log: log}
		if err = s.start(ctx, opts, cred); err == nil {
			log.Info("scratch server started", "version", install.Version, "dir", s.Dir, "port", s.port)
			return s, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, err
}

func choose(opts *Options) (Install, error) {
	if opts.BinDir == "" {
		return Find(opts.Major)
	}
	dir, err := filepath.Abs(opts.BinDir)
	if err != nil {
		return Install{}, fmt.Errorf("scratch: %w", err)
	}
	return inspect(dir)
}

// start prepares the folder, runs the watcher and waits for the server.
func (s *Server) start(ctx context.Context, opts *Options, cred *syscall.Credential) (err error) {
	if s.Dir, err = makeDir(cred); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	if s.port, err = freePort(); err != nil {
		return err
	}
	if s.config, err = pgx.ParseConfig(s.URL("postgres")); err != nil {
		return fmt.Errorf("scratch: a PG* variable of the environment is wrong: %w", err)
	}
	s.config.Host, s.config.Fallbacks = s.Dir, nil
	files := map[string]string{
		"password":    s.password + "\n",
		"server.conf": s.configuration(opts.Settings),
		"hba.conf":    "local all,replication all scram-sha-256\nhost all,replication all 127.0.0.1/32 scram-sha-256\n",
		"log":         "",
	}
	for name, text := range files {
		path := filepath.Join(s.Dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
		if err := own(cred, path); err != nil {
			return err
		}
	}
	if err := s.watch(opts.InitArgs, cred); err != nil {
		return err
	}
	return s.await(ctx)
}

// configuration is the text of the server's configuration file: what initdb
// found, then our defaults, then the caller's settings.
func (s *Server) configuration(settings map[string]string) string {
	all := map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
		"lc_messages": "C", // freePort's race is recognised by its message
	}
	if settings["wal_level"] == "" && settings["max_wal_senders"] == "" {
		all["wal_level"], all["max_wal_senders"] = "minimal", "0"
	}
	maps.Copy(all, settings)
	maps.Copy(all, map[string]string{
		"hba_file":                filepath.Join(s.Dir, "hba.conf"),
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.Dir,
		"logging_collector":       "off",
	})
	var b strings.Builder
	fmt.Fprintf(&b, "include %s\n", quoteSetting(filepath.Join(s.Dir, "data", "postgresql.conf")))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s = %s\n", name, quoteSetting(all[name]))
	}
	return b.String()
}

// quoteSetting quotes a value for postgresql.conf, where a backslash escapes
// and a value ends with its line (src/backend/utils/misc/guc-file.l).
func quoteSetting(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`, "\n", `\n`).Replace(s) + "'"
}

// watch starts the watcher in a session of its own, out of reach of the
// terminal's signals.
func (s *Server) watch(initArgs []string, cred *syscall.Credential) error {
	input, hold, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	defer input.Close()
	status, output, err := os.Pipe()
	if err != nil {
		return errors.Join(fmt.Errorf("scratch: %w", err), hold.Close())
	}
	defer output.Close()
	args := []string{"-c", watchScript, "pgcofre-scratch", s.Dir, s.install.BinDir,
		"--username=postgres", "--pwfile=" + filepath.Join(s.Dir, "password"),
		"--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"}
	cmd := exec.Command("/bin/sh", append(args, initArgs...)...)
	cmd.Env = environment(s.install.BinDir)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout = input, output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: cred}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("scratch: start the server's watcher: %w", err), hold.Close(), status.Close())
	}
	s.cmd, s.hold, s.status = cmd, hold, status
	return nil
}

// await returns when the server accepts connections.
func (s *Server) await(ctx context.Context) error {
	cfg := s.Config("postgres")
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("scratch: start PostgreSQL %s: %w", s.install.Version, context.Cause(ctx))
		}
		ended, err := s.ended(time.Now().Add(20 * time.Millisecond))
		if err != nil {
			return err
		}
		if ended {
			return s.failure()
		}
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err == nil {
			return conn.Close(ctx)
		}
		// 57P03 is a server that is starting up.
		if pgErr := (*pgconn.PgError)(nil); errors.As(err, &pgErr) && pgErr.Code != "57P03" {
			return fmt.Errorf("scratch: PostgreSQL %s started, but refuses connections: %w", s.install.Version, err)
		}
	}
}

// ended waits until the deadline for the watcher to say that the server is no
// longer running.
func (s *Server) ended(deadline time.Time) (bool, error) {
	if err := s.status.SetReadDeadline(deadline); err != nil {
		return false, fmt.Errorf("scratch: %w", err)
	}
	_, err := s.status.Read(make([]byte, 16))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false, nil
	}
	return true, nil
}

// failure makes an error of the end of the server's log.
func (s *Server) failure() error {
	text, _ := os.ReadFile(filepath.Join(s.Dir, "log"))
	const tail = 2000
	if len(text) > tail {
		text = text[len(text)-tail:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	if bytes.Contains(text, []byte("could not create any TCP/IP sockets")) {
		return errPortTaken
	}
	return fmt.Errorf("scratch: PostgreSQL %s in %s did not start; its log ends:\n%s", s.install.Version, s.install.BinDir, text)
}

// Stop ends the server, whoever is connected, and returns when its processes
// and its folder are gone. When ctx ends before, they still go. Stopping again
// does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	if s.cmd != nil {
		if err := s.hold.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			return fmt.Errorf("scratch: stop the server in %s: %w", s.Dir, err)
		}
		if err := s.reap(ctx); err != nil {
			return err
		}
	}
	s.stopped = true
	// The watcher removed it already, unless it never ran or was killed: then
	// the server ends by itself when it misses its postmaster.pid.
	if err := os.RemoveAll(s.Dir); err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	s.log.Info("scratch server stopped", "dir", s.Dir)
	return nil
}

// reap waits for the watcher's end, which closes its end of the status pipe.
func (s *Server) reap(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.status.SetReadDeadline(time.Now()) })()
	if err := s.status.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("scratch: %w", err)
	}
	for buf := make([]byte, 16); ; {
		if ctx.Err() != nil {
			return fmt.Errorf("scratch: stop the server in %s: %w", s.Dir, context.Cause(ctx))
		}
		_, err := s.status.Read(buf)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	s.status.Close()
	_ = s.cmd.Wait() // the watcher's own status says nothing: what counts is that the folder is gone
	return nil
}

// Major is the server's major version.
func (s *Server) Major() int { return s.install.Major }

// BinDir is the folder of the server's binaries.
func (s *Server) BinDir() string { return s.install.BinDir }

// URL is the superuser's connection string to a database of the server, by
// TCP. It holds the password.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme: "postgresql", User: url.UserPassword("postgres", s.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), Path: "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Config is the superuser's connection to a database of the server, by its
// socket. Each call returns a new one.
func (s *Server) Config(database string) *pgx.ConnConfig {
	cfg := s.config.Copy()
	cfg.Database = database
	return cfg
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("scratch: find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
