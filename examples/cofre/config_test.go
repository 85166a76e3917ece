package main

import (
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestCrontab parses each line of the crontab, those in comments too, with the
// example of a configuration file.
func TestCrontab(t *testing.T) {
	text, err := os.ReadFile("crontab")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COFRE_CONFIG", "cofre.example.toml")
	lines := regexp.MustCompile(`(?m)^(?:# )?[0-9]+ \S+ \S+ \S+ \S+ +cofre (.*?) >>`).FindAllStringSubmatch(string(text), -1)
	if len(lines) != 11 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		parser, err := newParser(newConsole(false))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(line[1])); err != nil {
			t.Errorf("cofre %s: %v", line[1], err)
		}
	}
}

// TestExampleConfig looks for what the example says in the command that is
// parsed with it.
func TestExampleConfig(t *testing.T) {
	for name, want := range map[string]string{"app": "30d", "billing": "7d"} {
		parser, err := newParser(newConsole(false))
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.Parse([]string{"cleanup", "--config", "cofre.example.toml", "--profile", name})
		if err != nil {
			t.Fatal(err)
		}
		cleanup := parsed.Selected().Target.Addr().Interface().(*cleanupCommand)
		if got := cleanup.KeepFull.String(); got != want || cleanup.KeepConfigs != span(90*day) || len(cleanup.Sink) == 0 {
			t.Errorf("%s: full backups are kept for %s, want %s: %+v", name, got, want, cleanup)
		}
	}
}

// locked FILE: the file is locked until the script ends.
func locked(ts *testscript.TestScript, _ bool, args []string) {
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR|os.O_CREATE, 0o600)
	ts.Check(err)
	ts.Defer(func() { f.Close() })
	ts.Check(syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
}
