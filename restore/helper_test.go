package restore_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// long asks for every major and every client.
var long = os.Getenv("PGCOFRE_LONG") != ""

func folder(t *testing.T) *remote.Dir {
	t.Helper()
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// value scans the one value of a query.
func value[T any](t *testing.T, url, sql string, args ...any) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// take backs a database up and proves the set's objects.
func take(t *testing.T, sink remote.RemoteSink, url, compression string, edit ...func(*backup.Dumper)) *manifest.Manifest {
	t.Helper()
	src := &backup.Dumper{Config: oracle.Config(t, url)}
	for _, f := range edit {
		f(src)
	}
	set, err := backup.Run(t.Context(), sink, src, &backup.Options{Compression: compression})
	if err != nil {
		t.Fatal(err)
	}
	intact(t, sink, set.Manifest)
	return set.Manifest
}

// intact fails the test unless Integrity proves the set.
func intact(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest) {
	t.Helper()
	rep, err := (&verify.Verifier{Sink: sink}).Integrity(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.Err(); err != nil {
		t.Fatal(err)
	}
}

// newName is the URL of a database that does not exist; it is dropped when the
// test ends.
func newName(t *testing.T, srv *scratch.Server) string {
	t.Helper()
	name := "restored_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() {
		conn, err := pgx.ConnectConfig(context.Background(), srv.Config("postgres"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "UPDATE pg_database SET datistemplate = false WHERE datname = $1", name); err != nil {
			t.Error(err)
		}
		if _, err := conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return srv.URL(name)
}

// plan plans the restore of a set to a database.
func plan(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, target string, opts *restore.Options) *restore.Plan {
	t.Helper()
	p, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).Plan(t.Context(), set, opts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bringBack restores a set into a new database and compares that with the set.
func bringBack(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, srv *scratch.Server) (target string) {
	t.Helper()
	target = newName(t, srv)
	if _, err := plan(t, sink, set, target, nil).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, sink, set, target, nil)
	return target
}

// same fails the test unless Compare proves the database.
func same(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, target string, opts *verify.CompareOptions) *verify.Report {
	t.Helper()
	rep, err := (&verify.Verifier{Sink: sink}).Compare(t.Context(), set, oracle.Config(t, target), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.Err(); err != nil {
		t.Fatal(err)
	}
	return rep
}

// dump is the text of pg_dump -C, with one name for all databases.
func dump(t *testing.T, tools oracle.Tools, target string) string {
	t.Helper()
	return strings.ReplaceAll(oracle.Dump(t, tools, target, "--create"), oracle.Config(t, target).Database, "db")
}

// client is the stock client of a major, or the newest where there is none: an
// older release does not know what another one hides in its catalogs.
func client(t *testing.T, major int) oracle.Tools {
	t.Helper()
	for _, tools := range oracle.Clients() {
		if tools.Major == major {
			return tools
		}
	}
	return oracle.Client(t, 0)
}
