package restore_test

import (
	"context"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// childEnv names what this program, started by its own tests, is to do.
const childEnv = "PGCOFRE_TEST_RESTORE_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		os.Exit(m.Run())
	case "backup":
		childBackup(os.Args[1], os.Args[2])
	case "incremental":
		childIncremental(os.Args[1], os.Args[2])
	case "restore":
		childRestore(os.Args[1], os.Args[2])
	case "replace":
		childReplace(os.Args[1], os.Args[2])
	}
}

func childBackup(folder, source string) {
	_, err := backup.Run(context.Background(), must(remote.NewDir(folder)),
		&backup.Dumper{Config: must(pgx.ParseConfig(source)), Name: "crash", RangeSize: 64 << 10}, nil)
	exit(err)
}

func childRestore(folder, target string) {
	sink := must(remote.NewDir(folder))
	inv := must(manifest.Scan(context.Background(), sink, nil))
	set := must(inv.Find("latest"))
	plan := must((&restore.Restorer{Sink: sink, Target: must(pgx.ParseConfig(target))}).Plan(context.Background(), set, nil))
	_, err := plan.Apply(context.Background())
	exit(err)
}

func must[T any](v T, err error) T {
	if err != nil {
		exit(err)
	}
	return v
}

func exit(err error) {
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
	os.Exit(0)
}

// killer starts children and kills them at random points.
type killer struct {
	what, folder, url string
	random            *rand.Rand
	whole             time.Duration // what a child takes that is not killed
}

func newKiller(t *testing.T, what, folder, url string) *killer {
	t.Helper()
	k := &killer{what: what, folder: folder, url: url, random: rand.New(rand.NewPCG(20250808, 9))}
	start := time.Now()
	if out, err := k.child(t).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", what, err, out)
	}
	k.whole = time.Since(start)
	return k
}

func (k *killer) child(t *testing.T) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, k.folder, k.url)
	cmd.Env = append(os.Environ(), childEnv+"="+k.what)
	return cmd
}

// kill lets a child run for a while and kills it. It reports whether the child
// was still running.
func (k *killer) kill(t *testing.T) (killed bool) {
	t.Helper()
	cmd := k.child(t)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Duration(k.random.Int64N(int64(k.whole))))
	_ = cmd.Process.Kill() // fails when the child was done
	_ = cmd.Wait()
	return !cmd.ProcessState.Exited()
}

func kills() int {
	if long {
		return 50
	}
	return 6
}

// asRole is the URL for a superuser of the test's own, whose backends can be
// told from those of other tests.
func asRole(t *testing.T, srv *scratch.Server, name, target string) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	u.User = url.UserPassword(name, password)
	oracle.Exec(t, srv.URL("postgres"), "CREATE ROLE "+name+" SUPERUSER LOGIN PASSWORD '"+password+"'")
	t.Cleanup(func() {
		conn, err := pgx.ConnectConfig(context.Background(), srv.Config("postgres"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close(context.Background())
		if _, err := conn.Exec(context.Background(), "DROP ROLE "+name); err != nil {
			t.Error(err)
		}
	})
	return u.String()
}

func awaitNoBackend(t *testing.T, srv *scratch.Server, role string) {
	t.Helper()
	oracle.Await(t, "no backend of "+role+" is left", func() bool {
		return value[int](t, srv.URL("postgres"), "SELECT count(*) FROM pg_stat_activity WHERE usename = $1", role) == 0
	})
}

// allIntact fails the test unless every set that is listed is whole.
func allIntact(t *testing.T, sink remote.RemoteSink) {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range inv.Damaged {
		t.Errorf("set %s is damaged: %v", d.ID, d.Err)
	}
	for _, set := range inv.Sets {
		intact(t, sink, set)
	}
}

// TestKilledBackup: whatever a killed backup leaves, no set is listed that is
// not whole, and the next backup succeeds.
func TestKilledBackup(t *testing.T) {
	t.Parallel()
	const role = "regress_pgcofre_killed_backup"
	srv := oracle.Server(t, 15)
	url := asRole(t, srv, role, oracle.Database(t, srv, large))
	sink := folder(t)
	k := newKiller(t, "backup", sink.String(), url)
	killed := 0
	for range kills() {
		if k.kill(t) {
			killed++
		}
		awaitNoBackend(t, srv, role)
		allIntact(t, sink)
	}
	if killed == 0 {
		t.Error("no child was killed while it worked")
	}
	intact(t, sink, take(t, sink, url, "zstd"))
}

// TestKilledRestore: whatever a killed restore leaves, no database has the
// target's name that is not the backup's, and the next restore succeeds.
func TestKilledRestore(t *testing.T) {
	t.Parallel()
	const role = "regress_pgcofre_killed_restore"
	srv := oracle.Server(t, 15)
	sink := folder(t)
	set := take(t, sink, oracle.Database(t, srv, large), "zstd", smallRanges)
	target := newName(t, srv)
	asTester := asRole(t, srv, role, target)
	name := oracle.Config(t, target).Database
	exists := func(database string) bool {
		return value[bool](t, srv.URL("postgres"), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", database)
	}
	drop := func() { oracle.Exec(t, srv.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") }
	k := newKiller(t, "restore", sink.String(), asTester)
	drop()
	killed := 0
	for range kills() {
		if k.kill(t) {
			killed++
		}
		awaitNoBackend(t, srv, role)
		if exists(name) {
			same(t, sink, set, target, nil)
			drop()
		}
	}
	if killed == 0 {
		t.Error("no child was killed while it worked")
	}
	if _, err := plan(t, sink, set, asTester, nil).Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, sink, set, target, nil)
	if stage := restore.StageName(name); exists(stage) {
		t.Errorf("database %s is left", stage)
	}
}
