//go:build !race

package backup_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
)

// consolidateMemory makes the test binary a process that consolidates what is in
// a folder, and tells what memory that took.
const consolidateMemory = "PGCOFRE_CONSOLIDATE_MEMORY"

// TestConsolidateMemory: memory is bounded, however many keys changed.
// PGCOFRE_LONG has more of them than are held at a time.
func TestConsolidateMemory(t *testing.T) {
	if dir := os.Getenv(consolidateMemory); dir != "" {
		sink, err := remote.NewDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		inv, err := manifest.Scan(t.Context(), sink, nil)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := backup.Consolidate(t.Context(), sink, inv.Latest(manifest.Incremental), &backup.ConsolidateOptions{Jobs: 2}); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("peak %d %s\n", ownPeak(t), time.Since(begin))
		return
	}
	rows := 600_000
	if os.Getenv("PGCOFRE_LONG") != "" {
		rows = 9_000_000
	}
	url := oracle.Database(t, oracle.Server(t, 15), "CREATE TABLE t (v text, id bigint PRIMARY KEY)",
		"INSERT INTO t SELECT md5(i::text), i FROM generate_series(1, "+strconv.Itoa(rows)+") AS i; ANALYZE t")
	sink := folder(t)
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, url)}}
	incremental(t, sink, src, nil)
	oracle.Exec(t, url, "UPDATE t SET v = 'new' || v WHERE id % 9 < 4; DELETE FROM t WHERE id % 500000 = 8")
	if set := incremental(t, sink, src, nil); set.Kind != manifest.Incremental || changesOf(t, sink, set, "t").Delta == nil {
		t.Fatalf("%s is no incremental with changes", set.ID)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConsolidateMemory$")
	cmd.Env = append(os.Environ(), consolidateMemory+"="+sink.String(), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	var peak int64
	if err == nil {
		_, err = fmt.Fscanf(bytes.NewReader(out), "peak %d", &peak)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d MiB for %d rows: %s", peak>>20, rows, out)
	if peak > 128<<20 {
		t.Error("that is too much")
	}
}
