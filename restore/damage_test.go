package restore_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// spoiled is one set, object by object to be damaged.
type spoiled struct {
	sink *remote.Dir
	set  *manifest.Manifest
	srv  *scratch.Server
	with []age.Identity // where the set is encrypted
}

// TestDamage damages each kind of object in a set, one at a time. Integrity
// must name it, and a restore must refuse it and leave no database.
func TestDamage(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	source := oracle.Database(t, srv, `
		CREATE TABLE t (id int PRIMARY KEY, v text);
		INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 500) AS i;
		SELECT lo_from_bytea(77, 'a large object');`)
	id := x25519(t)
	for name, opts := range map[string]backup.Options{
		"zstd": {}, "none": {Compression: "none"}, "encrypted": {Recipients: []age.Recipient{id.Recipient()}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &spoiled{sink: folder(t), srv: srv, with: []age.Identity{id}}
			s.set = takeWith(t, s.sink, source, &opts)
			if rep := s.integrity(t); !rep.OK() {
				t.Fatal(rep.Err())
			}
			damages := map[string]func([]byte) []byte{
				"flipped bit": func(b []byte) []byte { b[len(b)/2] ^= 4; return b },
				"truncated":   func(b []byte) []byte { return b[:len(b)-1] },
				"longer":      func(b []byte) []byte { return append(b, 0) },
				"missing":     nil,
			}
			switch {
			case opts.Compression == "none":
				damages = map[string]func([]byte) []byte{"flipped bit": damages["flipped bit"]}
			case len(opts.Recipients) > 0:
				damages = map[string]func([]byte) []byte{
					"flipped bit of the header": func(b []byte) []byte { b[60] ^= 1; return b },
					"truncated":                 damages["truncated"],
				}
			}
			restored := 0
			for _, obj := range s.set.Objects {
				for name, damage := range damages {
					t.Run(obj.Name+" "+name, func(t *testing.T) {
						s.damage(t, obj.Name, damage)
						s.check(t, obj.Name)
					})
				}
				if strings.Contains(obj.Name, ".dat") {
					restored++
				}
			}
			if restored < 3 {
				t.Errorf("%d objects of data: this test needs rows, a large object and toc.dat", restored)
			}
		})
	}
}

// damage replaces an object until the test ends.
func (s *spoiled) damage(t *testing.T, object string, damage func([]byte) []byte) {
	t.Helper()
	path := filepath.Join(s.sink.String(), filepath.FromSlash(s.set.ID), filepath.FromSlash(object))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write(t, path, whole) })
	if damage == nil {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		return
	}
	write(t, path, damage(bytes.Clone(whole)))
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// check proves that the damaged object is found and refused.
func (s *spoiled) check(t *testing.T, object string) {
	t.Helper()
	rep := s.integrity(t)
	var failed *verify.FailedError
	if !errors.As(rep.Err(), &failed) || !strings.Contains(failed.Error(), object) {
		t.Errorf("Integrity does not name %s: %v", object, rep.Err())
	}
	if strings.HasPrefix(object, "schema.sql") || strings.HasPrefix(object, "globals.sql") || strings.HasPrefix(object, "state.json") {
		return // for people: a restore does not read them
	}
	target := newName(t, s.srv)
	p, err := (&restore.Restorer{Sink: s.sink, Target: oracle.Config(t, target), Identities: s.with}).Plan(t.Context(), s.set, nil)
	if err == nil {
		_, err = p.Apply(t.Context())
	}
	var damage *proof.DamageError
	if !errors.As(err, &damage) || !strings.Contains(err.Error(), object) {
		t.Errorf("restoring: %v", err)
	}
	s.gone(t, target)
}

func (s *spoiled) integrity(t *testing.T) *verify.Report {
	t.Helper()
	rep, err := (&verify.Verifier{Sink: s.sink, Identities: s.with}).Integrity(t.Context(), s.set)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// gone fails the test when the database is there, by its name or as a stage.
func (s *spoiled) gone(t *testing.T, target string) {
	t.Helper()
	name := oracle.Config(t, target).Database
	if value[bool](t, s.srv.URL("postgres"), "SELECT EXISTS (SELECT FROM pg_database WHERE datname IN ($1, $2))", name, restore.StageName(name)) {
		t.Errorf("database %s, or what was to become it, is left", name)
	}
}

// TestDamageCommitsNothing: a damaged object's rows are in no commit, whatever
// came before the damage.
func TestDamageCommitsNothing(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	source := oracle.Database(t, srv, `CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 50000) AS i`)
	s := &spoiled{sink: folder(t), srv: srv}
	s.set = take(t, s.sink, source, "none")
	target := oracle.Database(t, srv) // one that stays, to look into
	rows, ok := proof.Stored(s.set, rowsOf(t, s))
	if !ok {
		t.Fatal("no object of rows")
	}
	s.damage(t, rows, func(b []byte) []byte { b[len(b)-100] = 'x'; return b })
	_, err := plan(t, s.sink, s.set, target, nil).Apply(t.Context())
	var damage *proof.DamageError
	if !errors.As(err, &damage) {
		t.Errorf("restoring: %v", err)
	}
	if n := value[int](t, target, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows of the damaged object were committed", n)
	}
}

// rowsOf is the one object of rows.
func rowsOf(t *testing.T, s *spoiled) string {
	t.Helper()
	contents, err := (proof.Set{Manifest: s.set, Sink: s.sink}).Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return contents.Tables[0].Objects[0]
}

// TestNewerFormat: a manifest of a later release is refused by its number.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	s := &spoiled{sink: folder(t), srv: srv}
	s.set = take(t, s.sink, oracle.Database(t, srv), "zstd")
	s.damage(t, manifest.Name, func(b []byte) []byte {
		return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 99`), 1)
	})
	inv, err := manifest.Scan(context.Background(), s.sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(inv.Sets) != 0 || len(inv.Damaged) != 1 || !strings.Contains(inv.Damaged[0].Err.Error(), "99") {
		t.Errorf("Scan: %d sets, damaged: %v", len(inv.Sets), inv.Damaged)
	}
	if _, err := inv.Find(s.set.ID); err == nil {
		t.Error("Find gives the set")
	}
}
