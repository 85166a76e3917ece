package retention_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

const day = 24 * time.Hour

// start is when tests begin: a Monday.
var start = time.Date(2025, 1, 6, 0, 0, 0, 0, time.UTC)

// rounds is how often something random is done: few times, or PGCOFRE_LONG.
func rounds(few, many int) int {
	if n, err := strconv.Atoi(os.Getenv("PGCOFRE_LONG")); err == nil && n > 1 {
		return n
	}
	if os.Getenv("PGCOFRE_LONG") != "" {
		return many
	}
	return few
}

// made is a set with all that belongs to it.
type made struct {
	*manifest.Manifest
	files map[string][]byte // by name within the set, the manifest included
}

// makeSet describes a small set of two objects. change may alter the manifest.
func makeSet(t testing.TB, kind manifest.Kind, source string, at time.Time, change ...func(*manifest.Manifest)) *made {
	t.Helper()
	m := &manifest.Manifest{
		Format: manifest.FormatVersion, ID: fmt.Sprintf("%s/%sZ-%s0", kind, at.UTC().Format("20060102T150405"), source), Source: source,
		Kind: kind, Scope: manifest.Whole, Purpose: manifest.Backup, Start: at, End: at.Add(time.Minute), DataTime: at, Producer: "test",
	}
	s := &made{files: map[string][]byte{"1.dat": []byte("rows of " + m.ID), "toc.dat": []byte("PGDMP")}}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		sum := sha256.Sum256(s.files[name])
		m.Objects = append(m.Objects, manifest.Object{Name: name, Size: int64(len(s.files[name])), SHA256: hex.EncodeToString(sum[:])})
	}
	for _, c := range change {
		c(m)
	}
	text, err := m.Encode()
	if err == nil {
		s.Manifest, err = manifest.Parse(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.files[manifest.Name] = text
	return s
}

// child has a set build on others.
func child(parents ...*made) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		for _, p := range parents {
			sum, _ := p.SHA256()
			m.Parents = append(m.Parents, manifest.Parent{ID: p.ID, SHA256: sum})
		}
	}
}

func refers(to *made) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Refs = append(m.Refs, manifest.Ref{Set: to.ID, Object: "1.dat"}) }
}

func suspect(m *manifest.Manifest) { m.Suspect = []string{"so small"} }
func part(m *manifest.Manifest)    { m.Scope = manifest.Part }
func safety(m *manifest.Manifest)  { m.Purpose = manifest.Safety }

func inCluster(system, name string) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Database = &manifest.Database{SystemID: system, Name: name, OID: 5, ServerVersion: 170000, LSN: "0/1", Snapshot: "1:1:"}
	}
}

// store puts the set below a prefix, the manifest last.
func (s *made) store(t testing.TB, sink remote.RemoteSink, prefix string) *made {
	t.Helper()
	for name, b := range s.files {
		if name != manifest.Name {
			put(t, sink, prefix+s.ID+"/"+name, b)
		}
	}
	put(t, sink, prefix+s.ID+"/"+manifest.Name, s.files[manifest.Name])
	return s
}

// tested returns a proof of a set.
func tested(t testing.TB, s *made, at time.Time, ok bool) *manifest.Proof {
	t.Helper()
	p, err := manifest.NewProof(s.Manifest, at)
	if err != nil {
		t.Fatal(err)
	}
	p.ID = fmt.Sprintf("integrity_tests/%sZ-%s0", at.UTC().Format("20060102T150405"), s.Source)
	p.Method, p.OK, p.End, p.Producer = manifest.Integrity, ok, at.Add(time.Minute).UTC(), "test"
	return p
}

func put(t testing.TB, sink remote.RemoteSink, name string, b []byte) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, bytes.NewReader(b), nil); err != nil {
		t.Fatal(err)
	}
}

func scan(t testing.TB, sink remote.RemoteSink) *manifest.Inventory {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{RunsSince: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// inventory is what a sink with these sets and proofs is found to hold.
func inventory(t testing.TB, things ...any) *manifest.Inventory {
	t.Helper()
	mem := remotetest.NewMem()
	for _, thing := range things {
		switch thing := thing.(type) {
		case *made:
			thing.store(t, mem, "")
		case *manifest.Proof:
			if err := thing.Put(t.Context(), mem, nil); err != nil {
				t.Fatal(err)
			}
		case manifest.Hold:
			if err := thing.Put(t.Context(), mem, nil); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("what is a %T?", thing)
		}
	}
	return scan(t, mem)
}

// names lists everything in a sink.
func names(t testing.TB, sink remote.RemoteSink) (list []string) {
	t.Helper()
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, obj.Name)
	}
	return list
}

func get(ctx context.Context, sink remote.RemoteSink, name string) ([]byte, error) {
	r, err := sink.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// checkWhole makes sure that whatever a sink lists is whole, byte for byte, and
// that what it needs is listed, unless it was missing before.
func checkWhole(ctx context.Context, sink remote.RemoteSink, missing map[string]bool) error {
	inv, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		return err
	}
	listed := map[string]bool{}
	for _, m := range inv.Sets {
		listed[m.ID] = true
	}
	var errs []error
	for _, m := range inv.Sets {
		for _, o := range m.Objects {
			b, err := get(ctx, sink, m.Path(o.Name))
			if sum := sha256.Sum256(b); err == nil && hex.EncodeToString(sum[:]) != o.SHA256 {
				err = errors.New("other bytes")
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s is listed, but its %s: %w", m.ID, o.Name, err))
			}
		}
		for _, id := range needed(m) {
			if !listed[id] && !missing[id] {
				errs = append(errs, fmt.Errorf("%s is listed, but %s, which it needs, is not", m.ID, id))
			}
		}
	}
	return errors.Join(errs...)
}

func needed(m *manifest.Manifest) (ids []string) {
	for _, p := range m.Parents {
		ids = append(ids, p.ID)
	}
	for _, r := range m.Refs {
		ids = append(ids, r.Set)
	}
	return ids
}

// short shortens the names of sets for people: "full/0106 incremental/0107".
func short(sets []*manifest.Manifest) string {
	var list []string
	for _, m := range sets {
		list = append(list, string(m.Kind)+"/"+m.Start.UTC().Format("0102"))
	}
	return strings.Join(list, " ")
}
