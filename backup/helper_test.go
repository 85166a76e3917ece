package backup_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

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
func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// database is a database with some tables, one of which is worth cutting.
func database(t *testing.T, sql ...string) string {
	t.Helper()
	return oracle.Database(t, oracle.Server(t, 15), append([]string{`
		CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
		INSERT INTO people SELECT i, 'pessoa ' || md5(i::text) FROM generate_series(1, 20000) AS i;
		CREATE TABLE tasks (id int PRIMARY KEY, person int REFERENCES people);
		INSERT INTO tasks SELECT i, i FROM generate_series(1, 1000) AS i`}, sql...)...)
}

// awaitNoBackend returns when none of our backends is in the database.
func awaitNoBackend(t *testing.T, url string) {
	t.Helper()
	conn := connect(t, url)
	oracle.Await(t, "no backend is left", func() bool {
		return value[int](t, conn, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = $1`, pgsession.ApplicationName) == 0
	})
}

// isRecord tells whether an object is the record of a run, which every run
// leaves.
func isRecord(name string) bool {
	_, _, ok := manifest.RunID(strings.TrimSuffix(name, ".sig"))
	return ok
}

// leavesNothing fails the test when the sink lists anything but records of runs.
func leavesNothing(t *testing.T, sink remote.RemoteSink) {
	t.Helper()
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !isRecord(obj.Name) {
			t.Errorf("%s is left", obj.Name)
		}
	}
}

// intact fails the test unless Integrity proves the set, and gives its contents.
func intact(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest) *manifest.Contents {
	t.Helper()
	rep, err := (&verify.Verifier{Sink: sink}).Integrity(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.Err(); err != nil {
		t.Fatal(err)
	}
	contents, err := (proof.Set{Manifest: set, Sink: sink}).Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return contents
}

// as is the URL with another user and password.
func as(t *testing.T, target, user, password string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// restoreLatest restores the newest set.
func restoreLatest(ctx context.Context, r *restore.Restorer, jobs int) error {
	inventory, err := manifest.Scan(ctx, r.Sink, nil)
	if err != nil {
		return err
	}
	set, err := inventory.Find("latest")
	if err != nil {
		return err
	}
	plan, err := r.Plan(ctx, set, &restore.Options{Jobs: jobs})
	if err != nil {
		return err
	}
	_, err = plan.Apply(ctx)
	return err
}

// ownPeak is the most memory this process held. On Linux, getrusage counts the
// process that started it as well, whose memory it had until its exec.
func ownPeak(t *testing.T) (n int64) {
	t.Helper()
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		_, rest, _ := strings.Cut(string(status), "VmHWM:")
		if _, err := fmt.Sscanf(rest, "%d kB", &n); err != nil {
			t.Fatal(err)
		}
		return n << 10
	}
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	if n = int64(u.Maxrss); runtime.GOOS != "darwin" {
		n <<= 10 // KiB elsewhere
	}
	return n
}
