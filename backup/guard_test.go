package backup_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// TestSuspect: a database that lost most of its rows is backed up, and the set
// committed as suspect; it does not lower what counts as usual.
func TestSuspect(t *testing.T) {
	t.Parallel()
	url, sink := database(t), remotetest.NewMem()
	src := &backup.Dumper{Config: oracle.Config(t, url), Name: "app"}
	run := func(opts *backup.Options) (*manifest.Manifest, error) {
		t.Helper()
		set, err := backup.Run(t.Context(), sink, src, opts)
		if set == nil {
			t.Fatal(err)
		}
		intact(t, sink, set.Manifest)
		return set.Manifest, err
	}
	if _, err := run(nil); err != nil {
		t.Errorf("the first: %v", err)
	}
	var suspect *backup.SuspectError
	if set, err := run(&backup.Options{MinSize: 1 << 30}); !errors.As(err, &suspect) || suspect.Set != set.ID || !strings.Contains(err.Error(), "floor") {
		t.Errorf("below the floor: %v", err)
	}
	oracle.Exec(t, url, `DELETE FROM tasks; DELETE FROM people WHERE id > 100`)
	for range 2 {
		set, err := run(nil)
		if !errors.As(err, &suspect) || !strings.Contains(err.Error(), "usual") || set.Good() || len(set.Suspect) != 1 {
			t.Errorf("shrunken: %v", err)
		}
	}
	if _, err := run(&backup.Options{ShrinkLimit: -1}); err != nil {
		t.Errorf("without the guard: %v", err)
	}
	src.Name = "another"
	if _, err := run(nil); err != nil {
		t.Errorf("another source: %v", err)
	}
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil || len(inv.Sets) != 6 {
		t.Errorf("%d sets are listed, %v", len(inv.Sets), err)
	}
}
