package manifest_test

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// childEnv names what this program, started by its own tests, is to do.
const childEnv = "PGCOFRE_TEST_MANIFEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	childSync(os.Args[1], os.Args[2])
}

// childSync syncs two folders, as far as it comes. That some sets are damaged
// is no failure.
func childSync(from, to string) {
	source, err := remote.NewDir(from)
	if err != nil {
		panic(err)
	}
	dest, err := remote.NewDir(to)
	if err != nil {
		panic(err)
	}
	if res, err := manifest.Sync(context.Background(), source, dest, &manifest.SyncOptions{ByMonth: true, Checksum: true, Delete: true}); res == nil {
		panic(err)
	}
}

// TestSyncKilled kills Sync's process at random moments. Nothing that is then
// listed is incomplete, and in the end all is as at the source.
func TestSyncKilled(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	newDir := func() *remote.Dir {
		d, err := remote.NewDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	start := func(from, to *remote.Dir) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), exe, from.String(), to.String())
		cmd.Env = append(os.Environ(), childEnv+"=sync")
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	random := rand.New(rand.NewPCG(20250808, 3))
	kills, worlds := 0, 0
	for want := rounds(4, 60); kills < want && worlds < 20*want; worlds++ {
		from, to := newDir(), newDir()
		w := newWorld(t, random, from, to, true)
		before := map[string]error{}
		for name := range content(t, to) {
			if path := folder(name); path != "" {
				_, before[path] = whole(t.Context(), to, path)
			}
		}
		began := time.Now()
		if err := start(from, newDir()).Wait(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		for range 3 {
			cmd := start(from, to)
			time.Sleep(time.Duration(random.Int64N(int64(took)))) // a random moment is wanted
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if !cmd.ProcessState.Exited() {
				kills++
			}
			for name := range content(t, to) {
				path := folder(name)
				if path == "" {
					continue
				}
				if _, err := whole(t.Context(), to, path); err != nil && (before[path] == nil || err.Error() != before[path].Error()) {
					t.Error(err)
				}
			}
		}
		if res, _ := manifest.Sync(t.Context(), from, to, &manifest.SyncOptions{ByMonth: true, Checksum: true}); res.Count(manifest.SyncFailed) != len(w.bad) {
			t.Errorf("%d sets are damaged:\n%v", len(w.bad), res)
		}
		inv := scan(t, to)
		for _, s := range w.good {
			m, err := inv.Find(s.ID)
			if err != nil {
				t.Error(err)
				continue
			}
			for name, b := range s.files {
				if got := get(t, to, m.Path(name)); string(got) != string(b) {
					t.Errorf("%s differs", m.Path(name))
				}
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills in %d worlds", kills, worlds)
	if kills == 0 {
		t.Error("no process was killed while it ran")
	}
}
