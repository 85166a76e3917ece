//go:build !race

package backup_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// Variables that make the test binary a process whose memory is measured.
const (
	memoryRole   = "PGCOFRE_MEMORY_ROLE"   // backup or restore
	memoryURL    = "PGCOFRE_MEMORY_URL"    // of the database
	memoryFolder = "PGCOFRE_MEMORY_FOLDER" // with the set
)

// memoryObjects is how many objects the table is cut into, whatever its size,
// so that each of the smaller fills what it is compressed with.
const memoryObjects = 4

// TestMemory: memory does not grow with the database. (The race detector
// multiplies it.)
func TestMemory(t *testing.T) {
	if role := os.Getenv(memoryRole); role != "" {
		measured(t, role)
		return
	}
	srv := oracle.Server(t, 15)
	base := `CREATE TABLE t (id int PRIMARY KEY, b bytea); ALTER TABLE t ALTER b SET STORAGE PLAIN;
		INSERT INTO t SELECT i, sha512(('a' || i)::bytea) || sha512(('b' || i)::bytea) || sha512(('c' || i)::bytea) || sha512(('d' || i)::bytea)
		FROM generate_series(1, 40000) AS i` // 20 MB as COPY sends it, which no compressor makes much smaller
	peaks := map[string]int64{}
	for _, size := range []struct{ name, sql string }{
		{"small", ``},
		{"large", `INSERT INTO t SELECT 100000 * n + id, b FROM t, generate_series(1, 12) AS n`},
	} {
		source, folder := oracle.Database(t, srv, base, size.sql), t.TempDir()
		peaks["backup "+size.name] = peak(t, "backup", source, folder)
		peaks["restore "+size.name] = peak(t, "restore", oracle.Database(t, srv), folder)
	}
	for _, role := range []string{"backup", "restore"} {
		small, large := peaks[role+" small"], peaks[role+" large"]
		t.Logf("%s: %d MiB, %d MiB", role, small>>20, large>>20)
		if large > 128<<20 || large > small+16<<20 {
			t.Errorf("%s: %d MiB for 250 MB, %d MiB for 20 MB", role, large>>20, small>>20)
		}
	}
}

// TestWidestRow: a row of 100 MB, which is 200 MB as it is copied, takes memory
// in proportion to it.
func TestWidestRow(t *testing.T) {
	srv, folder := oracle.Server(t, 15), t.TempDir()
	source := oracle.Database(t, srv, `CREATE TABLE t (id int, b bytea); INSERT INTO t VALUES (1, 'small'), (3, NULL);
		INSERT INTO t SELECT 2, decode(repeat(md5('wide'), 6250000), 'hex')`)
	target := oracle.Database(t, srv)
	backup, restore := peak(t, "backup", source, folder), peak(t, "restore", target, folder)
	t.Logf("backup: %d MiB, restore: %d MiB", backup>>20, restore>>20)
	if backup > 300<<20 || restore > 300<<20 {
		t.Error("that is more than the row and what every run takes")
	}
	const hash = `SELECT string_agg(id || ':' || COALESCE(md5(b), ''), ',' ORDER BY id) FROM t`
	if want, got := value[string](t, connect(t, source), hash), value[string](t, connect(t, target), hash); got != want {
		t.Errorf("restored %s, want %s", got, want)
	}
}

// peak is the most memory that a process which plays the role holds, in bytes.
func peak(t *testing.T, role, url, folder string) (n int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMemory$")
	cmd.Env = append(os.Environ(), memoryRole+"="+role, memoryURL+"="+url, memoryFolder+"="+folder,
		"GOMAXPROCS=1") // a sync.Pool holds some compressors for every CPU, a number that chance decides
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", role, err, out)
	}
	if _, err := fmt.Fscanf(bytes.NewReader(out), "peak %d", &n); err != nil {
		t.Fatalf("%s said %q: %v", role, out, err)
	}
	return n
}

// measured plays the role and prints the most memory that it took.
func measured(t *testing.T, role string) {
	sink, err := remote.NewDir(os.Getenv(memoryFolder))
	if err != nil {
		t.Fatal(err)
	}
	cfg := oracle.Config(t, os.Getenv(memoryURL))
	switch role {
	case "backup":
		size := value[int64](t, connect(t, os.Getenv(memoryURL)), `SELECT pg_relation_size('t')`)
		_, err = backup.Run(t.Context(), sink, &backup.Dumper{Config: cfg, Jobs: 2, RangeSize: size / memoryObjects}, nil)
	case "restore":
		err = restoreLatest(t.Context(), &restore.Restorer{Sink: sink, Target: cfg}, 2)
	}
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("peak %d\n", ownPeak(t))
}
