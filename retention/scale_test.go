package retention_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/retention"
)

// childPlan makes a plan of what is in a folder, and says how long that took.
func childPlan(folder, at string) {
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		panic(err)
	}
	sink, err := remote.NewDir(folder)
	if err != nil {
		panic(err)
	}
	began := time.Now()
	inv, err := manifest.Scan(context.Background(), sink, &manifest.ScanOptions{RunsSince: time.Unix(0, 0)})
	if err != nil {
		panic(err)
	}
	scanned := time.Now()
	plan := retention.Documented().Plan(inv, now)
	fmt.Println(time.Since(began), time.Since(scanned), len(inv.Sets), len(inv.Proofs), len(inv.Runs), len(plan.Kept()))
}

// TestPlanOfMany scans and plans many sets with 20 objects each, proofs of one in
// 20, and as many runs less a tenth, 300 a day, in a folder: with PGCOFRE_LONG
// 10,000 sets and 9,000 runs.
func TestPlanOfMany(t *testing.T) {
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, b []byte) {
		path := filepath.Join(dir.String(), name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil {
			err = os.WriteFile(path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	listing := func(m *manifest.Manifest) {
		for i := range 18 {
			m.Objects = append(m.Objects, manifest.Object{Name: fmt.Sprintf("x%02d.dat.zst.age", i), Size: 1 << 20, SHA256: m.Objects[0].SHA256})
		}
	}
	sets, alone := 2_000, os.Getenv("PGCOFRE_LONG") != "" // beside other tests nothing is timed
	if alone {
		sets = 10_000
	}
	at := start
	var last *made
	for i := range sets {
		at = at.Add(time.Hour)
		source := fmt.Sprintf("app%d", i%4)
		if i%20 == 0 {
			last = makeSet(t, manifest.Full, source, at, listing)
			p := tested(t, last, at.Add(time.Minute), true)
			text := fmt.Sprintf(`{"format": 1, "id": %q, "set": %q, "manifest": %q, "method": "integrity", "ok": true, "start": %q, "end": %q}`,
				p.ID, p.Set, p.Manifest, p.Start.Format(time.RFC3339), p.End.Format(time.RFC3339))
			write(p.ID+".json", []byte(text))
		} else {
			last = makeSet(t, manifest.Incremental, source, at, listing, child(last))
		}
		write(last.ID+"/"+manifest.Name, last.files[manifest.Name])
	}
	for i := range sets * 9 / 10 {
		began := at.Add(-time.Duration(i) * day / 300)
		id := fmt.Sprintf("state/runs/%sZ-k7f3m2xa", began.Format("20060102T150405"))
		text := fmt.Sprintf(`{"format": 1, "id": %q, "source": "app", "outcome": "done", "start": %q, "end": %[2]q}`, id, began.Format(time.RFC3339))
		write(id+".json", []byte(text))
	}

	cmd := childOf(t, "plan", dir, at)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var took, planned string
	var found, proofs, runs, kept int
	if _, err := fmt.Fscan(strings.NewReader(string(out)), &took, &planned, &found, &proofs, &runs, &kept); err != nil || found != sets || proofs != sets/20 || runs != sets*9/10 || kept == 0 {
		t.Fatalf("the child says %q, %v", out, err)
	}
	memory := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss // KiB
	if runtime.GOOS == "darwin" {
		memory >>= 10 // bytes there
	}
	t.Logf("%d sets, %d kept: %s, of that the plan %s; %d MiB", found, kept, took, planned, memory>>10)
	if d, err := time.ParseDuration(took); err != nil || alone && d > 5*time.Second {
		t.Errorf("it took %s, want at most 5s", took)
	}
	if memory > 200<<10 {
		t.Errorf("it took %d MiB, want at most 200", memory>>10)
	}
}
