package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// fault is what happens between us and a store.
type fault struct {
	name     string
	events   []event
	midway   bool          // their time begins when the first MiB was taken, not with the backup
	deadline time.Duration // 0: such that only a backup that hangs meets it
	want     outcome
}

// event is a part of a fault. One that happens at once has happened before the
// backup goes on.
type event struct {
	at   time.Duration
	what string
	do   func(p *oracle.Toxiproxy)
}

// outcome is what a backup may come to.
type outcome int

const (
	either outcome = iota // succeed or fail
	succeeds
	fails
)

func toxic(kind, stream string, attributes map[string]any) event {
	return event{what: fmt.Sprint(kind, " ", stream, " ", attributes), do: func(p *oracle.Toxiproxy) { p.Toxic(kind, stream, attributes) }}
}

var (
	down  = event{what: "down", do: (*oracle.Toxiproxy).Down}
	again = event{what: "fine again", do: func(p *oracle.Toxiproxy) { p.Clear(); p.Up() }}
)

func (e event) after(d time.Duration) event {
	e.at = d
	return e
}

// faults are those that every kind of store is shown.
var faults = []fault{
	{name: "latency", events: []event{toxic("latency", "downstream", map[string]any{"latency": 200})}, want: succeeds},
	{name: "bandwidth", events: []event{toxic("bandwidth", "upstream", map[string]any{"rate": 1000})}, want: succeeds},
	{name: "closed after so many bytes sent", events: []event{toxic("limit_data", "upstream", map[string]any{"bytes": 1_500_000})}, deadline: 2 * time.Second},
	{name: "closed after so many bytes received", events: []event{toxic("limit_data", "downstream", map[string]any{"bytes": 6000})}, want: succeeds},
	{name: "reset again and again", events: []event{toxic("reset_peer", "downstream", map[string]any{"timeout": 100})}, deadline: 2 * time.Second},
	{name: "dies and comes back", midway: true, events: []event{down, again.after(time.Second)}, want: succeeds},
	{name: "dies", midway: true, events: []event{down}, deadline: 2 * time.Second, want: fails},
	{name: "falls silent", midway: true, events: []event{toxic("timeout", "upstream", map[string]any{"timeout": 0})}, deadline: 2 * time.Second, want: fails},
}

// cleanup is how long a backup may take beyond its deadline: ten seconds for
// what was half-uploaded to S3, then five for what was stored.
const cleanup = 16 * time.Second

// TestFaults: whatever happens between us and a store, a backup succeeds or
// fails in time, hangs nowhere, leaves nothing running, and what is listed in
// the store is whole. Every kind of store is shown the faults above, and then
// random sequences of them: PGCOFRE_SEED repeats those of another run.
func TestFaults(t *testing.T) {
	seed, random := rand.Uint64(), 8
	if os.Getenv("PGCOFRE_LONG") != "" {
		random = 100
	}
	if given := os.Getenv("PGCOFRE_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("PGCOFRE_SEED=%d", seed)
	g, all := newGround(t), clouds(t)
	for _, c := range all {
		c.set("part_size", "5242880") // so that there are some parts
		for _, f := range faults {
			g.add(t, c, f)
		}
	}
	for i := range random {
		g.add(t, all[i%len(all)], weather(rand.New(rand.NewPCG(seed, uint64(i)))))
	}
	g.run(t)
}

// weather is a random sequence of faults on a slow line.
func weather(r *rand.Rand) fault {
	within := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))).Round(time.Millisecond) }
	f := fault{
		deadline: 2*time.Second + within(5*time.Second),
		events:   []event{toxic("latency", "downstream", map[string]any{"latency": 20 + r.IntN(60)})},
	}
	for range 1 + r.IntN(4) {
		stream := []string{"upstream", "downstream"}[r.IntN(2)]
		var e event
		switch r.IntN(6) {
		case 0:
			e = toxic("latency", stream, map[string]any{"latency": r.IntN(300), "jitter": r.IntN(100)})
		case 1:
			e = toxic("bandwidth", stream, map[string]any{"rate": 500 + r.IntN(5000)})
		case 2:
			e = toxic("limit_data", stream, map[string]any{"bytes": 100 + r.IntN(3_000_000)>>r.IntN(12)})
		case 3:
			e = toxic("reset_peer", stream, map[string]any{"timeout": r.IntN(500)})
		case 4:
			e = toxic("timeout", stream, map[string]any{"timeout": 0})
		case 5:
			e = down
		}
		f.events = append(f.events, e.after(within(1500*time.Millisecond)))
	}
	if r.IntN(4) > 0 {
		f.events = append(f.events, again.after(within(3*time.Second)))
	}
	slices.SortStableFunc(f.events, func(a, b event) int { return int(a.at - b.at) })
	for _, e := range f.events {
		f.name += fmt.Sprintf("%v %s, ", e.at, e.what)
	}
	f.name += fmt.Sprint("deadline ", f.deadline)
	return f
}

// ground is where faulty backups are made, several at a time.
type ground struct {
	sources chan string // databases that nobody backs up just now
	trials  []*trial
}

// newGround makes the databases.
func newGround(t *testing.T) *ground {
	t.Helper()
	const concurrent = 16
	g := &ground{sources: make(chan string, concurrent)}
	for range concurrent {
		g.sources <- oracle.Database(t, oracle.Server(t, 15), noise)
	}
	return g
}

