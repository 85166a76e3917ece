package oracle

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// A StandbyServer streams what a primary writes, until the test ends.
type StandbyServer struct {
	primary *scratch.Server
	port    int
}

// Standby starts a hot standby of a server of [OwnServer].
func Standby(t testing.TB, primary *scratch.Server) *StandbyServer {
	t.Helper()
	dir := folder(t)
	data := filepath.Join(dir, "data")
	server := baseBackup(t, primary, data, "-R")
	s := &StandbyServer{primary: primary, port: freePort(t)}
	daemon(t, server, append([]string{"-D", data, "-p", strconv.Itoa(s.port), "-k", dir}, standIn(primary)...)...)
	awaitAnswer(t, s.URL(t, primary.URL("postgres")))
	return s
}

// URL leads to the standby where target leads to its primary.
func (s *StandbyServer) URL(t testing.TB, target string) string { return withPort(t, target, s.port) }

// CatchUp returns when the standby shows all that the primary holds now.
func (s *StandbyServer) CatchUp(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	primary := dial(ctx, t, s.primary.URL("postgres"))
	standby := dial(ctx, t, s.URL(t, s.primary.URL("postgres")))
	var lsn string
	if err := primary.QueryRow(ctx, `SELECT pg_current_wal_insert_lsn()::text`).Scan(&lsn); err != nil {
		t.Fatal(err)
	}
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		var there bool
		if err := standby.QueryRow(ctx, `SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn`, lsn).Scan(&there); err != nil {
			t.Fatal(err)
		}
		if there {
			return
		}
	}
}

// dial opens a connection until the test ends.
func dial(ctx context.Context, t testing.TB, target string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
