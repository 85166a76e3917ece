package manifest_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// asked is a sink that counts what it is asked for.
type asked struct {
	*remotetest.Mem
	gets, stats, months atomic.Int64
	unversioned         bool
}

func (a *asked) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	a.gets.Add(1)
	return a.Mem.Get(ctx, name)
}

func (a *asked) Stat(ctx context.Context, name string) (remote.Object, error) {
	a.stats.Add(1)
	obj, err := a.Mem.Stat(ctx, name)
	if a.unversioned {
		obj.Version = ""
	}
	return obj, err
}

func (a *asked) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	if strings.HasSuffix(prefix, "/202508") {
		a.months.Add(1)
	}
	return func(yield func(remote.Object, error) bool) {
		for obj, err := range a.Mem.List(ctx, prefix) {
			if a.unversioned {
				obj.Version = ""
			}
			if !yield(obj, err) {
				return
			}
		}
	}
}

func (a *asked) reset() { a.gets.Store(0); a.stats.Store(0); a.months.Store(0) }

// furnished is a sink with sets, sealed if there is a key, and a record of each
// sort.
func furnished(t testing.TB, sets int, key ed25519.PrivateKey) *asked {
	t.Helper()
	sink := &asked{Mem: remotetest.NewMem()}
	for i := range sets {
		id := commit(t, sink, "app", 0, func(m *manifest.Manifest) {
			m.ID = manifest.NewID(manifest.Full, start.Add(time.Duration(i)*time.Minute))
		})
		if key != nil {
			seal(t, sink, id, key)
		}
	}
	set := scan(t, sink).Sets[0]
	prove(t, sink, set, start, true, key)
	ran(t, sink, "app", start, manifest.Done, key)
	h := manifest.Hold{Set: set.ID, Reason: "x", Since: start}
	var err error
	if key == nil {
		err = h.Put(t.Context(), sink, nil)
	} else {
		err = h.Put(t.Context(), sink, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	sink.reset()
	return sink
}

// cachedScan fails the test unless a scan with the cache finds what one without
// does.
func cachedScan(t testing.TB, sink remote.RemoteSink, folder string, trust ...ed25519.PublicKey) {
	t.Helper()
	got, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{RunsSince: time.Unix(0, 0), Trust: trust, Cache: folder})
	if err != nil {
		t.Fatal(err)
	}
	if a, ok := sink.(*asked); ok {
		sink = a.Mem // which counts nothing
	}
	if want := scanAll(t, sink, trust...); !reflect.DeepEqual(got, want) {
		t.Errorf("with the cache %d sets, %d damaged, %d strays, %d holds, %d proofs, %d runs, %d refused; without\n%+v", len(got.Sets), len(got.Damaged),
			len(got.Strays), len(got.Holds), len(got.Proofs), len(got.Runs), len(got.Refused), want)
	}
}

// entries are the files of a cache, by path.
func entries(t testing.TB, folder string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// What did not change is not read again, nor is each manifest asked for where
// a listing tells of many; what changed is.
func TestCache(t *testing.T) {
	public, private := newKey(t)
	for name, test := range map[string]struct {
		sets  int
		key   ed25519.PrivateKey
		trust []ed25519.PublicKey
		gets  int64 // of the first scan
		stats int64 // of the second
		month int64 // listings of the month
	}{
		"few":            {5, nil, nil, 8, 5, 0},
		"many":           {50, nil, nil, 53, 0, 1},
		"many and seals": {50, private, []ed25519.PublicKey{public}, 106, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			sink, folder := furnished(t, test.sets, test.key), filepath.Join(t.TempDir(), "cache")
			cachedScan(t, sink, folder, test.trust...)
			if got := sink.gets.Load(); got != test.gets {
				t.Errorf("%d objects were read at first, want %d", got, test.gets)
			}
			sink.reset()
			cachedScan(t, sink, folder, test.trust...)
			if sink.gets.Load() != 0 || sink.stats.Load() != test.stats || sink.months.Load() != test.month {
				t.Errorf("then %d were read, %d asked for, %d months listed", sink.gets.Load(), sink.stats.Load(), sink.months.Load())
			}

			set := scan(t, sink.Mem).Sets[1]
			text := bytes.Replace(get(t, sink.Mem, set.Path(manifest.Name)), []byte(`"test"`), []byte(`"tost"`), 1)
			put(t, sink, set.Path(manifest.Name), text) // of the same size
			if test.key != nil {
				seal(t, sink, set.ID, test.key)
			}
			added := commit(t, sink, "blog", 40, nil)
			if test.key != nil {
				seal(t, sink, added, test.key)
			}
			ran(t, sink, "app", start.Add(time.Hour), manifest.Failed, test.key)
			sink.reset()
			cachedScan(t, sink, folder, test.trust...)
			if got, want := sink.gets.Load(), int64(3*(1+len(test.trust))); got != want {
				t.Errorf("%d objects were read after three had changed", got)
			}

			files := len(entries(t, folder))
			if err := sink.Delete(t.Context(), set.Path(manifest.Name)); err != nil {
				t.Fatal(err)
			}
			for _, object := range []string{"toc.dat", manifest.SealName} {
				if err := sink.Delete(t.Context(), set.Path(object)); err != nil {
					t.Fatal(err)
				}
			}
			cachedScan(t, sink, folder, test.trust...)
			if got := len(entries(t, folder)); got != files-1 {
				t.Errorf("of %d entries %d are left, when one set is gone", files, got)
			}
		})
	}
}

// Whatever the files of the cache hold, the scan finds what the sink holds.
func TestCacheAltered(t *testing.T) {
	random := rand.New(rand.NewPCG(20250808, 11))
	sink, folder := furnished(t, 20, nil), t.TempDir()
	for range 60 {
		cachedScan(t, sink, folder)
		files := entries(t, folder)
		for _, path := range files {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			switch random.IntN(5) {
			case 0:
				b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			case 1:
				b = b[:random.IntN(len(b))]
			case 2: // that of another object
				if b, err = os.ReadFile(files[random.IntN(len(files))]); err != nil {
					t.Fatal(err)
				}
			case 3:
				b = append(b, b...)
			case 4:
				continue
			}
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		sink.reset()
	}
	cachedScan(t, sink, folder)
	sink.reset()
	if cachedScan(t, sink, folder); sink.gets.Load() > 0 {
		t.Errorf("what was altered was not mended: %d were read", sink.gets.Load())
	}
}

// Who can write to the cache has no seal.
func TestCacheForged(t *testing.T) {
	public, private := newKey(t)
	sink, folder := furnished(t, 3, private), t.TempDir()
	cachedScan(t, sink, folder) // without seals
	cachedScan(t, sink, folder, public)
	for _, path := range entries(t, folder) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := bytes.Cut(b, []byte("\n"))
		rest = bytes.ReplaceAll(rest, []byte(`"source": "app"`), []byte(`"source": "bad"`))
		sum := sha256.Sum256(rest)
		if err := os.WriteFile(path, append([]byte(hex.EncodeToString(sum[:])+"\n"), rest...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sink.reset()
	cachedScan(t, sink, folder, public)
	if sink.gets.Load() != 2*4 { // three manifests and a run have a source
		t.Errorf("%d objects were read", sink.gets.Load())
	}
}

// Two sinks, of one name and with sets of one name, do not meet in a cache.
func TestCacheOfTwoSinks(t *testing.T) {
	folder := t.TempDir()
	var sinks []*asked
	for _, source := range []string{"app", "ape"} {
		sink := &asked{Mem: remotetest.NewMem()}
		for day := range 3 {
			commit(t, sink, source, day, nil)
		}
		sinks = append(sinks, sink)
	}
	for range 3 {
		for _, sink := range sinks {
			cachedScan(t, sink, folder)
		}
	}
}

// A sink that tells no versions is read each time, and nothing is kept of it;
// what goes wrong with the cache does not keep it from being read.
func TestCacheUnused(t *testing.T) {
	sink, folder := furnished(t, 30, nil), t.TempDir()
	sink.unversioned = true
	for range 2 {
		sink.reset()
		if cachedScan(t, sink, folder); sink.gets.Load() != 33 {
			t.Errorf("%d objects were read", sink.gets.Load())
		}
	}
	if files := entries(t, folder); len(files) > 0 {
		t.Errorf("the cache holds %v", files)
	}
	sink.unversioned = false
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cachedScan(t, sink, file)
	if b, err := os.ReadFile(file); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// Several scans share a cache while the sink changes, and leave what is not
// theirs alone.
func TestCacheTogether(t *testing.T) {
	sink, folder := furnished(t, 40, nil), t.TempDir()
	cachedScan(t, sink, folder)
	theirs := filepath.Join(filepath.Dir(entries(t, folder)[0]), "notes.txt")
	if err := os.WriteFile(theirs, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var scans sync.WaitGroup
	for range 4 {
		scans.Go(func() {
			for range 20 {
				inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{Cache: folder})
				if err != nil || len(inv.Sets) < 40 || len(inv.Damaged) > 0 {
					t.Errorf("%d sets, damaged %v, %v", len(inv.Sets), inv.Damaged, err)
				}
			}
		})
	}
	for day := range 20 {
		commit(t, sink, "blog", day, nil)
	}
	scans.Wait()
	cachedScan(t, sink, folder)
	files := entries(t, folder)
	if !slices.Contains(files, theirs) || slices.ContainsFunc(files, func(f string) bool { return strings.Contains(f, "new-") }) {
		t.Errorf("the cache holds %v", files)
	}
}
