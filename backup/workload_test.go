package backup_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

var workloadSeed = flag.String("workload", "", "a single chain of TestWorkload: major-seed, as a failure prints it")

// TestWorkload does random things to databases, takes incrementals in between,
// and holds what they come to against what the database held in the snapshot of
// each: all rows of all tables, large objects, sequences and the schema. No run
// may be a full backup but the first.
func TestWorkload(t *testing.T) {
	chains, steps := 20, 30
	if os.Getenv("PGCOFRE_LONG") != "" {
		chains, steps = 200, 250
	}
	majors := []int{13, 15, 18}
	if *workloadSeed != "" {
		var major int
		var seed uint64
		if _, err := fmt.Sscanf(*workloadSeed, "%d-%d", &major, &seed); err != nil {
			t.Fatalf("-workload=%s: %v", *workloadSeed, err)
		}
		newChain(t, oracle.Server(t, major), seed).run(steps)
		return
	}
	for seed := range chains {
		major := majors[seed%len(majors)]
		t.Run(fmt.Sprintf("%d-%d", major, seed), func(t *testing.T) {
			t.Parallel()
			newChain(t, oracle.Server(t, major), uint64(seed)).run(steps)
		})
	}
}

// chain is a database, what is done to it, and its backups.
type chain struct {
	*churn
	sink      *witness
	src       *backup.Incremental
	replay    *replay
	sets      []*manifest.Manifest
	why       strings.Builder // the runs' log
	promotion string          // of the last run
	forked    bool            // another history may be going on: a full backup is no surprise
}

func newChain(t *testing.T, srv *scratch.Server, seed uint64) *chain {
	c := &chain{}
	c.churn = &churn{t: t, r: rand.New(rand.NewPCG(5, seed)), url: oracle.Database(t, srv, prologue), next: 3000}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the runs:\n%s", c.why.String())
			t.Logf("the statements:\n%s", strings.Join(c.log, "\n"))
			t.Logf("again: go test ./backup -run 'TestWorkload$' -workload %d-%d%s", srv.Major(), seed, onlyWhere(os.Getenv("PGCOFRE_LONG") != "", ", with PGCOFRE_LONG=1"))
		}
	})
	c.main = c.session("main")
	loose := false
	for i, sql := range optional {
		_, err := c.main.conn.PgConn().Exec(t.Context(), sql).ReadAll()
		loose = loose || i == 0 && err == nil
	}
	c.relations = relations(loose)
	for _, rel := range c.relations {
		rows := rel.rows
		if rows == 0 {
			rows = 100
		}
		c.main.must("%s", rel.create()+rel.fill(1, rows)+onlyWhere(rel.unique != "", " ON CONFLICT DO NOTHING"))
	}
	c.sink = newWitness(t)
	c.replay = &replay{t: t, sink: c.sink}
	c.src = &backup.Incremental{Dumper: backup.Dumper{Name: "workload", Jobs: 1 + c.r.IntN(3)}, Prove: c.r.IntN(3) == 0, MaxChain: 1000}
	return c
}

// run takes steps and backups, and restores some of them.
func (c *chain) run(steps int) {
	c.backup(false)
	for c.steps < steps {
		for range 1 + c.r.IntN(14) {
			c.step()
		}
		busy := c.r.IntN(3) == 0
		set, seen := c.backup(busy)
		if c.r.IntN(6) == 0 || c.steps >= steps {
			c.restore(set, seen, busy)
		}
		if c.t.Failed() {
			break
		}
	}
	c.finish()
}

// backup takes a backup, with others writing meanwhile, and replays it.
func (c *chain) backup(busy bool) (*manifest.Manifest, holdings) {
	c.t.Helper()
	var writers sync.WaitGroup
	ctx, stop := context.WithCancel(c.t.Context())
	if busy {
		for n := range 2 {
			s, r, next := c.session(fmt.Sprintf("writer %d", n)), rand.New(rand.NewPCG(c.r.Uint64(), 0)), 1_000_000*(n+1)+c.next
			writers.Go(func() {
				defer s.conn.Close(context.Background())
				for ctx.Err() == nil {
					if c.statements(s, r, &next) {
						s.run("%s", []string{"COMMIT", "COMMIT", "ROLLBACK"}[r.IntN(3)])
					}
				}
			})
		}
	}
	c.src.Config = oracle.Config(c.t, c.url)
	c.sink.cfg = c.src.Config
	res, err := backup.Run(c.t.Context(), c.sink, c.src, &backup.Options{Logger: slog.New(slog.NewTextHandler(&c.why, nil))})
	stop()
	writers.Wait()
	if err != nil {
		c.t.Fatal(err)
	}
	set := res.Manifest
	c.promotion = res.Promotion
	c.log = append(c.log, "-- "+set.ID)
	if set.Kind == manifest.Full && len(c.sets) > 0 && !c.forked && !c.outgrown() {
		c.t.Errorf("%s is no incremental", set.ID)
	}
	c.sets = append(c.sets, set)
	seen := c.sink.of(set)
	c.replay.apply(set)
	contents, err := (proof.Set{Manifest: set, Sink: c.sink}).Contents(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	c.replay.compare(contents, seen)
	return set, seen
}

// outgrown tells whether the incrementals take half of what their full set does.
func (c *chain) outgrown() bool {
	var size int64
	for _, set := range slices.Backward(c.sets) {
		if set.Kind == manifest.Full {
			return size > set.StoredSize()/2
		}
		size += set.StoredSize()
	}
	return false
}

// restore restores a set and compares the database with what was seen of the
// source.
func (c *chain) restore(set *manifest.Manifest, seen holdings, busy bool) {
	c.t.Helper()
	name := fmt.Sprintf("%s_%d", c.src.Config.Database, len(c.sets))
	defer oracle.Exec(c.t, oracle.WithDatabase(c.t, c.url, "postgres"), "DROP DATABASE IF EXISTS "+name)
	url := oracle.WithDatabase(c.t, c.url, name)
	plan, err := (&restore.Restorer{Sink: c.sink, Target: oracle.Config(c.t, url)}).Plan(c.t.Context(), set, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := plan.Apply(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	if d := seen.difference(contentOf(c.t, url)); d != "" {
		c.t.Errorf("%s restored: %s", set.ID, d)
	}
	if busy {
		return // sequences are no part of a snapshot
	}
	if d := readSequences(c.t, c.url).difference(readSequences(c.t, url)); d != "" {
		c.t.Errorf("%s restored: sequence %s", set.ID, d)
	}
	if d := oracle.Difference(schemaOf(c.t, c.url), schemaOf(c.t, url)); d != "" {
		c.t.Errorf("%s restored: its schema differs: %s", set.ID, d)
	}
}

// version is an attribute option that some vendors' servers count up on their
// own.
var version = regexp.MustCompile(`(?m)^ALTER TABLE .* SET \(pg_attver=\d+\);\n`)

func schemaOf(t *testing.T, url string) string {
	t.Helper()
	return version.ReplaceAllString(oracle.Dump(t, oracle.Client(t, 0), url, "--schema-only"), "")
}
