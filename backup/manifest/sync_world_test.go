package manifest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// made is a set as it should be: what its manifest lists, and the manifest.
type made struct {
	*manifest.Manifest
	files map[string][]byte // by name within the set, seal and manifest included
}

// makeSet describes a set with the given objects.
func makeSet(t testing.TB, kind manifest.Kind, source string, at time.Time, objects map[string][]byte, change func(*manifest.Manifest)) *made {
	t.Helper()
	m := &manifest.Manifest{
		Format: manifest.FormatVersion, ID: fmt.Sprintf("%s/%sZ-%s0", kind, at.Format("20060102T150405"), source), Source: source,
		Kind: kind, Scope: manifest.Whole, Purpose: manifest.Backup, Start: at, End: at, DataTime: at, Producer: "test",
	}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		sum := sha256.Sum256(objects[name])
		m.Objects = append(m.Objects, manifest.Object{Name: name, Size: int64(len(objects[name])), SHA256: hex.EncodeToString(sum[:])})
	}
	if change != nil {
		change(m)
	}
	files := maps.Clone(objects)
	files[manifest.Name] = encode(t, m)
	m, err := manifest.Parse(files[manifest.Name])
	if err != nil {
		t.Fatal(err)
	}
	return &made{m, files}
}

// makeFull describes a small full set, started so many days after start.
func makeFull(t testing.TB, source string, day int, change func(*manifest.Manifest)) *made {
	t.Helper()
	return makeSet(t, manifest.Full, source, start.AddDate(0, 0, day), map[string][]byte{
		"toc.dat": []byte("PGDMP"), "1.dat": fmt.Appendf(nil, "rows of %s on day %d", source, day),
	}, change)
}

// child returns a change that makes a set build on others.
func child(parents ...*made) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		for _, p := range parents {
			sum, _ := p.SHA256()
			m.Parents = append(m.Parents, manifest.Parent{ID: p.ID, SHA256: sum})
		}
	}
}

func (s *made) seal(t testing.TB, key ed25519.PrivateKey) *made {
	t.Helper()
	sig, err := manifest.Sign(key, s.files[manifest.Name])
	if err != nil {
		t.Fatal(err)
	}
	s.files[manifest.SealName] = sig
	return s
}

// store puts the set below a prefix.
func (s *made) store(t testing.TB, sink remote.RemoteSink, prefix string) {
	t.Helper()
	for name, content := range s.files {
		put(t, sink, prefix+s.ID+"/"+name, content)
	}
}

// content is everything in a sink.
func content(t testing.TB, sink remote.RemoteSink) map[string]string {
	t.Helper()
	all := map[string]string{}
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		all[obj.Name] = string(get(t, sink, obj.Name))
	}
	return all
}

// whole tells whether a set in a sink is listed by a manifest that can be
// read, and then if it has all that this says.
func whole(ctx context.Context, sink remote.RemoteSink, path string) (listed bool, err error) {
	read := func(name string) ([]byte, error) {
		r, err := sink.Get(ctx, path+"/"+name)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	text, err := read(manifest.Name)
	if err != nil {
		return false, nil
	}
	m, err := manifest.Parse(text)
	if err != nil || !strings.HasSuffix(path, m.ID) {
		return false, nil
	}
	for _, o := range m.Objects {
		b, err := read(o.Name)
		if sum := sha256.Sum256(b); err == nil && hex.EncodeToString(sum[:]) != o.SHA256 {
			err = errors.New("other bytes")
		}
		if err != nil {
			return true, fmt.Errorf("%s is listed, but its %s: %w", path, o.Name, err)
		}
	}
	return true, nil
}

// folder is the path of the set that an object belongs to.
func folder(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		if i > 0 && manifest.CheckID(strings.Join(parts[i-1:i+1], "/")) == nil {
			return strings.Join(parts[:i+1], "/")
		}
	}
	return ""
}

// sameSets makes sure that what a sink lists is these sets, byte for byte.
func sameSets(t testing.TB, sink remote.RemoteSink, want []*made) {
	t.Helper()
	inv := scan(t, sink)
	found := map[string]*manifest.Manifest{}
	for _, m := range inv.Sets {
		found[m.ID] = m
	}
	for _, w := range want {
		m := found[w.ID]
		if m == nil {
			t.Errorf("%s is not there", w.ID)
			continue
		}
		delete(found, w.ID)
		for name, b := range w.files {
			if got := get(t, sink, m.Path(name)); !bytes.Equal(got, b) {
				t.Errorf("%s differs", m.Path(name))
			}
		}
		if _, err := remote.Stat(t.Context(), sink, m.Path(manifest.SealName)); w.files[manifest.SealName] == nil && err == nil {
			t.Errorf("%s has a seal", w.ID)
		}
	}
	for id := range found {
		t.Errorf("%s is there", id)
	}
}

