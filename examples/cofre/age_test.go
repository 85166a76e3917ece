package main

import (
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

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
