package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
)

// TestDamage: whichever object of a set is damaged, and however, verify says
// so with its exit code.
func TestDamage(t *testing.T) {
	t.Parallel()
	sink := t.TempDir()
	cofre(t, exitDone, "full", "--db", oracle.Database(t, oracle.Server(t, 0), sample), "--sink", sink,
		"--export", "names=SELECT name FROM app.people")
	set := glob(t, sink, "full", "*")[0]
	objects := append(glob(t, set, "*.*"), glob(t, set, "exports", "*")...)
	if len(objects) != 11 {
		t.Fatalf("objects %q: want toc.dat, two tables, a large object and its index, schema, globals, contents, state, an export and the manifest", objects)
	}
	for _, object := range objects {
		whole, err := os.ReadFile(object)
		if err != nil {
			t.Fatal(err)
		}
		flipped := append([]byte(nil), whole...)
		flipped[len(flipped)/2] ^= 1
		for how, data := range map[string][]byte{"flipped": flipped, "cut": whole[:len(whole)*2/3], "longer": append(whole[:len(whole):len(whole)], 'x'), "empty": {}} {
			if err := os.WriteFile(object, data, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(filepath.Base(object)+"/"+how, func(t *testing.T) { cofre(t, exitDamaged, "verify", "--sink", sink, "full/") })
		}
		if err := os.Remove(object); err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(object)+"/missing", func(t *testing.T) {
			want := exitDamaged
			if filepath.Base(object) == "manifest.json" {
				want = exitFailed // then it is no backup
			}
			cofre(t, want, "verify", "--sink", sink, "full/")
		})
		if err := os.WriteFile(object, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cofre(t, exitDone, "verify", "--sink", sink, "full/")
}

// TestShowOfHostileManifest: what somebody wrote into a manifest does not move
// the terminal's cursor.
func TestShowOfHostileManifest(t *testing.T) {
	t.Parallel()
	const escape = "\x1b[2J"
	at := time.Date(2025, 8, 8, 2, 0, 0, 0, time.UTC)
	m := &manifest.Manifest{
		Format: manifest.FormatVersion, ID: manifest.NewID(manifest.Configs, at), Source: "app",
		Kind: manifest.Configs, Scope: manifest.Whole, Purpose: manifest.Backup, Start: at, End: at, DataTime: at,
		Suspect: []string{escape}, Producer: escape, Database: &manifest.Database{Name: escape, LSN: escape},
	}
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sink, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.Put(t.Context(), m.ID+"/"+manifest.Name, bytes.NewReader(text), nil); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"show", m.ID}, {"list"}} {
		if out := cofre(t, exitDone, append(args, "--sink", sink.String())...); strings.Contains(out, "\x1b") {
			t.Errorf("cofre %s printed %q", args[0], out)
		}
	}
}
