package verify_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/verify"
)

func x25519(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func hybrid(t *testing.T) *age.HybridIdentity {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// forger rewrites a set, as anyone can who may write to the sink: what is
// encrypted takes public keys only.
type forger struct {
	t    *testing.T
	sink *remotetest.Mem
	set  *manifest.Manifest
}

// encrypted takes a set and encrypts its objects.
func encrypted(t *testing.T, compression string, to ...age.Recipient) *forger {
	t.Helper()
	sink := remotetest.NewMem()
	f := &forger{t, sink, backUp(t, sink, newDatabase(), compression)}
	for _, obj := range slices.Clone(f.set.Objects) {
		raw := f.raw(obj.Name)
		if strings.HasPrefix(obj.Name, manifest.ContentsName) {
			contents, err := manifest.ParseContents(raw)
			if err != nil {
				t.Fatal(err)
			}
			for _, table := range contents.Tables {
				for i := range table.Objects {
					table.Objects[i] += codec.AgeExt
				}
			}
			if raw, err = contents.Encode(); err != nil {
				t.Fatal(err)
			}
		}
		f.remove(obj.Name)
		f.put(obj.Name+codec.AgeExt, f.pack(raw, obj.Name, to...), int64(len(raw)))
	}
	return f
}

// raw reads an object.
func (f *forger) raw(name string, with ...age.Identity) []byte {
	f.t.Helper()
	obj, err := proof.Set{Manifest: f.set, Sink: f.sink, Identities: with}.Open(f.t.Context(), name)
	if err != nil {
		f.t.Fatal(err)
	}
	defer obj.Close()
	raw, err := io.ReadAll(obj)
	if err != nil {
		f.t.Fatal(err)
	}
	return raw
}

// pack gives bytes as an object of that name has them.
func (f *forger) pack(raw []byte, name string, to ...age.Recipient) []byte {
	f.t.Helper()
	var out bytes.Buffer
	w, err := codec.NewWriter(&out, codec.CompressionOf(name), to...)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return out.Bytes()
}

func (f *forger) stored(name string) []byte {
	f.t.Helper()
	return content(f.t, f.sink, f.set.Path(name))
}

// spoil replaces an object's bytes alone.
func (f *forger) spoil(name string, stored []byte) {
	f.t.Helper()
	if _, err := f.sink.Put(f.t.Context(), f.set.Path(name), bytes.NewReader(stored), nil); err != nil {
		f.t.Fatal(err)
	}
}

// put replaces an object, and what the manifest says of it.
func (f *forger) put(name string, stored []byte, raw int64) {
	f.t.Helper()
	f.spoil(name, stored)
	f.set.Objects = slices.DeleteFunc(f.set.Objects, func(o manifest.Object) bool { return o.Name == name })
	f.set.Objects = append(f.set.Objects, manifest.Object{Name: name, Size: int64(len(stored)), Raw: raw, SHA256: fmt.Sprintf("%x", sha256.Sum256(stored))})
	slices.SortFunc(f.set.Objects, func(a, b manifest.Object) int { return strings.Compare(a.Name, b.Name) })
}

func (f *forger) remove(name string) {
	f.t.Helper()
	if err := f.sink.Delete(f.t.Context(), f.set.Path(name)); err != nil {
		f.t.Fatal(err)
	}
	f.set.Objects = slices.DeleteFunc(f.set.Objects, func(o manifest.Object) bool { return o.Name == name })
}

// rename lets the manifest have an object under another name.
func (f *forger) rename(name, to string) {
	f.t.Helper()
	obj, _ := f.set.Object(name)
	stored := f.stored(name)
	f.remove(name)
	f.put(to, stored, obj.Raw)
}

// commit writes the manifest, sealed where there is a key.
func (f *forger) commit(key ed25519.PrivateKey) {
	f.t.Helper()
	b, err := f.set.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	f.spoil(manifest.Name, b)
	if f.set, err = manifest.Parse(b); err != nil {
		f.t.Fatal(err)
	}
	if key == nil {
		return
	}
	sig, err := manifest.Sign(key, b)
	if err != nil {
		f.t.Fatal(err)
	}
	f.spoil(manifest.SealName, sig)
}

// reading records which objects are read of a sink.
type reading struct {
	remotetest.Faulty
	mu    sync.Mutex
	names []string
}

func watch(sink remote.RemoteSink, set *manifest.Manifest) *reading {
	r := &reading{Faulty: remotetest.Faulty{RemoteSink: sink}}
	r.OnGet = func(_ context.Context, name string, content io.Reader) (io.Reader, error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.names = append(r.names, strings.TrimPrefix(name, set.ID+"/"))
		return content, nil
	}
	return r
}

func TestEncryptedIntegrity(t *testing.T) {
	a, b, pq, pq2 := x25519(t), x25519(t), hybrid(t), hybrid(t)
	for _, compression := range []string{"zstd", "gzip", "none"} {
		for _, c := range []struct {
			to   []age.Recipient
			with []age.Identity
		}{
			{[]age.Recipient{a.Recipient()}, []age.Identity{a}},
			{[]age.Recipient{a.Recipient(), b.Recipient()}, []age.Identity{b}},
			{[]age.Recipient{pq.Recipient(), pq2.Recipient()}, []age.Identity{a, pq2}},
		} {
			f := encrypted(t, compression, c.to...)
			for _, obj := range f.set.Objects {
				if !codec.Encrypted(obj.Name) {
					t.Errorf("%s is not encrypted", obj.Name)
				}
			}
			rep, err := (&verify.Verifier{Sink: f.sink, Identities: c.with}).Integrity(t.Context(), f.set)
			if err != nil {
				t.Fatal(err)
			}
			if !rep.OK() || rep.Tables != 2 || rep.Rows != 5 || rep.LargeObjects != 2 {
				t.Errorf("%s: %+v", compression, rep)
			}
		}
	}
}

// Who cannot read a set is told so, once, before anything but contents.json is
// downloaded.
func TestWrongIdentity(t *testing.T) {
	f := encrypted(t, "zstd", x25519(t).Recipient())
	for _, c := range []struct {
		with []age.Identity
		say  string
		read []string
	}{
		{nil, "no identity was given", nil},
		{[]age.Identity{x25519(t)}, "the identity given does not open it", []string{"contents.json.zst.age", "contents.json.zst.age"}},
		{[]age.Identity{x25519(t), hybrid(t)}, "none of the 2 identities", []string{"contents.json.zst.age", "contents.json.zst.age"}},
	} {
		for name, read := range map[string]func(*verify.Verifier) error{
			"Integrity": func(v *verify.Verifier) error { _, err := v.Integrity(t.Context(), f.set); return err },
			"Compare": func(v *verify.Verifier) error {
				_, err := v.Compare(t.Context(), f.set, &pgx.ConnConfig{}, nil)
				return err
			},
		} {
			sink := watch(f.sink, f.set)
			err := read(&verify.Verifier{Sink: sink, Identities: c.with})
			var wrong *verify.IdentityError
			if !errors.As(err, &wrong) || wrong.Set != f.set.ID || wrong.Given != len(c.with) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%s with %d identities: %v", name, len(c.with), err)
			}
			var noMatch *age.NoIdentityMatchError
			if errors.As(err, &noMatch) != (len(c.with) > 0) {
				t.Errorf("%s with %d identities: %v does not say what age said", name, len(c.with), err)
			}
			if !slices.Equal(sink.names, c.read) {
				t.Errorf("%s with %d identities read %q", name, len(c.with), sink.names)
			}
		}
	}
}

// foreign is an identity that is not age's own, and cannot be asked.
type foreign struct{ err error }

func (f foreign) Unwrap([]*age.Stanza) ([]byte, error) { return nil, f.err }

// An identity that fails says nothing of the set.
func TestIdentityFails(t *testing.T) {
	f := encrypted(t, "zstd", x25519(t).Recipient())
	unplugged := errors.New("no such device")
	v := &verify.Verifier{Sink: f.sink, Identities: []age.Identity{foreign{unplugged}}}
	var damage *manifest.DamageError
	if rep, err := v.Integrity(t.Context(), f.set); !errors.Is(err, unplugged) || errors.As(err, &damage) {
		t.Errorf("%+v, %v", rep, err)
	}
	f.spoil("contents.json.zst.age", []byte("age-encryption.org/v1\n"))
	if rep, err := v.Integrity(t.Context(), f.set); err == nil && rep.OK() {
		t.Errorf("%+v, %v", rep, err)
	}
}

// Whatever happens to an encrypted object is found under its name, and never
// taken for a wrong identity.
func TestEncryptedDamage(t *testing.T) {
	id := x25519(t)
	f := encrypted(t, "zstd", id.Recipient())
	v := &verify.Verifier{Sink: f.sink, Identities: []age.Identity{id}}
	for n, obj := range f.set.Objects {
		whole := f.stored(obj.Name)
		swapped := f.stored(f.set.Objects[(n+1)%len(f.set.Objects)].Name)
		try := func(what string, damaged []byte) {
			f.spoil(obj.Name, damaged)
			rep, err := v.Integrity(t.Context(), f.set)
			if err != nil {
				t.Errorf("%s, %s: %v", obj.Name, what, err)
			} else if !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool { return f.What == "object "+obj.Name }) {
				t.Errorf("%s, %s: %+v", obj.Name, what, rep.Findings)
			}
		}
		for i := range whole {
			if i%5 != n%5 && i < len(whole)-20 {
				continue
			}
			flipped := slices.Clone(whole)
			flipped[i] ^= 1 << (i % 8)
			try(fmt.Sprintf("bit %d of byte %d flipped", i%8, i), flipped)
			try(fmt.Sprintf("cut at %d", i), whole[:i])
		}
		try("a byte more", append(slices.Clone(whole), 0))
		try("another one's bytes", swapped)
		try("encrypted to someone else", f.pack([]byte("x"), obj.Name, x25519(t).Recipient()))
		f.spoil(obj.Name, whole)
	}
}

