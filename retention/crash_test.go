package retention_test

import (
	"context"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/retention"
)

// childEnv names what this program, started by its own tests, is to do.
const childEnv = "PGCOFRE_TEST_RETENTION_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv(childEnv) {
	case "clean":
		childClean(os.Args[1], os.Args[2])
	case "plan":
		childPlan(os.Args[1], os.Args[2])
	}
}

// childOf is this program with something to do in a folder.
func childOf(t *testing.T, what string, dir *remote.Dir, now time.Time) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, dir.String(), now.Format(time.RFC3339))
	cmd.Env = append(os.Environ(), childEnv+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

// childPolicy keeps a part of what newWorld makes.
var childPolicy = retention.RetentionPolicy{
	Full: retention.Rule{Weekly: 2}, Incremental: retention.Rule{Last: 2}, Storage: retention.Rule{Last: 1}, Configs: retention.Rule{Last: 1},
	Safety: 10 * day, Proofs: 10 * day, Runs: 10 * day, MinVerified: 1, Force: true,
}

// asking is a folder that asks before each deletion, with a byte to standard
// output, and waits for a byte of standard input, or its end.
type asking struct{ *remote.Dir }

func (a asking) Delete(ctx context.Context, name string) error {
	if _, err := os.Stdout.Write([]byte{1}); err != nil {
		return err
	}
	if _, err := os.Stdin.Read(make([]byte, 1)); err != nil && err != io.EOF {
		return err
	}
	return a.Dir.Delete(ctx, name)
}

// childClean cleans a folder, as far as it comes.
func childClean(folder, at string) {
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	sink, err := remote.NewDir(folder)
	if err != nil {
		panic(err)
	}
	if _, err := retention.Clean(context.Background(), asking{sink}, childPolicy, now, nil); err != nil {
		panic(err)
	}
}

// folderOf copies a world into a folder, with the times that its objects have.
func folderOf(t *testing.T, w *world) *remote.Dir {
	t.Helper()
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for obj, err := range w.sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := get(t.Context(), w.sink, obj.Name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir.String(), obj.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, obj.ModTime, obj.ModTime); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestCleanKilled kills Clean's process at random deletions. Nothing that is then
// listed is incomplete, nothing kept is touched, and the next run ends clean.
func TestCleanKilled(t *testing.T) {
	random := rand.New(rand.NewPCG(20250808, 7))
	kills, midway := 0, 0
	for want := rounds(6, 50); kills < want; {
		w := newWorld(t, random)
		plan := childPolicy.Plan(scan(t, w.sink), w.now)
		whole, dir := folderOf(t, w), folderOf(t, w)
		if err := childOf(t, "clean", whole, w.now).Run(); err != nil {
			t.Fatal(err)
		}
		end := content(t, whole)
		for range 3 {
			before := len(names(t, dir))
			if before == len(end) {
				break // nothing is left to delete
			}
			killClean(t, dir, w.now, 1+random.IntN(before-len(end)))
			kills++
			if n := len(names(t, dir)); n < before && n > len(end) {
				midway++
			}
			if err := checkWhole(t.Context(), dir, w.missing); err != nil {
				t.Error(err)
			}
			if got := paths(childPolicy.Plan(scan(t, dir), w.now)); got != paths(plan) {
				t.Errorf("kept are\n%s, want\n%s", got, paths(plan))
			}
		}
		if _, err := retention.Clean(t.Context(), dir, childPolicy, w.now, nil); err != nil {
			t.Error(err)
		}
		got := content(t, dir)
		if a, b := keys(got), keys(end); a != b {
			t.Errorf("it ends with\n%s, want\n%s", a, b)
		}
		if t.Failed() {
			t.Fatalf("%v\n%v", w, plan)
		}
	}
	t.Logf("%d kills, %d of them between the first deletion and the last", kills, midway)
	if midway == 0 {
		t.Error("no process was killed while it deleted")
	}
}

// killClean lets a process clean a folder as far as some deletions, the last of
// which may be under way when it is killed.
func killClean(t *testing.T, dir *remote.Dir, now time.Time, deletions int) {
	t.Helper()
	cmd := childOf(t, "clean", dir, now)
	tell, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	asks, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	for range deletions {
		if _, err := io.ReadFull(asks, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		if _, err := tell.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// keys lists the names of what a sink holds.
func keys(content map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(content)), "\n")
}
