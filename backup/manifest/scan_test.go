package manifest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func put(t testing.TB, sink remote.RemoteSink, name string, content []byte) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, bytes.NewReader(content), nil); err != nil {
		t.Fatal(err)
	}
}

// commit puts a small full set of the given source, started day days after
// start, and returns its ID.
func commit(t testing.TB, sink remote.RemoteSink, source string, day int, change func(*manifest.Manifest)) string {
	t.Helper()
	at := start.AddDate(0, 0, day)
	m := &manifest.Manifest{
		Format: manifest.FormatVersion, ID: fmt.Sprintf("full/%sZ-%s%03d", at.Format("20060102T150405"), source[:1], day), Source: source,
		Kind: manifest.Full, Scope: manifest.Whole, Purpose: manifest.Backup, Start: at, End: at, DataTime: at, Producer: "test",
	}
	if change != nil {
		change(m)
	}
	put(t, sink, m.ID+"/toc.dat", []byte("PGDMP"))
	put(t, sink, m.ID+"/"+manifest.Name, encode(t, m))
	return m.ID
}

func scan(t testing.TB, sink remote.RemoteSink) *manifest.Inventory {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func ids(inv *manifest.Inventory) (out []string) {
	for _, m := range inv.Sets {
		out = append(out, m.ID)
	}
	return out
}

func eachSink(t *testing.T, test func(t *testing.T, sink remote.RemoteSink)) {
	t.Run("mem", func(t *testing.T) { test(t, remotetest.NewMem()) })
	t.Run("dir", func(t *testing.T) {
		dir, err := remote.NewDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		test(t, dir)
	})
}

func TestScan(t *testing.T) {
	eachSink(t, func(t *testing.T, sink remote.RemoteSink) {
		if inv := scan(t, sink); len(inv.Sets)+len(inv.Damaged)+len(inv.Strays) != 0 {
			t.Errorf("empty sink: %+v", inv)
		}
		var want []string
		for day := range 40 { // more than are read at a time
			want = append(want, commit(t, sink, "app", day, nil))
		}
		early := commit(t, sink, "app", -1, func(m *manifest.Manifest) {
			m.ID = "storage/20250901T000000Z-zzzz" // named later than it was started
			m.Kind = manifest.Storage
		})
		want = append([]string{early}, want...)

		moved, cut, newer := "full/20240101T000000Z-aaaa", "full/20240102T000000Z-bbbb", "configs/20240103T000000Z-cccc"
		other, err := sink.Get(t.Context(), want[5]+"/"+manifest.Name)
		if err != nil {
			t.Fatal(err)
		}
		whole, err := io.ReadAll(other)
		if err := errors.Join(err, other.Close()); err != nil {
			t.Fatal(err)
		}
		put(t, sink, moved+"/"+manifest.Name, whole)
		put(t, sink, cut+"/"+manifest.Name, whole[:len(whole)/2])
		put(t, sink, newer+"/"+manifest.Name, []byte(`{"format": 9, "producer": "pgcofre v9"}`))
		stray := "incremental/20240104T000000Z-dddd"
		put(t, sink, stray+"/toc.dat", []byte("PGDMP"))
		put(t, sink, stray+"/exports/a.csv", []byte("a,b\n"))
		for _, alone := range []string{"readme.txt", "full/readme.txt", "full/old/dump.sql", "reports/x.pdf", "state/lock",
			"daily/20250808T020000Z-k7f3/manifest.json", "full/20250808T020000Z-k7f3-copy/manifest.json"} {
			put(t, sink, alone, []byte("not ours"))
		}

		before := time.Now().Add(time.Minute)
		inv := scan(t, sink)
		if got := ids(inv); !slices.Equal(got, want) {
			t.Errorf("sets %v\nwant %v", got, want)
		}
		var damaged []string
		for _, d := range inv.Damaged {
			damaged = append(damaged, d.ID)
		}
		if !slices.Equal(damaged, []string{newer, moved, cut}) {
			t.Errorf("damaged %v", inv.Damaged)
		} else {
			var format *manifest.NewerFormatError
			if !errors.As(inv.Damaged[0].Err, &format) || !strings.Contains(inv.Damaged[1].Err.Error(), want[5]) {
				t.Errorf("damaged %v", inv.Damaged)
			}
		}
		if len(inv.Strays) != 1 || inv.Strays[0].ID != stray || inv.Strays[0].Size != 9 || inv.Strays[0].Objects != 2 ||
			inv.Strays[0].Newest.IsZero() || inv.Strays[0].Newest.After(before) {
			t.Errorf("strays %+v", inv.Strays)
		}
	})
}

func TestScanErrors(t *testing.T) {
	mem := remotetest.NewMem()
	good := commit(t, mem, "app", 0, nil)
	bad := commit(t, mem, "app", 1, nil)
	lost := errors.New("connection lost")

	unreadable := &remotetest.Faulty{RemoteSink: mem, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if strings.HasPrefix(name, bad) {
			return remotetest.FailAfter(r, 10, lost), nil
		}
		return r, nil
	}}
	inv := scan(t, unreadable)
	if !slices.Equal(ids(inv), []string{good}) || len(inv.Damaged) != 1 || !errors.Is(inv.Damaged[0].Err, lost) {
		t.Errorf("one unreadable manifest: %v, damaged %v", ids(inv), inv.Damaged)
	}

	unlistable := &remotetest.Faulty{RemoteSink: mem, OnList: func(context.Context, string, iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
		return func(yield func(remote.Object, error) bool) { yield(remote.Object{}, lost) }
	}}
	if _, err := manifest.Scan(t.Context(), unlistable, nil); !errors.Is(err, lost) {
		t.Errorf("listing fails: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancelled := &remotetest.Faulty{RemoteSink: mem, OnGet: func(ctx context.Context, _ string, _ io.Reader) (io.Reader, error) {
		cancel()
		return nil, ctx.Err()
	}}
	if inv, err := manifest.Scan(ctx, cancelled, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %+v, %v", inv, err)
	}
}

