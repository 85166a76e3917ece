package manifest_test

import (
	"crypto/ed25519"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func get(t testing.TB, sink remote.RemoteSink, name string) []byte {
	t.Helper()
	r, err := sink.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seal signs what lies at path as the manifest of a set.
func seal(t testing.TB, sink remote.RemoteSink, path string, key ed25519.PrivateKey) {
	t.Helper()
	sig, err := manifest.Sign(key, get(t, sink, path+"/"+manifest.Name))
	if err != nil {
		t.Fatal(err)
	}
	put(t, sink, path+"/"+manifest.SealName, sig)
}

func newKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

// Whoever can write to the sink has everything but the key, old sets and their
// seals included.
func TestSeal(t *testing.T) {
	public, private := newKey(t)
	otherPublic, otherPrivate := newKey(t)
	for name, forge := range map[string]func(t *testing.T, sink *remotetest.Mem, id, older string){
		"no seal": func(t *testing.T, sink *remotetest.Mem, id, _ string) {
			if err := sink.Delete(t.Context(), id+"/"+manifest.SealName); err != nil {
				t.Fatal(err)
			}
		},
		"an empty seal": func(t *testing.T, sink *remotetest.Mem, id, _ string) { put(t, sink, id+"/"+manifest.SealName, nil) },
		"a longer seal": func(t *testing.T, sink *remotetest.Mem, id, _ string) {
			name := id + "/" + manifest.SealName
			put(t, sink, name, append(get(t, sink, name), 0))
		},
		"another's seal": func(t *testing.T, sink *remotetest.Mem, id, _ string) { seal(t, sink, id, otherPrivate) },
		"an altered manifest": func(t *testing.T, sink *remotetest.Mem, id, _ string) {
			name := id + "/" + manifest.Name
			put(t, sink, name, []byte(strings.Replace(string(get(t, sink, name)), `"producer": "test"`, `"producer": "Test"`, 1)))
		},
		"the manifest and seal of another set": func(t *testing.T, sink *remotetest.Mem, id, older string) {
			for _, name := range []string{manifest.Name, manifest.SealName} {
				put(t, sink, id+"/"+name, get(t, sink, older+"/"+name))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			sink := remotetest.NewMem()
			older, id := commit(t, sink, "app", 0, nil), commit(t, sink, "app", 1, nil)
			seal(t, sink, older, private)
			seal(t, sink, id, private)
			trust := &manifest.ScanOptions{Trust: []ed25519.PublicKey{otherPublic[:31], public}}
			inv, err := manifest.Scan(t.Context(), sink, trust)
			if err != nil || !slices.Equal(ids(inv), []string{older, id}) {
				t.Fatalf("sealed: %v, %v, %v", ids(inv), inv.Damaged, err)
			}
			set := inv.Sets[1]
			if err := manifest.CheckSeal(t.Context(), sink, set, trust.Trust); err != nil {
				t.Errorf("sealed: %v", err)
			}

			forge(t, sink, id, older)
			inv, err = manifest.Scan(t.Context(), sink, trust)
			if err != nil || !slices.Equal(ids(inv), []string{older}) || len(inv.Damaged) != 1 || inv.Damaged[0].ID != id {
				t.Errorf("forged: %v, %v, %v", ids(inv), inv.Damaged, err)
			}
			var refused *manifest.SealError
			var moved *manifest.DamageError
			if err := manifest.CheckSeal(t.Context(), sink, set, trust.Trust); !errors.As(err, &refused) && !errors.As(err, &moved) {
				t.Errorf("forged: %v", err)
			}
		})
	}
}

// What was read before the sink was tampered with is not what the seal is of.
func TestSealOfAnotherManifest(t *testing.T) {
	public, private := newKey(t)
	sink := remotetest.NewMem()
	id := commit(t, sink, "app", 0, nil)
	set := scan(t, sink).Sets[0]
	put(t, sink, id+"/"+manifest.Name, []byte(strings.Replace(string(get(t, sink, id+"/"+manifest.Name)), `"test"`, `"sealed"`, 1)))
	seal(t, sink, id, private)
	var refused *manifest.SealError
	if err := manifest.CheckSeal(t.Context(), sink, set, []ed25519.PublicKey{public}); !errors.As(err, &refused) {
		t.Errorf("got %v", err)
	}
}

// Copies may lie below a year and a month.
func TestScanMonths(t *testing.T) {
	eachSink(t, func(t *testing.T, sink remote.RemoteSink) {
		root := commit(t, sink, "app", 0, nil)
		moved := commit(t, sink, "app", 1, nil)
		for _, name := range []string{"toc.dat", manifest.Name} {
			put(t, sink, "2025/08/"+moved+"/"+name, get(t, sink, moved+"/"+name))
			put(t, sink, "2025/08/"+root+"/"+name, get(t, sink, root+"/"+name))
			put(t, sink, "2025/13/"+root+"/"+name, get(t, sink, root+"/"+name))
			if err := sink.Delete(t.Context(), moved+"/"+name); err != nil {
				t.Fatal(err)
			}
		}
		stray := "full/20240104T000000Z-dddd"
		put(t, sink, "2025/07/"+stray+"/toc.dat", nil)

		inv := scan(t, sink)
		if !slices.Equal(ids(inv), []string{root, moved}) {
			t.Fatalf("sets %v", ids(inv))
		}
		for i, want := range []string{root + "/toc.dat", "2025/08/" + moved + "/toc.dat"} {
			if got := inv.Sets[i].Path("toc.dat"); got != want {
				t.Errorf("path %s, want %s", got, want)
			}
		}
		if len(inv.Damaged) != 1 || inv.Damaged[0].ID != root || inv.Damaged[0].Prefix != "2025/08/" {
			t.Errorf("damaged %v", inv.Damaged)
		}
		if len(inv.Strays) != 1 || inv.Strays[0].ID != stray || inv.Strays[0].Prefix != "2025/07/" {
			t.Errorf("strays %v", inv.Strays)
		}
	})
}
