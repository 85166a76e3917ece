package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// objectsSource puts some objects of a few bytes each.
type objectsSource struct {
	name    string
	objects int
	folder  string // in the set, with its slash; "" for none
}

func (s objectsSource) SourceName() string { return s.name }

func (s objectsSource) Backup(ctx context.Context, w *backup.Writer) error {
	if err := w.Begin(manifest.Storage); err != nil {
		return err
	}
	for i := range s.objects {
		_, err := w.Put(ctx, fmt.Sprintf("%s%d.dat", s.folder, i), func(out io.Writer) error {
			_, err := fmt.Fprintf(out, "object %d", i)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// left is what a sink holds but records of runs, by name within its set.
func left(t *testing.T, sink remote.RemoteSink) (names []string) {
	t.Helper()
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if !isRecord(obj.Name) {
			names = append(names, obj.Name[strings.LastIndex(obj.Name, "/")+1:])
		}
	}
	return names
}

func isManifest(name string) bool { return strings.HasSuffix(name, "/"+manifest.Name) }

var errReply = errors.New("the reply was lost")

// However the sink treats the manifest, a set is listed exactly when Run
// returns its manifest.
func TestCommit(t *testing.T) {
	three := []string{"0.dat.zst", "1.dat.zst", "2.dat.zst"}
	whole := append(slices.Clone(three), manifest.Name)
	lose := func(_ context.Context, name string, obj remote.Object, err error) (remote.Object, error) {
		if isManifest(name) && err == nil {
			return remote.Object{}, errReply
		}
		return obj, err
	}
	// spoilt gives the manifest back with a flipped bit, again and again.
	spoilt := func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if isManifest(name) {
			return remotetest.FlipBit(r, 20), nil
		}
		return r, nil
	}
	for name, test := range map[string]struct {
		sink   remotetest.Faulty
		commit bool
		left   []string
		err    string
	}{
		"stored, reply lost":    {remotetest.Faulty{AfterPut: lose}, true, whole, ""},
		"fails twice, then not": {remotetest.Faulty{OnPut: failing(2, errReply)}, true, whole, ""},
		"fails every time":      {remotetest.Faulty{OnPut: failing(100, errReply)}, false, nil, "reply was lost"},
		"disk full":             {remotetest.Faulty{OnPut: failing(1, syscall.ENOSPC)}, false, nil, "no space left"},
		"gives back another":    {remotetest.Faulty{OnGet: spoilt}, false, nil, "sha256 is not"},
		"cannot be removed": {remotetest.Faulty{OnGet: spoilt, OnDelete: func(_ context.Context, name string) error {
			if isManifest(name) {
				return syscall.EROFS
			}
			return nil
		}}, false, whole, "may be listed"},
		"objects cannot be removed": {remotetest.Faulty{OnPut: failing(100, errReply), OnDelete: func(_ context.Context, name string) error {
			if strings.HasPrefix(name, "state/") {
				return nil
			}
			return syscall.EROFS
		}}, false, three, "may be listed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // pauses pass at once, and no goroutine stays
				sink := test.sink
				sink.RemoteSink = remotetest.NewMem()
				m, err := backup.Run(t.Context(), &sink, objectsSource{name: "app", objects: 3}, nil)
				if (m != nil) != test.commit || (err == nil) != test.commit || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("manifest %v, error %v", m != nil, err)
				}
				if got := left(t, sink.RemoteSink); !slices.Equal(got, test.left) {
					t.Errorf("the sink holds %v, want %v", got, test.left)
				}
			})
		})
	}
}

// failing makes the first n attempts to store a manifest fail.
func failing(n int64, err error) func(context.Context, string, io.Reader) (io.Reader, error) {
	var tried atomic.Int64
	return func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if isManifest(name) && tried.Add(1) <= n {
			return nil, err
		}
		return r, nil
	}
}

// A run that is cancelled while its manifest is stored leaves nothing.
func TestCommitCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), AfterPut: func(_ context.Context, name string, obj remote.Object, err error) (remote.Object, error) {
			if isManifest(name) {
				cancel()
			}
			return obj, err
		}}
		m, err := backup.Run(ctx, sink, objectsSource{name: "app", objects: 2}, nil)
		if m != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", m, err)
		}
		if got := left(t, sink.RemoteSink); len(got) > 0 {
			t.Errorf("the sink holds %v", got)
		}
	})
}

// An object is tried again however long its first attempt took.
func TestRetryAfterLongAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tried bool
		sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if !tried && !strings.HasPrefix(name, "state/") {
				tried = true
				time.Sleep(5 * time.Hour)
				return nil, errReply
			}
			return r, nil
		}}
		if _, err := backup.Run(t.Context(), sink, objectsSource{name: "app", objects: 1}, nil); err != nil {
			t.Error(err)
		}
	})
}

// A sink that gives an object without end is told from the first byte too many.
func TestReadBackEnds(t *testing.T) {
	sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		return io.MultiReader(r, endless{}), nil
	}}
	if _, err := backup.Run(t.Context(), sink, objectsSource{name: "app", objects: 1}, nil); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// What no manifest could hold is refused before anything is stored.
func TestBeginRefusesNames(t *testing.T) {
	for _, name := range []string{strings.Repeat("x", 201), "a\nb"} {
		var puts int
		sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if !strings.HasPrefix(name, "state/") {
				puts++
			}
			return r, nil
		}}
		if _, err := backup.Run(t.Context(), sink, objectsSource{name: name, objects: 1}, nil); err == nil || !strings.Contains(err.Error(), "source") || puts > 0 {
			t.Errorf("%d objects were stored, error %v", puts, err)
		}
	}
}

// Sets of very many objects take time in proportion.
func TestManyObjects(t *testing.T) {
	const n = 100_000
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m, err := backup.Run(ctx, remotetest.NewMem(), objectsSource{name: "app", objects: n}, &backup.Options{Compression: "none"})
	if err != nil || len(m.Objects) != n {
		t.Fatal(err)
	}
}

// A set that outgrows its manifest fails when it does, not after its last object.
func TestTooManyObjects(t *testing.T) {
	src := objectsSource{name: "app", objects: 70_000, folder: strings.Repeat("x", 900) + "/"}
	var puts int
	sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
		puts++
		return r, nil
	}}
	_, err := backup.Run(t.Context(), sink, src, &backup.Options{Compression: "none"})
	if err == nil || !strings.Contains(err.Error(), "has room for") || puts == src.objects {
		t.Errorf("after %d objects: %v", puts, err)
	}
}