// A run that commits while its folder is being looked at is a set, no stray.
func TestScanDuringCommit(t *testing.T) {
	mem := remotetest.NewMem()
	id := commit(t, mem, "app", 0, nil)
	r, err := mem.Get(t.Context(), id+"/"+manifest.Name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := mem.Delete(t.Context(), id+"/"+manifest.Name); err != nil {
		t.Fatal(err)
	}
	sink := &remotetest.Faulty{RemoteSink: mem, OnList: func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
		if prefix == id+"/" {
			put(t, mem, id+"/"+manifest.Name, m)
		}
		return objects
	}}
	if inv := scan(t, sink); len(inv.Sets) != 1 || len(inv.Strays) != 0 {
		t.Errorf("%d sets, strays %v", len(inv.Sets), inv.Strays)
	}
}

func TestLatestAndFind(t *testing.T) {
	sink := remotetest.NewMem()
	if _, err := scan(t, sink).Find("latest"); !errors.Is(err, manifest.ErrNoSet) {
		t.Errorf("latest of nothing: %v", err)
	}
	first := commit(t, sink, "app", 0, nil)
	good := commit(t, sink, "app", 1, nil)
	commit(t, sink, "app", 2, func(m *manifest.Manifest) { m.Suspect = []string{"small"} })
	commit(t, sink, "app", 3, func(m *manifest.Manifest) { m.Scope = manifest.Part })
	commit(t, sink, "app", 4, func(m *manifest.Manifest) { m.Purpose = manifest.Safety })
	commit(t, sink, "app", 5, func(m *manifest.Manifest) { // made later, of an older point
		m.Purpose, m.DataTime = manifest.Consolidated, m.DataTime.Add(-1000*time.Hour)
	})
	put(t, sink, "full/20260101T000000Z-dead/toc.dat", nil)
	put(t, sink, "full/20260102T000000Z-beef/manifest.json", nil)

	inv := scan(t, sink)
	if m := inv.Latest(manifest.Full, manifest.Incremental); m == nil || m.ID != good {
		t.Errorf("latest %v", m)
	}
	if m := inv.Latest(manifest.Configs); m != nil {
		t.Errorf("latest configs %v", m.ID)
	}
	for ref, want := range map[string]string{"latest": good, first: first, "a000": first, "full/20250808": first, good[len("full/"):]: good} {
		if m, err := inv.Find(ref); err != nil || m.ID != want {
			t.Errorf("%q: %v, %v", ref, m, err)
		}
	}
	for ref, want := range map[string]string{"": "", "nothing": "nothing", "full/2025": "6 sets", "full/202508": "6 sets", "dead": "no manifest", "beef": "cannot be used"} {
		m, err := inv.Find(ref)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v", ref, m, err)
		}
	}

	commit(t, sink, "blog", 9, nil)
	inv = scan(t, sink)
	if _, err := inv.Find("latest"); err == nil || !strings.Contains(err.Error(), `"app" "blog"`) {
		t.Errorf("latest of two sources: %v", err)
	}
	if !slices.Equal(inv.Sources(), []string{"app", "blog"}) {
		t.Errorf("sources %v", inv.Sources())
	}
	app := inv.Source("app")
	if m, err := app.Find("latest"); err != nil || m.ID != good || len(app.Strays) != 1 || len(app.Damaged) != 1 {
		t.Errorf("latest of app: %v, %v", m, err)
	}
}