// noise are some 7 MB that no compressor makes smaller.
const noise = `
	CREATE TABLE noise (id int PRIMARY KEY, b bytea);
	INSERT INTO noise SELECT i, sha512(('a' || i)::bytea) || sha512(('b' || i)::bytea) || sha512(('c' || i)::bytea) || sha512(('d' || i)::bytea)
		FROM generate_series(1, 13000) AS i;
	CREATE TABLE less AS SELECT * FROM noise WHERE id < 1500;
	CREATE TABLE little AS SELECT * FROM noise WHERE id < 100`

// trial is one backup through a proxy.
type trial struct {
	fault
	proxy           *oracle.Toxiproxy
	through, direct remote.RemoteSink // the same place, with and without the proxy
}

func (g *ground) add(t *testing.T, c *cloud, f fault) {
	t.Helper()
	f.name = c.name + ": " + f.name
	prefix := strconv.Itoa(len(g.trials))
	p := oracle.Proxy(t, c.addr)
	g.trials = append(g.trials, &trial{f, p, c.sink(t, p.Addr, prefix), c.sink(t, c.addr, prefix)})
}

// run makes the backups, and looks that nothing of them is left running.
func (g *ground) run(t *testing.T) {
	t.Helper()
	before := goroutines()
	var wg sync.WaitGroup
	for _, tr := range g.trials {
		wg.Go(func() {
			source := <-g.sources
			defer func() { g.sources <- source }()
			t.Run(tr.name, func(t *testing.T) { tr.run(t, source) })
		})
	}
	wg.Wait()
	var left []string
	defer func() {
		for _, stack := range left {
			t.Log(stack)
		}
	}()
	oracle.Await(t, "no goroutine is left", func() bool {
		left = left[:0]
		for id, stack := range goroutines() {
			if _, old := before[id]; !old {
				left = append(left, stack)
			}
		}
		return len(left) == 0
	})
}

var goroutineID = regexp.MustCompile(`^goroutine \d+`)

// goroutines are the stacks of all goroutines but those of idle connections and
// of this one.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for n := runtime.Stack(buf, true); n == len(buf); n = runtime.Stack(buf, true) {
		buf = make([]byte, 2*len(buf))
	}
	all := map[string]string{}
	for i, stack := range strings.Split(string(bytes.TrimRight(buf, "\x00")), "\n\n") {
		if i > 0 && !strings.Contains(stack, "net/http.(*persistConn)") {
			all[goroutineID.FindString(stack)] = stack
		}
	}
	return all
}

func (tr *trial) run(t *testing.T, source string) {
	deadline := tr.deadline
	if deadline == 0 {
		deadline = time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	var playing sync.WaitGroup
	defer playing.Wait()
	defer cancel()
	play := sync.OnceFunc(func() { tr.play(ctx, &playing) })
	sink := tr.through
	if tr.midway {
		sink = atMiB(sink, play)
	} else {
		play()
	}
	start := time.Now()
	res, err := backup.Run(ctx, sink, &backup.Dumper{Config: oracle.Config(t, source), Jobs: 2}, nil)
	took := time.Since(start)
	t.Logf("%v: %v", took.Round(time.Millisecond), err)
	switch {
	case took > deadline+cleanup:
		t.Errorf("it took %v, %v were allowed", took, deadline)
	case tr.want == succeeds && err != nil:
		t.Error("it failed")
	case tr.want == fails && err == nil:
		t.Error("it succeeded")
	}
	awaitNoBackend(t, source)
	tr.judge(t, res, err)
}

// play makes the events happen until ctx is done: those at once in this call,
// the others later.
func (tr *trial) play(ctx context.Context, playing *sync.WaitGroup) {
	start, later := time.Now(), 0
	for ; later < len(tr.events) && tr.events[later].at == 0; later++ {
		tr.events[later].do(tr.proxy)
	}
	playing.Go(func() {
		for _, e := range tr.events[later:] {
			select {
			case <-time.After(time.Until(start.Add(e.at))):
				e.do(tr.proxy)
			case <-ctx.Done():
				return
			}
		}
	})
}

// judge looks at what the store lists after a backup.
func (tr *trial) judge(t *testing.T, res *backup.Result, err error) {
	inventory, scanErr := manifest.Scan(t.Context(), tr.direct, nil)
	if scanErr != nil {
		t.Fatal(scanErr)
	}
	if len(inventory.Damaged) > 0 {
		t.Errorf("damaged sets: %v", inventory.Damaged)
	}
	switch {
	case err == nil && (len(inventory.Sets) != 1 || inventory.Sets[0].ID != res.ID):
		t.Errorf("a backup succeeded, %d sets are listed", len(inventory.Sets))
	case err != nil && len(inventory.Sets) > 0 && !strings.Contains(err.Error(), "may be listed"):
		t.Errorf("a backup failed, its set is listed")
	}
	for _, set := range inventory.Sets {
		intact(t, tr.direct, set)
	}
}

// atMiB calls do, again and again, from when the sink took a MiB.
func atMiB(sink remote.RemoteSink, do func()) remote.RemoteSink {
	var taken atomic.Int64
	return &remotetest.Faulty{RemoteSink: sink, OnPut: func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
		return io.TeeReader(r, writerFunc(func(p []byte) {
			if taken.Add(int64(len(p))) > 1<<20 {
				do()
			}
		})), nil
	}}
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
