package manifest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

func TestAt(t *testing.T) {
	t.Parallel()
	noon := time.Date(2025, 8, 8, 12, 0, 0, 0, time.UTC)
	inv := new(manifest.Inventory)
	add := func(kind manifest.Kind, minute int, edit func(*manifest.Manifest)) string {
		at := noon.Add(time.Duration(minute) * time.Minute)
		m := &manifest.Manifest{
			ID: manifest.NewID(kind, at), Source: "db", Kind: kind, Scope: manifest.Whole, Purpose: manifest.Backup,
			Start: at.Add(-time.Second), DataTime: at, Database: &manifest.Database{},
		}
		if edit != nil {
			edit(m)
		}
		inv.Sets = append(inv.Sets, m)
		return m.ID
	}
	full := add(manifest.Full, 0, nil)
	first := add(manifest.Incremental, 10, nil)
	add(manifest.Incremental, 20, func(m *manifest.Manifest) { m.Suspect = []string{"it shrank"} })
	add(manifest.Full, 21, func(m *manifest.Manifest) { m.Scope = manifest.Part })
	add(manifest.Full, 22, func(m *manifest.Manifest) { m.Purpose = manifest.Safety })
	add(manifest.Storage, 23, nil)
	add(manifest.Full, 24, func(m *manifest.Manifest) { m.Source = "other" })
	add(manifest.Incremental, 30, nil)
	made := add(manifest.Full, 30, func(m *manifest.Manifest) { m.Purpose = manifest.Consolidated })
	add(manifest.Incremental, 30, nil)
	for minute, want := range map[int]string{0: full, 9: full, 10: first, 29: first, 30: made, 600: made} {
		t.Run(fmt.Sprint(minute), func(t *testing.T) {
			got, err := inv.At("db", noon.Add(time.Duration(minute)*time.Minute))
			if err != nil || got.ID != want {
				t.Errorf("%v, %v, want %s", got, err, want)
			}
		})
	}
	if _, err := inv.At("db", noon.Add(-time.Second)); !errors.Is(err, manifest.ErrNoSet) || !strings.Contains(err.Error(), full) {
		t.Errorf("before the first: %v", err)
	}
	if _, err := inv.At("none", noon); !errors.Is(err, manifest.ErrNoSet) {
		t.Errorf("of no source: %v", err)
	}
}
