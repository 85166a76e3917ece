package restore_test

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// broken is a chain to be damaged: a full set and three incrementals, in each of
// which rows of one table were written and deleted.
type broken struct {
	sink   *remote.Dir
	sets   []*manifest.Manifest
	srv    *scratch.Server
	source string
}

func breakable(t *testing.T, srv *scratch.Server, opts *backup.Options) *broken {
	t.Helper()
	b := &broken{sink: folder(t), srv: srv, source: settled(t, srv, `
		CREATE TABLE t (id int PRIMARY KEY, v text);
		INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 1000) AS i;
		CREATE TABLE quieta (id int PRIMARY KEY);
		INSERT INTO quieta SELECT generate_series(1, 10);
		CREATE TABLE lastro (v text); -- so that the incrementals stay small beside the full set
		INSERT INTO lastro SELECT md5(i::text) FROM generate_series(1, 30000) AS i`)}
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, b.source)}, Prove: true}
	for i := range 4 {
		res, err := backup.Run(t.Context(), b.sink, src, opts)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && res.Manifest.Kind != manifest.Incremental {
			t.Fatalf("%s is no incremental: %s", res.Manifest.ID, res.Promotion)
		}
		b.sets = append(b.sets, res.Manifest)
		oracle.Exec(t, b.source, fmt.Sprintf("UPDATE t SET v = 'u' WHERE id %% 50 = %[1]d; DELETE FROM t WHERE id %% 60 = %[1]d; INSERT INTO t VALUES (2000 + %[1]d, 'novo')", i))
	}
	return b
}

// file is where an object of a set is stored.
func (b *broken) file(set *manifest.Manifest, object string) string {
	return filepath.Join(b.sink.String(), filepath.FromSlash(set.Path(object)))
}

// restore restores the newest set, and makes sure that nothing is left of a
// failure.
func (b *broken) restore(t *testing.T, trust ...ed25519.PublicKey) error {
	t.Helper()
	target := newName(t, b.srv)
	p, err := (&restore.Restorer{Sink: b.sink, Target: oracle.Config(t, target), Trust: trust}).Plan(t.Context(), b.sets[3], nil)
	if err == nil {
		_, err = p.Apply(t.Context())
	}
	if err != nil {
		(&spoiled{srv: b.srv}).gone(t, target)
	}
	return err
}

