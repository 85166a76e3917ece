package restore_test

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// counted is a sink that counts what is read of each set.
type counted struct {
	*remote.Dir
	mu   sync.Mutex
	read map[string]int64
}

func (c *counted) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := c.Dir.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	return &countedReader{r, c, strings.Join(strings.Split(name, "/")[:2], "/")}, nil
}

type countedReader struct {
	io.ReadCloser
	sink *counted
	set  string
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.sink.mu.Lock()
	defer c.sink.mu.Unlock()
	c.sink.read[c.set] += int64(n)
	return n, err
}

// TestChainPlan: the plan shows the chain, and what it says is read of each set
// is what is read of it.
func TestChainPlan(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 18)
	source, sink := settled(t, srv, large+"; SELECT lo_from_bytea(77, 'a large object')"), &counted{Dir: folder(t), read: map[string]int64{}}
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, source), RangeSize: 64 << 10}, Prove: true}
	sets := takeBetween(t, sink, src, source,
		"UPDATE big SET v = 'changed' WHERE id % 100 = 0; DELETE FROM child WHERE id % 700 = 0",
		"DELETE FROM big WHERE id % 300 = 0 AND id > 4000; INSERT INTO hashed VALUES (0, 'red')",
		"SELECT")
	target := newName(t, srv)
	p := plan(t, sink, sets[2], target, nil)
	clear(sink.read)
	if _, err := p.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	read := maps.Clone(sink.read)
	same(t, sink, sets[2], target, nil)
	text := planText(t, p)
	var total int64
	for i, l := range p.Chain {
		if l.Set != sets[i].ID || l.Kind != sets[i].Kind || !l.DataTime.Equal(sets[i].DataTime) {
			t.Errorf("link %d is %+v, the set %s", i, l, sets[i].ID)
		}
		if got := read[l.Set]; got != l.ReadBytes {
			t.Errorf("%d bytes of %s were read, the plan says %d", got, l.Set, l.ReadBytes)
		}
		if l.ReadBytes == 0 || !strings.Contains(text, l.Set) {
			t.Errorf("the plan does not show %+v: %s", l, text)
		}
		total += l.ReadBytes
	}
	if len(p.Chain) != 3 || p.ReadBytes != total {
		t.Errorf("%d links, %d bytes to read, those of the links are %d", len(p.Chain), p.ReadBytes, total)
	}
}

// TestChainInPlace restores a chain over a damaged database, encrypted and from
// below the folders of months, and rolls that back.
func TestChainInPlace(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 15), oracle.Client(t, 15)
	source, sink := settled(t, srv, chained), folder(t)
	id, state := x25519(t), x25519(t)
	opts := &backup.Options{Recipients: []age.Recipient{id.Recipient()}, StateKey: state}
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, source)}}
	var set *manifest.Manifest
	for _, change := range []string{
		"UPDATE pessoas SET nome = 'outro' WHERE id % 7 = 0; DELETE FROM tarefas WHERE pessoa % 5 = 0",
		"DELETE FROM pessoas WHERE id > 2900; INSERT INTO valores VALUES (-1, 'novo')",
	} {
		res, err := backup.Run(t.Context(), sink, src, opts)
		if err != nil {
			t.Fatal(err)
		}
		set = res.Manifest
		oracle.Exec(t, source, change)
	}
	oracle.Exec(t, source, "INSERT INTO pessoas (nome) VALUES ('depois')")
	if set.Kind != manifest.Incremental {
		t.Fatalf("%s is no incremental", set.ID)
	}
	month := filepath.Join(sink.String(), "2025", "08")
	if err := os.MkdirAll(month, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(sink.String(), "full"), filepath.Join(month, "full")); err != nil {
		t.Fatal(err)
	}
	target := damaged(t, srv, source, "DROP TABLE valores; TRUNCATE pessoas CASCADE; UPDATE cores SET extra = 'x'")
	before := content(t, tools, target)
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Identities: []age.Identity{id}, SafetyOptions: &backup.Options{Recipients: opts.Recipients}}
	p, err := r.Plan(t.Context(), set, inPlace())
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fresh := newName(t, srv)
	r.Target = oracle.Config(t, fresh)
	if p, err = r.Plan(t.Context(), set, nil); err != nil {
		t.Fatal(err)
	}
	if _, err = p.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := oracle.Difference(content(t, tools, fresh), content(t, tools, target)); diff != "" {
		t.Errorf("in place it comes to something else: %s", diff)
	}
	r.Target = oracle.Config(t, target)
	if p, err = r.PlanRollback(t.Context(), find(t, sink, res.Safety), inPlace()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
		t.Errorf("the rollback did not bring back what was there: %s", diff)
	}
}

// takeBetween takes a backup before each change of the database.
func takeBetween(t *testing.T, sink remote.RemoteSink, src backup.Source, url string, changes ...string) (sets []*manifest.Manifest) {
	t.Helper()
	for _, change := range changes {
		res, err := backup.Run(t.Context(), sink, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, res.Manifest)
		oracle.Exec(t, url, change)
	}
	return sets
}
