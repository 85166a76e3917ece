package manifest_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// Whoever may write to a sink must not be able to take all memory of those
// that scan it.
func TestParseTakesLittleMemory(t *testing.T) {
	repeat := func(field, one string, most int) []byte {
		head := `{"format": 1, "` + field + `": [`
		return []byte(head + strings.Repeat(one+",", (most-len(head)-len(one)-2)/(len(one)+1)) + one + "]}")
	}
	parse := map[string]func([]byte) error{
		"manifest": func(b []byte) error { _, err := manifest.Parse(b); return err },
		"contents": func(b []byte) error { _, err := manifest.ParseContents(b); return err },
	}
	for _, test := range []struct{ file, field, one string }{
		{"manifest", "objects", "{}"}, {"manifest", "parents", "{}"}, {"manifest", "suspect", `""`},
		{"manifest", "producer", "[]"}, {"contents", "tables", "{}"}, {"contents", "roles", `"\","`},
	} {
		b := repeat(test.field, test.one, manifest.MaxSize)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := parse[test.file](b)
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 4*manifest.MaxSize {
			t.Errorf("%s of many %s: allocated %d MiB, error %v", test.file, test.field, used>>20, err)
		}
	}
}

// Nor by many large objects at once, in the place of manifests or of records.
func TestScanTakesLittleMemory(t *testing.T) {
	const sets, size = 20, 8 << 20
	mem := remotetest.NewMem()
	var names []string
	for i := range sets {
		set := fmt.Sprintf("full/20240101T0000%02dZ-aaaa/", i)
		names = append(names, set+manifest.Name, set+manifest.SealName)
	}
	for i := range sets * size >> 20 {
		proof := fmt.Sprintf("integrity_tests/%03d.json", i)
		names = append(names, proof, proof+".sig")
	}
	for _, name := range names {
		if _, err := mem.Put(t.Context(), name, strings.NewReader("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	var before, now runtime.MemStats
	var most uint64
	runtime.GC()
	runtime.ReadMemStats(&before)
	sink := &remotetest.Faulty{RemoteSink: mem, OnGet: func(_ context.Context, name string, _ io.Reader) (io.Reader, error) {
		mu.Lock()
		defer mu.Unlock()
		runtime.GC()
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc-min(now.HeapAlloc, before.HeapAlloc))
		length := int64(ed25519.SignatureSize)
		switch {
		case strings.HasSuffix(name, "/manifest.json"):
			length = size
		case strings.HasSuffix(name, ".json"):
			length = 1 << 20
		}
		return io.LimitReader(blanks{}, length), nil
	}}
	inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{Trust: []ed25519.PublicKey{make([]byte, ed25519.PublicKeySize)}})
	if err != nil || len(inv.Damaged) != sets || len(inv.Refused) != sets*size>>20 {
		t.Fatalf("%v, %d sets damaged, %d records refused", err, len(inv.Damaged), len(inv.Refused))
	}
	if limit := uint64(sets * size * 2 / 3); most > limit {
		t.Errorf("Scan holds %d MiB, want at most %d", most>>20, limit>>20)
	}
}

// blanks is an endless reader.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// A manifest with very many parents is checked in a time in proportion.
func TestParseManyParents(t *testing.T) {
	m := sample()
	for i := range 100_000 {
		m.Parents = append(m.Parents, manifest.Parent{
			ID: fmt.Sprintf("full/20240101T000000Z-%08d", i), SHA256: strings.Repeat("0", 64),
		})
	}
	begun := time.Now()
	if _, err := manifest.Parse(encode(t, m)); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// What a sink lists twice is one set, and what it lists under a wrong name is
// told.
func TestScanOfLyingLists(t *testing.T) {
	mem := remotetest.NewMem()
	id := commit(t, mem, "app", 0, nil)
	sink := &remotetest.Faulty{RemoteSink: mem}
	list := func(names ...string) {
		sink.OnList = func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
			if prefix != "full/" {
				return objects
			}
			return func(yield func(remote.Object, error) bool) {
				for _, name := range names {
					if !yield(remote.Object{Name: name}, nil) {
						return
					}
				}
			}
		}
	}
	list(id+"/manifest.json", "full/x", id+"/toc.dat")
	if inv := scan(t, sink); !slices.Equal(ids(inv), []string{id}) {
		t.Errorf("out of order: %v", ids(inv))
	}
	for _, name := range []string{"", "a", "storage/20250808T020000Z-aaaa/toc.dat"} {
		list(name)
		if inv, err := manifest.Scan(t.Context(), sink, nil); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", name)) {
			t.Errorf("%q: %+v, %v", name, inv, err)
		}
	}
}