// Nor does it help to let the manifest agree with what was altered.
func TestForgedManifest(t *testing.T) {
	id := x25519(t)
	const rows, contents = "3.dat.zst.age", "contents.json.zst.age"
	for _, c := range []struct {
		want  string
		forge func(f *forger)
	}{
		{"table public.a: its objects hold 1 rows", func(f *forger) {
			f.put(rows, f.stored("4.dat.zst.age"), int64(len(f.raw("4.dat.zst.age", id))))
		}},
		{"object " + rows + ": decrypting: identity did not match", func(f *forger) {
			raw := f.raw(rows, id)
			f.put(rows, f.pack(raw, rows, x25519(t).Recipient()), int64(len(raw)))
		}},
		{"object " + rows + ": decrypting: identity did not match", func(f *forger) {
			stored, raw := f.stored(rows), int64(len(f.raw(rows, id)))
			share := &stored[bytes.Index(stored, []byte("-> X25519 "))+15]
			if *share == 'A' { // another letter of base64
				*share = 'B'
			} else {
				*share = 'A'
			}
			f.put(rows, stored, raw)
		}},
		{"object " + rows + ": decrypting: bad header MAC", func(f *forger) {
			stored, raw := f.stored(rows), int64(len(f.raw(rows, id)))
			at := bytes.Index(stored, []byte("--- ")) + 4
			copy(stored[at:], strings.Repeat("A", 43))
			f.put(rows, stored, raw)
		}},
		{"object " + rows + ": failed to decrypt", func(f *forger) {
			stored, raw := f.stored(rows), int64(len(f.raw(rows, id)))
			f.put(rows, stored[:len(stored)-1], raw)
		}},
		{"object " + contents + ": decrypting", func(f *forger) {
			stored, raw := f.stored(contents), int64(len(f.raw(contents, id)))
			f.put(contents, stored[:100], raw)
		}},
		{"object exports/e.csv.zst.age: decrypting: failed to read header", func(f *forger) { // it is not encrypted
			raw := f.raw("exports/e.csv.zst.age", id)
			f.put("exports/e.csv.zst.age", f.pack(raw, "e.csv.zst"), int64(len(raw)))
		}},
		{"object exports/e.csv.zst: ", func(f *forger) { // it is encrypted
			f.rename("exports/e.csv.zst.age", "exports/e.csv.zst")
		}},
		{"object toc.dat: reading archive", func(f *forger) { f.rename("toc.dat.age", "toc.dat") }},
	} {
		f := encrypted(t, "zstd", id.Recipient())
		c.forge(f)
		rep, err := (&verify.Verifier{Sink: f.sink, Identities: []age.Identity{id}}).Integrity(t.Context(), f.set)
		if err != nil {
			t.Errorf("%s: %v", c.want, err)
		} else if !slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool { return strings.HasPrefix(f.What+": "+f.Problem, c.want) }) {
			t.Errorf("%s: %+v", c.want, rep.Findings)
		}
	}
	// The contents of someone else's set are those of a set for someone else.
	f := encrypted(t, "zstd", id.Recipient())
	raw := f.raw(contents, id)
	f.put(contents, f.pack(raw, contents, x25519(t).Recipient()), int64(len(raw)))
	var wrong *verify.IdentityError
	if rep, err := (&verify.Verifier{Sink: f.sink, Identities: []age.Identity{id}}).Integrity(t.Context(), f.set); !errors.As(err, &wrong) {
		t.Errorf("contents.json encrypted to someone else: %+v, %v", rep, err)
	}
}