// TestChainDamage damages a chain in every way, and expects the link to be named
// and the newest point to be offered that does without it.
func TestChainDamage(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	b := breakable(t, srv, nil)
	if err := b.restore(t); err != nil {
		t.Fatal(err)
	}
	rows := func(n int) string {
		for _, o := range b.sets[n].Objects {
			if strings.HasSuffix(o.Name, ".dat.zst") && !strings.HasPrefix(o.Name, "schema") {
				return o.Name
			}
		}
		t.Fatalf("%s has no rows", b.sets[n].ID)
		return ""
	}
	keys := b.sets[3].Objects[slices.IndexFunc(b.sets[3].Objects, func(o manifest.Object) bool { return strings.HasSuffix(o.Name, ".keys.zst") })].Name
	for _, c := range []struct {
		name         string
		link, object string // of sets by number
		offer        int    // -1: none
		damage       func(b []byte) []byte
	}{
		{"manifest of the full set missing", "0", manifest.Name, -1, nil},
		{"manifest of a link missing", "1", manifest.Name, 0, nil},
		{"manifest of a link altered", "2", manifest.Name, 1, func(b []byte) []byte { return append(b, '\n') }},
		{"manifest of a link unreadable", "2", manifest.Name, 1, func(b []byte) []byte { return b[:len(b)/2] }},
		{"contents of a link", "1", "contents.json.zst", 0, func(b []byte) []byte { return b[:len(b)-1] }},
		{"contents of the newest", "3", "contents.json.zst", 2, func(b []byte) []byte { return b[:len(b)-1] }},
		{"archive of the newest", "3", "schema.dat.zst", 2, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"rows of the full set", "0", rows(0), -1, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"rows of a link", "1", rows(1), 0, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
		{"rows of a link missing", "2", rows(2), 1, nil},
		{"keys", "3", keys, 2, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := b.sets[c.link[0]-'0']
			file := b.file(set, c.object)
			was, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := os.WriteFile(file, was, 0o600); err != nil {
					t.Fatal(err)
				}
			}()
			if c.damage == nil {
				err = os.Remove(file)
			} else {
				err = os.WriteFile(file, c.damage(slices.Clone(was)), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			var link *restore.LinkError
			err = b.restore(t)
			if !errors.As(err, &link) || link.Link != set.ID || link.Set != b.sets[3].ID || !strings.Contains(err.Error(), set.ID) {
				t.Fatalf("restoring: %v", err)
			}
			switch {
			case c.offer < 0 && link.Offer != nil:
				t.Errorf("it offers %s", link.Offer.ID)
			case c.offer >= 0 && (link.Offer == nil || link.Offer.ID != b.sets[c.offer].ID):
				t.Errorf("it does not offer %s: %v", b.sets[c.offer].ID, err)
			}
			rep, err := (&verify.Verifier{Sink: b.sink}).Integrity(t.Context(), b.sets[3])
			if err != nil || rep.OK() || !strings.Contains(rep.Err().Error(), set.ID) {
				t.Errorf("Integrity: %v, %v", err, rep.Err())
			}
			if c.offer >= 0 {
				bringBack(t, b.sink, b.sets[c.offer], srv)
			}
		})
	}
}

// TestChainSeals: each link needs the seal of a trusted key.
func TestChainSeals(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := breakable(t, oracle.Server(t, 15), &backup.Options{Seal: private})
	if err := b.restore(t, public); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(b.file(b.sets[1], manifest.SealName)); err != nil {
		t.Fatal(err)
	}
	var link *restore.LinkError
	var seal *manifest.SealError
	if err := b.restore(t, public); !errors.As(err, &link) || !errors.As(err, &seal) || link.Link != b.sets[1].ID {
		t.Errorf("a link without its seal: %v", err)
	}
	if err := b.restore(t); err != nil {
		t.Errorf("seals were not asked for: %v", err)
	}
}

// forge stores the newest set anew with other contents: who writes sets can lie
// in them.
func (b *broken) forge(t *testing.T, genuine []byte, change func(*manifest.Table)) {
	t.Helper()
	contents, err := manifest.ParseContents(genuine)
	if err != nil {
		t.Fatal(err)
	}
	for i := range contents.Tables {
		if contents.Tables[i].Name == "t" {
			change(&contents.Tables[i])
		}
	}
	raw, err := contents.Encode()
	if err != nil {
		t.Fatal(err)
	}
	set := *b.sets[3]
	b.store(t, &set, "contents.json.zst", raw)
	b.sets[3] = &set
}

// store stores an object of a set, and its manifest.
func (b *broken) store(t *testing.T, set *manifest.Manifest, name string, raw []byte) {
	t.Helper()
	var stored strings.Builder
	w, err := codec.NewWriter(&stored, codec.Compression{})
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s := w.Stats()
	set.Objects = slices.Clone(set.Objects)
	i := slices.IndexFunc(set.Objects, func(o manifest.Object) bool { return o.Name == name })
	set.Objects[i] = manifest.Object{Name: name, Size: s.Stored, Raw: s.Raw, SHA256: fmt.Sprintf("%x", s.SHA256)}
	if _, err := b.sink.Put(t.Context(), set.Path(name), strings.NewReader(stored.String()), nil); err != nil {
		t.Fatal(err)
	}
	text, err := (&manifest.Manifest{Format: set.Format, ID: set.ID, Source: set.Source, Kind: set.Kind, Scope: set.Scope, Purpose: set.Purpose,
		Parents: set.Parents, Database: set.Database, Start: set.Start, End: set.End, DataTime: set.DataTime, Producer: set.Producer, Objects: set.Objects}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.sink.Put(t.Context(), set.Path(manifest.Name), strings.NewReader(string(text)), nil); err != nil {
		t.Fatal(err)
	}
	parsed, err := manifest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	*set = *parsed
}

// TestChainForged alters the newest set so that its bytes are those of its
// manifest: what it says does not come out, and the restore shows it.
func TestChainForged(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	b := breakable(t, srv, nil)
	contents, err := (proof.Set{Manifest: b.sets[3], Sink: b.sink}).Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	genuine, err := contents.Encode()
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Repeat("0123456789abcdef", 2)
	for _, c := range []struct {
		want   string
		change func(*manifest.Table)
	}{
		{"changed rows whose digest", func(m *manifest.Table) { m.Delta.Digest = fmt.Sprintf("%d:%s", m.Delta.Rows, other) }},
		{"kept keys whose digest", func(m *manifest.Table) { m.Delta.KeptDigest = fmt.Sprintf("%d:%s", m.Delta.KeptRows, other) }},
		{"the backup has", func(m *manifest.Table) { m.Rows++ }},
		{"the keys of the", func(m *manifest.Table) { m.Keys = other[:16] }},
		{"the content of the", func(m *manifest.Table) { m.Proof.Sum = other[:16] }},
		{"rows in buckets", func(m *manifest.Table) { m.Proof.Rows-- }},
		{"the backup has", func(m *manifest.Table) {
			m.Delta.Listed, m.Delta.Kept, m.Delta.KeptRows, m.Delta.KeptDigest = nil, "", 0, ""
		}},
		{"no object", func(m *manifest.Table) { m.Objects = nil }},
		{"its columns are not", func(m *manifest.Table) { m.Columns = []string{"v", "id"} }},
		{"is not that of a later set", func(m *manifest.Table) { m.Key.Shift++ }},
		{"it has no table public.outra", func(m *manifest.Table) { m.Delta.Was = &manifest.TableName{Schema: "public", Name: "outra"} }},
		{"two tables were", func(m *manifest.Table) { m.Delta.Was = &manifest.TableName{Schema: "public", Name: "quieta"} }},
		{"which the manifest does not list", func(m *manifest.Table) { m.Delta.Kept = "else.keys" }},
	} {
		t.Run(c.want, func(t *testing.T) {
			b.forge(t, genuine, c.change)
			err := b.restore(t)
			var damage *manifest.DamageError
			if !errors.As(err, &damage) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "public.") && !strings.Contains(err.Error(), `"public"`) {
				t.Errorf("%v", err)
			}
		})
	}
	b.forge(t, genuine, func(*manifest.Table) {})
	if err := b.restore(t); err != nil {
		t.Errorf("the genuine one: %v", err)
	}
}