// A folder that cannot be looked into hides no other set, and is not passed over.
func TestScanUnlistableFolder(t *testing.T) {
	mem := remotetest.NewMem()
	good := commit(t, mem, "app", 0, nil)
	bad := "full/20250101T000000Z-aaaa"
	put(t, mem, bad+"/toc.dat", nil)
	for name, answer := range map[string]iter.Seq2[remote.Object, error]{
		"fails": func(yield func(remote.Object, error) bool) { yield(remote.Object{}, syscall.EIO) },
		"lists a manifest that cannot be had": func(yield func(remote.Object, error) bool) {
			yield(remote.Object{Name: bad + "/" + manifest.Name}, nil)
		},
	} {
		inv := scan(t, &remotetest.Faulty{RemoteSink: mem, OnList: func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
			if prefix == bad+"/" {
				return answer
			}
			return objects
		}})
		if !slices.Equal(ids(inv), []string{good}) || len(inv.Strays) > 0 || len(inv.Damaged) != 1 || inv.Damaged[0].ID != bad {
			t.Errorf("%s: sets %v, damaged %v, strays %v", name, ids(inv), inv.Damaged, inv.Strays)
		}
	}
}

// In a folder, what is no file in the manifest's place is no set, and holds
// nobody up.
func TestScanOfHostileFolder(t *testing.T) {
	path := t.TempDir()
	dir, err := remote.NewDir(path)
	if err != nil {
		t.Fatal(err)
	}
	good := commit(t, dir, "app", 0, nil)
	whole := filepath.Join(path, good, manifest.Name)
	places := map[string]func(name string) error{
		"full/20240101T000000Z-fifo": func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"full/20240101T000000Z-link": func(name string) error { return os.Symlink(whole, name) },
		"full/20240101T000000Z-loop": func(name string) error { return os.Symlink(manifest.Name, name) },
		"full/20240101T000000Z-out0": func(name string) error { return os.Symlink("/etc/passwd", name) },
		"full/20240101T000000Z-null": func(name string) error { return os.WriteFile(name, nil, 0o600) },
		"full/20240101T000000Z-huge": func(name string) error {
			return errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, 1<<40)) // takes no room
		},
	}
	for id, place := range places {
		put(t, dir, id+"/toc.dat", nil)
		if err := place(filepath.Join(path, id, manifest.Name)); err != nil {
			t.Fatal(err)
		}
	}
	folder := "full/20240101T000000Z-fold"
	put(t, dir, folder+"/"+manifest.Name+"/x", nil)

	inv := scan(t, dir)
	if !slices.Equal(ids(inv), []string{good}) || len(inv.Damaged) != len(places) || len(inv.Strays) != 1 || inv.Strays[0].ID != folder {
		t.Errorf("sets %v, damaged %v, strays %v", ids(inv), inv.Damaged, inv.Strays)
	}
}

// One folder of a sink that may not be read does not hide the others.
func TestScanForbiddenFolder(t *testing.T) {
	mem := remotetest.NewMem()
	good, bad := commit(t, mem, "app", 0, nil), commit(t, mem, "app", 1, nil)
	sink := &remotetest.Faulty{RemoteSink: mem}
	forbidden := fmt.Errorf("reading %s: %w", bad, fs.ErrPermission)
	sink.OnGet = func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if strings.HasPrefix(name, bad) {
			return nil, forbidden
		}
		return r, nil
	}
	sink.OnList = func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
		if strings.HasPrefix(prefix, bad) {
			return func(yield func(remote.Object, error) bool) { yield(remote.Object{}, forbidden) }
		}
		return objects
	}
	inv := scan(t, sink)
	if !slices.Equal(ids(inv), []string{good}) || len(inv.Damaged) != 1 || !errors.Is(inv.Damaged[0].Err, fs.ErrPermission) {
		t.Errorf("sets %v, damaged %v", ids(inv), inv.Damaged)
	}
}