// Where a key is trusted, nothing is read but what bears its seal.
func TestTrust(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id := x25519(t)
	f := encrypted(t, "zstd", id.Recipient())
	f.commit(key)
	v := func(sink remote.RemoteSink, trust ...ed25519.PublicKey) *verify.Verifier {
		return &verify.Verifier{Sink: sink, Identities: []age.Identity{id}, Trust: trust}
	}
	for _, trust := range [][]ed25519.PublicKey{nil, {pub}, {other, pub}} {
		if rep, err := v(f.sink, trust...).Integrity(t.Context(), f.set); err != nil || !rep.OK() {
			t.Errorf("trusting %d keys: %+v, %v", len(trust), rep, err)
		}
	}
	refused := func(what string, trust ed25519.PublicKey) {
		t.Helper()
		for name, read := range map[string]func(*verify.Verifier) error{
			"Integrity": func(v *verify.Verifier) error { _, err := v.Integrity(t.Context(), f.set); return err },
			"Compare": func(v *verify.Verifier) error {
				_, err := v.Compare(t.Context(), f.set, &pgx.ConnConfig{}, nil)
				return err
			},
		} {
			sink := watch(f.sink, f.set)
			var seal *manifest.SealError
			if err := read(v(sink, trust)); !errors.As(err, &seal) || seal.Set != f.set.ID {
				t.Errorf("%s: %s: %v", what, name, err)
			}
			if slices.ContainsFunc(sink.names, func(name string) bool { return !strings.HasPrefix(name, "manifest.") }) {
				t.Errorf("%s: %s read %q", what, name, sink.names)
			}
		}
	}
	refused("sealed by another", other)
	f.put("schema.sql.zst.age", f.pack([]byte("-- forged"), "schema.sql.zst", id.Recipient()), 9)
	f.commit(nil)
	refused("manifest rewritten", pub)
	f.commit(stranger)
	refused("sealed by a stranger", pub)
}
