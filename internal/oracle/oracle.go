// Package oracle gives tests what they compare with: real servers of every
// supported major, the stock clients pg_dump, pg_restore and psql, databases
// that hold every kind of object, and object stores that speak the protocols of
// the clouds. Only tests import it.
//
// What a test needs and the machine lacks skips the test with the command that
// brings it, or fails it when the environment variable PGCOFRE_REQUIRE is
// "all".
package oracle

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// Majors are the supported major versions of PostgreSQL, oldest first.
var Majors = []int{13, 14, 15, 16, 17, 18}

// Missing skips the test, or fails it where everything is required.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("PGCOFRE_REQUIRE") == "all" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// started are the servers of this process by major. They end with it.
var started = struct {
	sync.Mutex
	servers map[int]*scratch.Server
}{servers: map[int]*scratch.Server{}}

// Server returns the server of a major (0: the newest found) that the tests of
// this process share. Its roles are shared too: a test that creates one outside
// of [Databases] gives it a name of its own. It allows logical decoding, ten
// prepared transactions and a hundred connections.
func Server(t testing.TB, major int) *scratch.Server {
	t.Helper()
	started.Lock()
	defer started.Unlock()
	if srv := started.servers[major]; srv != nil {
		return srv
	}
	srv := start(t, major, nil)
	started.servers[major] = srv
	return srv
}

// OwnServer starts a server for one test, with settings beside those of
// [Server]; it is stopped when the test ends.
func OwnServer(t testing.TB, major int, settings map[string]string) *scratch.Server {
	t.Helper()
	srv := start(t, major, settings)
	t.Cleanup(func() {
		if err := srv.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return srv
}

func start(t testing.TB, major int, settings map[string]string) *scratch.Server {
	t.Helper()
	all := map[string]string{"wal_level": "logical", "max_prepared_transactions": "10", "max_connections": "100"}
	maps.Copy(all, settings)
	srv, err := scratch.Start(context.Background(), &scratch.Options{Major: major, Settings: all})
	if notFound := (*scratch.NotFoundError)(nil); errors.As(err, &notFound) {
		Missing(t, "%v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return srv
}

// Database creates a database, runs the texts of SQL in it as psql would with
// each text in one go, and returns its URL. It is dropped when the test ends.
func Database(t testing.TB, srv *scratch.Server, sql ...string) string {
	t.Helper()
	db, err := scratch.CreateDatabase(t.Context(), srv.Config("postgres"), &scratch.DatabaseOptions{Prefix: "oracle_"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Drop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	target := srv.URL(db.Name)
	Exec(t, target, sql...)
	return target
}

// Exec runs texts of SQL, each of one or more statements, in one connection.
func Exec(t testing.TB, target string, sql ...string) {
	t.Helper()
	execute(t.Context(), t, target, sql...)
}

func execute(ctx context.Context, t testing.TB, target string, sql ...string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, text := range sql {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			t.Fatalf("%v\nin: %s", err, excerpt(text, err))
		}
	}
}

// WithDatabase returns the URL with another database in it.
func WithDatabase(t testing.TB, target, database string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}
