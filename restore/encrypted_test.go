package restore_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
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

// takeWith backs a database up with options.
func takeWith(t *testing.T, sink remote.RemoteSink, url string, opts *backup.Options, edit ...func(*backup.Dumper)) *manifest.Manifest {
	t.Helper()
	src := &backup.Dumper{Config: oracle.Config(t, url)}
	for _, f := range edit {
		f(src)
	}
	res, err := backup.Run(t.Context(), sink, src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res.Manifest
}

const withBlobs = large + `; SELECT lo_from_bytea(77, 'a large object'), lo_from_bytea(78, '')`

// TestEncrypted restores encrypted sets with any one of the identities that
// they are for.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	source := oracle.Database(t, srv, withBlobs)
	a, b, pq := x25519(t), x25519(t), hybrid(t)
	for name, c := range map[string]struct {
		opts backup.Options
		with []age.Identity
	}{
		"X25519": {backup.Options{Recipients: []age.Recipient{a.Recipient(), b.Recipient()}}, []age.Identity{b}},
		"hybrid": {backup.Options{Recipients: []age.Recipient{pq.Recipient()}, Compression: "gzip"}, []age.Identity{a, pq}},
		"none":   {backup.Options{Recipients: []age.Recipient{a.Recipient()}, Compression: "none"}, []age.Identity{a}},
	} {
		t.Run(name, func(t *testing.T) {
			sink, target := folder(t), newName(t, srv)
			set := takeWith(t, sink, source, &c.opts, smallRanges)
			p, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Identities: c.with}).Plan(t.Context(), set, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			v := &verify.Verifier{Sink: sink, Identities: c.with}
			rep, err := v.Compare(t.Context(), set, oracle.Config(t, target), nil)
			if err != nil || !rep.OK() || rep.LargeObjects != 2 {
				t.Errorf("Compare: %+v, %v", rep, err)
			}
			if rep, err = v.Integrity(t.Context(), set); err != nil || !rep.OK() || rep.LargeObjects != 2 {
				t.Errorf("Integrity: %+v, %v", rep, err)
			}
		})
	}
}

// TestStockExit: with the age program and pg_restore alone an encrypted set
// becomes the database again.
func TestStockExit(t *testing.T) {
	t.Parallel()
	stock, srv := oracle.Age(t), oracle.Server(t, 15)
	source := oracle.Database(t, srv, withBlobs)
	id, sink := x25519(t), folder(t)
	// gzip, as pg_restore 15 reads no zstd.
	set := takeWith(t, sink, source, &backup.Options{Recipients: []age.Recipient{x25519(t).Recipient(), id.Recipient()}, Compression: "gzip"}, smallRanges)
	key := filepath.Join(t.TempDir(), "key")
	write(t, key, []byte(id.String()+"\n"))
	archive := t.TempDir()
	for _, obj := range set.Objects {
		plain := filepath.Join(archive, filepath.FromSlash(strings.TrimSuffix(obj.Name, ".age")))
		if err := os.MkdirAll(filepath.Dir(plain), 0o700); err != nil {
			t.Fatal(err)
		}
		oracle.Run(t, stock, "-d", "-i", key, "-o", plain, filepath.Join(sink.String(), filepath.FromSlash(set.Path(obj.Name))))
	}
	target := oracle.Database(t, srv)
	oracle.Restore(t, client(t, 15), target, archive, "-j4")
	rep, err := (&verify.Verifier{Sink: sink, Identities: []age.Identity{id}}).Compare(t.Context(), set, oracle.Config(t, target), nil)
	if err != nil || !rep.OK() || rep.LargeObjects != 2 {
		t.Errorf("what age and pg_restore restored: %+v, %v", rep, err)
	}
}

// watched records which objects are read of a sink.
func watched(sink remote.RemoteSink, set *manifest.Manifest, names *[]string) *remotetest.Faulty {
	return &remotetest.Faulty{RemoteSink: sink, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		*names = append(*names, strings.TrimPrefix(name, set.ID+"/")) // plans read one object after the other
		return r, nil
	}}
}

// TestPlanRefuses: who lacks the identity, or does not trust who sealed the
// set, is told so before anything but contents.json is downloaded, and before
// the target is looked at.
func TestPlanRefuses(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	id, sink := x25519(t), folder(t)
	set := takeWith(t, sink, oracle.Database(t, srv), &backup.Options{Recipients: []age.Recipient{id.Recipient()}, Seal: key})
	trusted := []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}
	nowhere := oracle.Config(t, srv.URL("postgres"))
	nowhere.Host, nowhere.Fallbacks = "/nonexistent", nil
	contents, _ := set.Object("contents.json.zst.age")
	manifests := []string{manifest.Name, manifest.SealName}
	for _, c := range []struct {
		r    restore.Restorer
		want any // what the error is
		read []string
	}{
		{restore.Restorer{}, new(*restore.IdentityError), nil},
		{restore.Restorer{Identities: []age.Identity{x25519(t), hybrid(t)}}, new(*restore.IdentityError), []string{contents.Name, contents.Name}},
		{restore.Restorer{Trust: trusted}, new(*restore.IdentityError), manifests},
		{restore.Restorer{Identities: []age.Identity{id}, Trust: []ed25519.PublicKey{other}}, new(*manifest.SealError), manifests},
	} {
		for name, read := range map[string]func(*restore.Restorer) error{
			"Plan":     func(r *restore.Restorer) error { _, err := r.Plan(t.Context(), set, nil); return err },
			"Contents": func(r *restore.Restorer) error { _, err := r.Contents(t.Context(), set); return err },
		} {
			var names []string
			r := c.r
			r.Sink, r.Target = watched(sink, set, &names), nowhere
			err := read(&r)
			if !errors.As(err, c.want) {
				t.Errorf("%s: %v, want a %T", name, err, c.want)
			}
			if slices.Sort(names); !slices.Equal(names, c.read) {
				t.Errorf("%s: %v: read %q", name, err, names)
			}
		}
	}
	r := &restore.Restorer{Sink: sink, Identities: []age.Identity{id}, Trust: trusted}
	if c, err := r.Contents(t.Context(), set); err != nil || len(c.Tables) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	// What was sealed is what is planned: not what was put in its place since.
	forged := *set
	forged.Objects = slices.Clone(set.Objects)
	forged.Objects[0].Raw++
	b, err := forged.Encode()
	if err != nil {
		t.Fatal(err)
	}
	another, err := manifest.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	var seal *manifest.SealError
	if c, err := r.Contents(t.Context(), another); !errors.As(err, &seal) {
		t.Errorf("another manifest than the sealed one: %s", fmt.Sprint(c, err))
	}
}
