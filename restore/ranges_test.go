package restore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// large is a database of tables that are worth cutting: one with a gap of
// empty pages, one that nothing but rows is in, one of no columns, and one
// that must be loaded through its partition root.
const large = `
	CREATE TABLE big (id int PRIMARY KEY, v text NOT NULL);
	INSERT INTO big SELECT i, md5(i::text) FROM generate_series(1, 20000) AS i;
	DELETE FROM big WHERE id BETWEEN 5000 AND 15000;
	CREATE INDEX ON big (v);
	CREATE TABLE child (id int PRIMARY KEY, big int REFERENCES big);
	INSERT INTO child SELECT i, i FROM generate_series(1, 4000) AS i;
	CREATE TABLE gone (id int);
	INSERT INTO gone SELECT generate_series(1, 5000);
	DELETE FROM gone;
	CREATE TABLE nothing ();
	INSERT INTO nothing SELECT FROM generate_series(1, 3000);
	CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'grey');
	CREATE TABLE hashed (id int, c colour) PARTITION BY HASH (c);
	CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE hashed_1 (c colour, id int);
	ALTER TABLE hashed ATTACH PARTITION hashed_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	INSERT INTO hashed SELECT i, (enum_range(NULL::colour))[1 + i % 4] FROM generate_series(1, 8000) AS i`

var smallRanges = func(d *backup.Dumper) { d.RangeSize = 64 << 10 }

// TestRanges cuts tables into many objects while they grow, and brings them
// back by ourselves and by stock pg_restore, whose jobs come in another order
// each time.
func TestRanges(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 18), oracle.Client(t, 18)
	source, sink := oracle.Database(t, srv, large), folder(t)
	stop := grow(t, source)
	set := take(t, sink, source, "zstd", smallRanges)
	stop()
	contents, err := (proof.Set{Manifest: set, Sink: sink}).Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, table := range contents.Tables {
		total += table.Rows
		if n := len(table.Objects); n < 2 {
			t.Errorf("table %s is one object: nothing is tested with it", table.Name)
		}
		if root := table.Root; (root != nil) != strings.HasPrefix(table.Name, "hashed_") || root != nil && root.Name != "hashed" {
			t.Errorf("table %s is loaded through %v", table.Name, root)
		}
	}
	count := func(target string) (n int64) {
		for _, table := range []string{"big", "child", "gone", "nothing", "hashed"} {
			n += value[int64](t, target, "SELECT count(*) FROM "+table)
		}
		return n
	}
	if got := count(bringBack(t, sink, set, srv)); got != total {
		t.Errorf("%d rows are restored of %d", got, total)
	}
	archive := filepath.Join(sink.String(), filepath.FromSlash(set.ID))
	for range 10 {
		target := oracle.Database(t, srv)
		oracle.Restore(t, tools, target, archive, "-j4")
		if got := count(target); got != total {
			t.Errorf("pg_restore -j4 restored %d rows of %d", got, total)
		}
		same(t, sink, set, target, nil)
	}
}

// grow adds rows at the end of a table until it is stopped.
func grow(t *testing.T, source string) (stop func()) {
	t.Helper()
	conn := connect(t, source)
	ctx, cancel := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			if _, err := conn.Exec(ctx, `INSERT INTO big SELECT max(id) + g, md5(g::text) FROM big, generate_series(1, 200) g GROUP BY g`); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	return func() { cancel(); writer.Wait() }
}

// TestRangesOldServer: a server that reads the whole table for every range, and
// one object for each table where that is asked for.
func TestRangesOldServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		major int
		edit  func(*backup.Dumper)
	}{{13, smallRanges}, {18, func(d *backup.Dumper) { smallRanges(d); d.OneObject = true }}} {
		t.Run(fmt.Sprint(c.major), func(t *testing.T) {
			srv := oracle.Server(t, c.major)
			source, sink := oracle.Database(t, srv, large), folder(t)
			set := take(t, sink, source, "zstd", c.edit)
			contents, err := (proof.Set{Manifest: set, Sink: sink}).Contents(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range contents.Tables {
				if len(table.Objects) != 1 {
					t.Errorf("table %s is %d objects", table.Name, len(table.Objects))
				}
			}
			bringBack(t, sink, set, srv)
		})
	}
}
