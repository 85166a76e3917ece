package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/retention"
)

// TestPolicy holds the flags against what they come to in the library.
func TestPolicy(t *testing.T) {
	documented := retention.Documented()
	documented.Grace, documented.Location = day, time.UTC
	for _, c := range []struct {
		flags string
		want  retention.RetentionPolicy
	}{
		{"", documented},
		{
			"--keep-full 1w --keep-full-last 2 --keep-full-hourly 3 --keep-full-daily 4 --keep-full-weekly 5 --keep-full-monthly 6 --keep-full-yearly 7 " +
				"--keep-incremental 8h --keep-storage 1d12h --keep-configs forever --keep-safety 9d --keep-proofs 10d --keep-runs 13d --min-verified 11 --grace 12m --force",
			retention.RetentionPolicy{
				Full:        retention.Rule{Within: week, Last: 2, Hourly: 3, Daily: 4, Weekly: 5, Monthly: 6, Yearly: 7},
				Incremental: retention.Rule{Within: 8 * time.Hour}, Storage: retention.Rule{Within: 36 * time.Hour}, Configs: retention.Rule{Within: -1},
				Safety: 9 * day, Proofs: 10 * day, Runs: 13 * day, MinVerified: 11, Grace: 12 * time.Minute, Location: time.UTC, Force: true,
			},
		},
	} {
		parser, err := newParser(newConsole(false))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.Parse(append(strings.Fields("cleanup --config /dev/null --sink x"), strings.Fields(c.flags)...))
		if err != nil {
			t.Fatal(err)
		}
		cleanup := parsed.Selected().Target.Addr().Interface().(*cleanupCommand)
		if got := cleanup.retention(cleanup.Force); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.flags, got, c.want)
		}
	}
}

// older VARIABLE DAYS FROM TO: copies the one backup in a folder to another, as
// one that is so much older, and sets the variable to its name.
func older(ts *testscript.TestScript, _ bool, args []string) {
	days, err := strconv.Atoi(args[1])
	ts.Check(err)
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[2]), "full", "*", manifest.Name))
	ts.Check(err)
	if len(found) != 1 {
		ts.Fatalf("%s holds %q", args[2], found)
	}
	text, err := os.ReadFile(found[0])
	ts.Check(err)
	m, err := manifest.Parse(text)
	ts.Check(err)
	for _, at := range []*time.Time{&m.Start, &m.End, &m.DataTime} {
		*at = at.AddDate(0, 0, -days)
	}
	m.ID = manifest.NewID(m.Kind, m.Start)
	text, err = m.Encode()
	ts.Check(err)
	folder := filepath.Join(ts.MkAbs(args[3]), filepath.FromSlash(m.ID))
	ts.Check(os.CopyFS(folder, os.DirFS(filepath.Dir(found[0]))))
	ts.Check(os.WriteFile(filepath.Join(folder, manifest.Name), text, 0o600))
	ts.Setenv(args[0], m.ID)
}
