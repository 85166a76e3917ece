package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// madeChain stores a chain of some sets, and returns the last and its tables.
func madeChain(t *testing.T, sink remote.RemoteSink, rows, sets int) (*manifest.Manifest, []*madeTable) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 9))
	tables := madeTables()
	for _, m := range tables[:4] {
		for n := range rows {
			m.rows[fmt.Sprint(n)] = m.row(r, n)
		}
	}
	var set *manifest.Manifest
	sums := ""
	for i := range sets {
		if i > 0 {
			for _, m := range tables {
				m.step(r)
			}
		}
		res, err := backup.Run(t.Context(), sink, &madeSource{tables: tables, parent: set, sums: sums, random: r}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if set = res.Manifest; i == 0 {
			sums = set.ID
		}
	}
	return set, tables
}

// holds fails the test unless a set has the rows of the tables.
func holds(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, tables []*madeTable) {
	t.Helper()
	contents := intact(t, sink, set)
	for n, m := range tables {
		if got, want := rowsIn(t, sink, set, contents.Tables[n]), m.texts(); contents.Tables[n].Name != m.name || !slices.Equal(got, want) {
			t.Errorf("%s, table %s: %d rows, want %d", set.ID, m.name, len(got), len(want))
		}
	}
}

// TestConsolidateTriesAgain: what fails once, in the midst of an object that is
// read or written, is done again from where it began.
func TestConsolidateTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := remotetest.NewMem()
		set, tables := madeChain(t, sink, 400, 4)
		var mu sync.Mutex
		puts, gets := map[string]bool{}, 0
		faulty := &remotetest.Faulty{RemoteSink: sink,
			OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
				mu.Lock()
				defer mu.Unlock()
				if !strings.Contains(name, ".dat") || puts[name] {
					return r, nil
				}
				puts[name] = true
				return remotetest.FailAfter(r, 200, errors.New("the line broke")), nil
			},
			OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
				mu.Lock()
				defer mu.Unlock()
				if puts[name] || !strings.Contains(name, ".dat") && !strings.Contains(name, ".keys") || strings.Contains(name, manifest.ArchiveName) {
					return r, nil
				}
				if gets++; gets%97 > 0 {
					return r, nil
				}
				return remotetest.FailAfter(r, 200, errors.New("the line broke")), nil
			}}
		res, err := backup.ConsolidateWithin(t.Context(), faulty, set, &backup.ConsolidateOptions{RangeSize: 1000}, 256)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, sink, res.Manifest, tables)
		if len(puts) < 50 || gets < 200 {
			t.Errorf("only %d objects were written and %d read", len(puts), gets)
		}
	})
}

// killedFolder makes the test binary a process that consolidates what is in a
// folder, and is killed.
const killedFolder = "PGCOFRE_CONSOLIDATE_FOLDER"

// TestConsolidateKilled: whatever a killed consolidation leaves, the chain is as
// it was, no set is listed that is not whole, and the next one succeeds.
func TestConsolidateKilled(t *testing.T) {
	if dir := os.Getenv(killedFolder); dir != "" {
		consolidateIn(t, dir)
		return
	}
	sink := folder(t)
	set, tables := madeChain(t, sink, 400, 6)
	child := func() *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConsolidateKilled$")
		cmd.Env = append(os.Environ(), killedFolder+"="+sink.String())
		return cmd
	}
	begin := time.Now()
	if out, err := child().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(begin)
	r, killed, kills := rand.New(rand.NewPCG(5, 11)), 0, 8
	if os.Getenv("PGCOFRE_LONG") != "" {
		kills = 100
	}
	for range kills {
		cmd := child()
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(r.Int64N(int64(whole))))
		_ = cmd.Process.Kill() // fails when the child was done
		_ = cmd.Wait()
		if !cmd.ProcessState.Exited() {
			killed++
		}
		inv, err := manifest.Scan(t.Context(), sink, nil)
		if err != nil {
			t.Fatal(err)
		}
		chain := 0
		for _, m := range inv.Sets {
			if m.Purpose == manifest.Consolidated {
				holds(t, sink, m, tables)
			} else {
				chain++
			}
		}
		if chain != 6 {
			t.Errorf("%d sets of the chain are left", chain)
		}
	}
	t.Logf("%d of %d were killed", killed, kills)
	if killed == 0 {
		t.Error("no process was killed while it worked")
	}
	holds(t, sink, consolidated(t, sink, set, nil), tables)
}

// consolidateIn makes a full set of the newest incremental one in a folder.
func consolidateIn(t *testing.T, dir string) {
	sink, err := remote.NewDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	consolidated(t, sink, inv.Latest(manifest.Incremental), &backup.ConsolidateOptions{RangeSize: 5000})
}