// world is a source and a destination, made from a seed.
type world struct {
	good  []*made // at the source
	bad   []*made // at the source, damaged there
	alone []*made // at the destination only
}

// damages are what can be wrong with a set.
var damages = []func(t testing.TB, sink remote.RemoteSink, path string, s *made){
	func(t testing.TB, sink remote.RemoteSink, path string, s *made) { // an object is missing
		if err := sink.Delete(t.Context(), path+"/"+s.Objects[0].Name); err != nil {
			t.Fatal(err)
		}
	},
	func(t testing.TB, sink remote.RemoteSink, path string, s *made) { // or cut short
		o := s.Objects[len(s.Objects)-1]
		put(t, sink, path+"/"+o.Name, s.files[o.Name][:o.Size/2])
	},
	func(t testing.TB, sink remote.RemoteSink, path string, s *made) { // or the manifest is
		put(t, sink, path+"/"+manifest.Name, s.files[manifest.Name][:100])
	},
	func(t testing.TB, sink remote.RemoteSink, path string, s *made) { // or one bit differs
		o := s.Objects[0]
		b := bytes.Clone(s.files[o.Name])
		b[o.Size/2] ^= 4
		put(t, sink, path+"/"+o.Name, b)
	},
}

// newWorld fills two empty sinks. Some sets are damaged at the source; the
// destination has some of the sets, whole, in part or altered, and others.
// Whatever is wrong there shows to Sync, with Checksum or without.
func newWorld(t testing.TB, random *rand.Rand, from, to remote.RemoteSink, checksum bool) *world {
	t.Helper()
	w := new(world)
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	chain := map[string][]*made{}
	for i := range 6 + random.IntN(10) {
		source := []string{"app1", "blog", "files"}[random.IntN(3)]
		objects := map[string][]byte{}
		for n := range 1 + random.IntN(5) {
			b := make([]byte, 1+random.IntN(3000))
			for j := range b {
				b[j] = byte(random.Uint32())
			}
			objects[[]string{"toc.dat", "a.dat", "exports/a.csv", "z.dat", "y.dat"}[n]] = b
		}
		kind, change := manifest.Full, func(*manifest.Manifest) {}
		switch before := chain[source]; {
		case source == "files":
			kind = manifest.Storage
			if len(before) > 0 && random.IntN(2) == 0 {
				last := before[len(before)-1]
				change = func(m *manifest.Manifest) {
					m.Refs = []manifest.Ref{{Set: last.ID, Object: last.Objects[0].Name}}
				}
			}
		case len(before) > 0 && random.IntN(3) > 0:
			kind, change = manifest.Incremental, child(before[len(before)-1])
		}
		s := makeSet(t, kind, source, start.AddDate(0, 0, 9*i), objects, change)
		if random.IntN(3) == 0 {
			s.seal(t, key)
		}
		chain[source] = append(chain[source], s)
		w.place(t, random, s, from, to, checksum)
	}
	put(t, to, "readme.txt", []byte("not ours"))
	put(t, to, "full/old/dump.sql", []byte("nor this"))
	put(t, from, "incremental/20250101T000000Z-gone/toc.dat", []byte("a run that died"))
	return w
}

func (w *world) place(t testing.TB, random *rand.Rand, s *made, from, to remote.RemoteSink, checksum bool) {
	t.Helper()
	prefix := []string{"", s.Start.Format("2006/01/")}[random.IntN(2)]
	switch random.IntN(9) {
	case 0: // never anything but damaged
		s.store(t, from, "")
		damages[random.IntN(len(damages))](t, from, s.ID, s)
		w.bad = append(w.bad, s)
		return
	case 1:
		s.store(t, to, prefix)
		w.alone = append(w.alone, s)
		return
	case 2:
		s.store(t, to, prefix)
	case 3, 4: // damaged at the destination
		s.store(t, to, prefix)
		n := len(damages)
		if !checksum {
			n-- // the last shows to those only who read all
		}
		damages[random.IntN(n)](t, to, prefix+s.ID, s)
	case 5: // another set of the same name
		other := makeSet(t, s.Kind, s.Source, s.Start, map[string][]byte{"toc.dat": []byte("other"), "extra": nil}, func(m *manifest.Manifest) {
			m.Parents, m.Producer = s.Parents, "another"
		})
		other.store(t, to, prefix)
		put(t, to, prefix+s.ID+"/"+manifest.SealName, make([]byte, 64))
	case 6: // begun, with bytes that are not right
		for name, b := range s.files {
			if name == manifest.Name || random.IntN(2) == 0 {
				continue
			}
			if random.IntN(3) == 0 {
				b = make([]byte, len(b))
			}
			put(t, to, prefix+s.ID+"/"+name, b)
		}
	}
	s.store(t, from, "")
	w.good = append(w.good, s)
}
