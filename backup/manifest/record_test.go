package manifest_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// prove stores a proof of a set.
func prove(t testing.TB, sink remote.RemoteSink, m *manifest.Manifest, at time.Time, ok bool, key ed25519.PrivateKey) *manifest.Proof {
	t.Helper()
	p, err := manifest.NewProof(m, at)
	if err != nil {
		t.Fatal(err)
	}
	p.Method, p.OK, p.End, p.Producer = manifest.Integrity, ok, at.Add(time.Minute), "test"
	if key == nil {
		err = p.Put(t.Context(), sink, nil)
	} else {
		err = p.Put(t.Context(), sink, key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProofs(t *testing.T) {
	eachSink(t, func(t *testing.T, sink remote.RemoteSink) {
		id := commit(t, sink, "app", 0, nil)
		set := scan(t, sink).Sets[0]
		if inv := scan(t, sink); inv.Proven(set) != nil || inv.Verified(set) {
			t.Error("proven before any proof")
		}
		prove(t, sink, set, start.AddDate(0, 0, 2), true, nil)
		failed := prove(t, sink, set, start.AddDate(0, 0, 3), false, nil)
		inv := scan(t, sink)
		if p := inv.Proven(set); p == nil || p.ID != failed.ID || inv.Verified(set) {
			t.Errorf("the newest proof counts: %+v", p)
		}
		if err := failed.Delete(t.Context(), sink); err != nil {
			t.Fatal(err)
		}
		if inv = scan(t, sink); !inv.Verified(set) || len(inv.Proofs) != 1 {
			t.Errorf("proofs %+v", inv.Proofs)
		}
		// What was proven is the set as it was.
		put(t, sink, id+"/"+manifest.Name, []byte(strings.Replace(string(get(t, sink, id+"/"+manifest.Name)), `"test"`, `"other"`, 1)))
		if inv = scan(t, sink); inv.Verified(inv.Sets[0]) {
			t.Error("the proof of another manifest counts")
		}
	})
}

func TestHolds(t *testing.T) {
	eachSink(t, func(t *testing.T, sink remote.RemoteSink) {
		id := commit(t, sink, "app", 0, nil)
		set := scan(t, sink).Sets[0]
		if err := (manifest.Hold{Set: id, Reason: "before the migration", Since: start}).Put(t.Context(), sink, nil); err != nil {
			t.Fatal(err)
		}
		if h := scan(t, sink).Held(set); h == nil || h.Reason != "before the migration" || !h.Since.Equal(start) {
			t.Errorf("hold %+v", h)
		}
		put(t, sink, "state/holds/"+id+".json", []byte("{"))
		if h := scan(t, sink).Held(set); h == nil || !strings.Contains(h.Reason, "cannot be read") {
			t.Errorf("damaged hold %+v", h)
		}
		if err := manifest.Release(t.Context(), sink, id); err != nil {
			t.Fatal(err)
		}
		if h := scan(t, sink).Held(set); h != nil {
			t.Errorf("released: %+v", h)
		}
		for _, h := range []manifest.Hold{{Set: "../x", Reason: "x"}, {Set: id}, {Set: id, Reason: "a\nb"}} {
			if err := h.Put(t.Context(), sink, nil); err == nil {
				t.Errorf("%+v was stored", h)
			}
		}
	})
}

// Whoever can write to the sink has everything but the key: no record of his
// making counts, nor one of ours in another place.
func TestSealedRecords(t *testing.T) {
	public, private := newKey(t)
	_, other := newKey(t)
	sink := remotetest.NewMem()
	older, id := commit(t, sink, "app", 0, nil), commit(t, sink, "app", 1, nil)
	seal(t, sink, older, private)
	seal(t, sink, id, private)
	sets := scan(t, sink).Sets

	ours := prove(t, sink, sets[0], start, true, private)
	if err := (manifest.Hold{Set: older, Reason: "ours", Since: start}).Put(t.Context(), sink, private); err != nil {
		t.Fatal(err)
	}
	prove(t, sink, sets[1], start, true, nil)
	prove(t, sink, sets[1], start, true, other)
	altered := prove(t, sink, sets[1], start, false, private)
	put(t, sink, altered.ID+".json", []byte(strings.Replace(string(get(t, sink, altered.ID+".json")), `"ok": false`, `"ok": true`, 1)))
	moved := "integrity_tests/20300101T000000Z-aaaaaaaa.json"
	hold := "state/holds/"
	for _, ext := range []string{"", ".sig"} {
		put(t, sink, moved+ext, get(t, sink, ours.ID+".json"+ext))
		put(t, sink, hold+id+".json"+ext, get(t, sink, hold+older+".json"+ext))
	}

	inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{Trust: []ed25519.PublicKey{public}})
	if err != nil {
		t.Fatal(err)
	}
	if !inv.Verified(inv.Sets[0]) || inv.Held(inv.Sets[0]) == nil {
		t.Errorf("ours do not count: %+v", inv)
	}
	if inv.Proven(inv.Sets[1]) != nil || inv.Held(inv.Sets[1]) != nil || len(inv.Refused) != 5 {
		t.Errorf("forged ones count: refused %v", inv.Refused)
	}
	var refused *manifest.SealError
	for _, r := range inv.Refused {
		if r.Name != moved && r.Name != hold+id+".json" && !errors.As(r.Err, &refused) {
			t.Errorf("%s: %v", r.Name, r.Err)
		}
	}
}

// A hold that the sink does not give back holds, whoever may have sealed it, and
// a proof that it does not is refused; neither hides the sets.
func TestScanUnreadableRecords(t *testing.T) {
	public, private := newKey(t)
	mem := remotetest.NewMem()
	id := commit(t, mem, "app", 0, nil)
	seal(t, mem, id, private)
	if err := (manifest.Hold{Set: id, Reason: "x", Since: start}).Put(t.Context(), mem, private); err != nil {
		t.Fatal(err)
	}
	proof := prove(t, mem, scan(t, mem).Sets[0], start, true, private)
	archived := errors.New("the object is archived")
	sink := &remotetest.Faulty{RemoteSink: mem, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if !strings.HasPrefix(name, id) {
			return nil, archived
		}
		return r, nil
	}}
	for _, trust := range [][]ed25519.PublicKey{nil, {public}} {
		inv, err := manifest.Scan(t.Context(), sink, &manifest.ScanOptions{Trust: trust})
		if err != nil {
			t.Fatal(err)
		}
		if h := inv.Held(inv.Sets[0]); h == nil || !strings.Contains(h.Reason, "archived") {
			t.Errorf("the hold is %+v", h)
		}
		if len(inv.Proofs) > 0 || len(inv.Refused) != 1 || inv.Refused[0].Name != proof.ID+".json" || !errors.Is(inv.Refused[0].Err, archived) {
			t.Errorf("proofs %v, refused %v", inv.Proofs, inv.Refused)
		}
		if h, err := manifest.HoldOf(t.Context(), sink, id, trust); err != nil || h == nil {
			t.Errorf("HoldOf: %+v, %v", h, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	sink.OnGet = func(ctx context.Context, name string, _ io.Reader) (io.Reader, error) {
		cancel()
		return nil, ctx.Err()
	}
	if h, err := manifest.HoldOf(ctx, sink, id, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %+v, %v", h, err)
	}
}

// The records of FORMAT.md are what is written.
func TestFormatRecords(t *testing.T) {
	sink := remotetest.NewMem()
	for _, text := range slices.Concat(blocks(t, "hold"), blocks(t, "proof"), blocks(t, "run")) {
		name := "state/holds/full/20250808T020000Z-k7f3.json"
		var err error
		if strings.Contains(text, `"outcome"`) {
			r := new(manifest.Run)
			if err = json.Unmarshal([]byte(text), r); err == nil {
				name, err = r.ID+".json", r.Put(t.Context(), sink, nil)
			}
		} else if strings.Contains(text, `"method"`) {
			p := new(manifest.Proof)
			if err = json.Unmarshal([]byte(text), p); err == nil {
				name, err = p.ID+".json", p.Put(t.Context(), sink, nil)
			}
		} else {
			h := new(manifest.Hold)
			if err = json.Unmarshal([]byte(text), h); err == nil {
				err = h.Put(t.Context(), sink, nil)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := string(get(t, sink, name)); got != text {
			t.Errorf("%s holds\n%s\nnot\n%s", name, got, text)
		}
	}
	if inv := scanAll(t, sink); len(inv.Holds) != 1 || len(inv.Proofs) != 1 || len(inv.Runs) != 1 || len(inv.Refused) != 0 {
		t.Errorf("%+v", inv)
	}
}
