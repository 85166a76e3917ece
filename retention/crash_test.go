package retention_test

import (
	"bufio"
	"context"
	"fmt"
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
	Safety: 10 * day, Proofs: 10 * day, MinVerified: 1, Force: true,
}

// childClean says that it begins and cleans a folder, as far as it comes.
func childClean(folder, at string) {
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	sink, err := remote.NewDir(folder)
	if err != nil {
		panic(err)
	}
	fmt.Println("go")
	if _, err := retention.Clean(context.Background(), sink, childPolicy, now, nil); err != nil {
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

// TestCleanKilled kills Clean's process at random moments. Nothing that is then
// listed is incomplete, nothing kept is touched, and the next run ends clean.
func TestCleanKilled(t *testing.T) {
	begin := func(dir *remote.Dir, now time.Time) *exec.Cmd {
		cmd := childOf(t, "clean", dir, now)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "go\n" {
			t.Fatalf("the child says %q, %v", line, err)
		}
		return cmd
	}
	random := rand.New(rand.NewPCG(20250808, 7))
	kills, midway := 0, 0
	for want := rounds(6, 50); kills < want || midway == 0 && kills < 20*want; {
		w := newWorld(t, random)
		plan := childPolicy.Plan(scan(t, w.sink), w.now)
		whole, dir := folderOf(t, w), folderOf(t, w)
		before := len(names(t, dir))
		cmd, began := begin(whole, w.now), time.Now()
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		end := content(t, whole)
		for range 3 {
			cmd := begin(dir, w.now)
			time.Sleep(time.Duration(random.Int64N(int64(took)))) // a random moment is wanted
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if !cmd.ProcessState.Exited() {
				kills++
			}
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

// keys lists the names of what a sink holds.
func keys(content map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(content)), "\n")
}
