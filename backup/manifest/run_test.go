package manifest_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// scanAll scans with the records of all runs.
func scanAll(t testing.TB, sink remote.RemoteSink, trust ...ed25519.PublicKey) *manifest.Inventory {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{RunsSince: time.Unix(0, 0), Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func newRun(t testing.TB, source string, at time.Time) *manifest.Run {
	t.Helper()
	r, err := manifest.NewRun(source, at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ran stores the record of a run that ended, or of one at work.
func ran(t testing.TB, sink remote.RemoteSink, source string, at time.Time, outcome manifest.Outcome, key ed25519.PrivateKey) *manifest.Run {
	t.Helper()
	r := newRun(t, source, at)
	store := func() {
		var err error
		if key == nil {
			err = r.Put(t.Context(), sink, nil)
		} else {
			err = r.Put(t.Context(), sink, key)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	store()
	if outcome != manifest.Running {
		r.Outcome, r.End = outcome, at.Add(time.Minute)
		store()
	}
	return r
}

func outcomes(inv *manifest.Inventory) string {
	var list []string
	for _, r := range inv.Runs {
		list = append(list, fmt.Sprintf("%s %s", r.Source, r.Outcome))
	}
	return strings.Join(list, ", ")
}

func count(t testing.TB, sink remote.RemoteSink, prefix string) (n int) {
	t.Helper()
	for _, err := range sink.List(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func TestRuns(t *testing.T) {
	eachSink(t, func(t *testing.T, sink remote.RemoteSink) {
		ran(t, sink, "blog", start.Add(2*time.Hour), manifest.Failed, nil)
		first := ran(t, sink, "app", start, manifest.Done, nil)
		ran(t, sink, "app", start.Add(time.Hour+time.Second/2), manifest.Running, nil)
		put(t, sink, "state/runs/notes.txt", []byte("not ours"))
		put(t, sink, "state/runs/notes.json", []byte("not ours"))
		if got := count(t, sink, "state/runs/"); got != 5 {
			t.Errorf("%d objects, want one of each run, and two that are not ours", got)
		}
		inv := scanAll(t, sink)
		if got := outcomes(inv); got != "app done, app running, blog failed" || len(inv.Refused) > 0 {
			t.Errorf("runs %s, refused %v", got, inv.Refused)
		}
		if r := inv.Runs[0]; r.ID != first.ID || !r.Start.Equal(start) || !r.End.Equal(start.Add(time.Minute)) {
			t.Errorf("the first is %+v", r)
		}
		if got := outcomes(inv.Source("blog")); got != "blog failed" {
			t.Errorf("of blog: %s", got)
		}
		if err := manifest.DeleteRun(t.Context(), sink, first.ID); err != nil {
			t.Fatal(err)
		}
		if got := outcomes(scanAll(t, sink)); got != "app running, blog failed" {
			t.Errorf("after one was deleted: %s", got)
		}
		if err := manifest.DeleteRun(t.Context(), sink, "state/runs/notes"); err == nil || count(t, sink, "state/runs/") != 4 {
			t.Errorf("what is not ours was deleted: %v", err)
		}
	})
}

// Records of before RunsSince are not read; without it none is even listed.
func TestRunsSince(t *testing.T) {
	mem := remotetest.NewMem()
	for i := range 100 {
		ran(t, mem, "app", start.Add(time.Duration(i)*time.Hour), manifest.Done, nil)
	}
	reads := make(chan string, 200)
	sink := &remotetest.Faulty{RemoteSink: mem, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		reads <- name
		return r, nil
	}}
	for since, want := range map[time.Time]int{{}: 0, start.Add(97 * time.Hour): 3, start.Add(97*time.Hour + time.Second/2): 3, start.Add(97*time.Hour + time.Second): 2} {
		inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{RunsSince: since})
		if err != nil || len(inv.Runs) != want || len(reads) != want {
			t.Errorf("since %v: %d runs, %d reads, %v", since, len(inv.Runs), len(reads), err)
		}
		for len(reads) > 0 {
			<-reads
		}
	}
}

// A store that lets nothing go keeps both records of a run, and the one that
// tells how it ended counts.
func TestRunsLocked(t *testing.T) {
	mem := remotetest.NewMem()
	locked := &remotetest.Faulty{RemoteSink: mem, OnDelete: func(context.Context, string) error { return errors.New("locked") }}
	ran(t, locked, "app", start, manifest.Busy, nil)
	if got := outcomes(scanAll(t, mem)); got != "app busy" || count(t, mem, "") != 2 {
		t.Errorf("runs %s", got)
	}
}

func TestRunsRefused(t *testing.T) {
	public, private := newKey(t)
	_, other := newKey(t)
	sink := remotetest.NewMem()
	ours := ran(t, sink, "app", start, manifest.Done, private)
	ran(t, sink, "app", start.Add(time.Hour), manifest.Done, nil)
	ran(t, sink, "app", start.Add(2*time.Hour), manifest.Done, other)
	altered := ran(t, sink, "app", start.Add(3*time.Hour), manifest.Failed, private)
	put(t, sink, altered.ID+".json", []byte(strings.Replace(string(get(t, sink, altered.ID+".json")), `"failed"`, `"done"`, 1)))
	for _, ext := range []string{"", ".sig"} {
		put(t, sink, ours.ID+"aaaa.json"+ext, get(t, sink, ours.ID+".json"+ext))
	}
	inv := scanAll(t, sink, public)
	if got := outcomes(inv); got != "app done" || len(inv.Refused) != 4 {
		t.Errorf("runs %s, refused %v", got, inv.Refused)
	}
	seals := 0
	for _, r := range inv.Refused {
		if errors.As(r.Err, new(*manifest.SealError)) {
			seals++
		}
	}
	if seals != 3 {
		t.Errorf("refused %v", inv.Refused)
	}

	// None of these stops the others from being read.
	at := start.Add(10 * time.Hour)
	for i, text := range []string{"{", `{"format": 9}`, `{"format": 1}`, strings.Repeat(" ", 2<<20),
		strings.Replace(string(get(t, sink, ours.ID+".json")), `"done"`, `"running"`, 1),
		strings.Replace(string(get(t, sink, ours.ID+".json")), `"done"`, `"splendid"`, 1)} {
		put(t, sink, fmt.Sprintf("state/runs/%sZ-hostile%d.json", at.Format("20060102T150405"), i), []byte(text))
	}
	if inv := scanAll(t, sink); outcomes(inv) != "app done, app done, app done, app done" || len(inv.Refused) != 7 {
		t.Errorf("runs %s, refused %v", outcomes(inv), inv.Refused)
	}
}

// What no reader would take is not stored, and no text is too long.
func TestRunPut(t *testing.T) {
	sink := remotetest.NewMem()
	for name, change := range map[string]func(*manifest.Run){
		"no ID":           func(r *manifest.Run) { r.ID = "state/runs/x" },
		"an ID elsewhere": func(r *manifest.Run) { r.ID = strings.Replace(r.ID, "runs", "holds", 1) },
		"no source":       func(r *manifest.Run) { r.Source = "" },
		"no end":          func(r *manifest.Run) { r.Outcome = manifest.Done },
		"an end":          func(r *manifest.Run) { r.End = start },
		"another start":   func(r *manifest.Run) { r.Start = start.Add(time.Second) },
		"no outcome":      func(r *manifest.Run) { r.Outcome = "" },
		"another kind":    func(r *manifest.Run) { r.Kind = "none" },
		"no set":          func(r *manifest.Run) { r.Set = "none" },
		"below 0":         func(r *manifest.Run) { r.Raw = math.MinInt64 },
	} {
		r := newRun(t, "app", start)
		change(r)
		if err := r.Put(t.Context(), sink, nil); err == nil {
			t.Errorf("%s: it was stored", name)
		}
	}
	if _, err := manifest.NewRun("a\nb", start); err == nil {
		t.Error("a source has a control character")
	}
	r := newRun(t, "app", start)
	r.Message = strings.Repeat("é", 1<<20)
	if err := r.Put(t.Context(), sink, nil); err != nil {
		t.Fatal(err)
	}
	if runs := scanAll(t, sink).Runs; len(runs) != 1 || len(runs[0].Message) > 5000 || !strings.HasSuffix(runs[0].Message, "é...") {
		t.Errorf("runs %v", runs)
	}
}
