package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

func backUp(ctx context.Context) error {
	cfg, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	sink, err := remote.NewDir("backups")
	if err != nil {
		return err
	}
	_, err = backup.Run(ctx, sink, &backup.Dumper{Config: cfg}, nil)
	return err
}

func Example() {
	if err := backUp(context.Background()); err != nil {
		slog.Error("backup", "err", err)
	}
}

// TestReadme: the code that the README shows is the code above.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(source), "func backUp(ctx context.Context) error {\n")
	body, _, _ = strings.Cut(body, "\n}\n\n")
	body = strings.ReplaceAll("\n"+body, "\n\t", "\n")[1:] + "\n"
	before, code, _ := strings.Cut(string(text), "```go\n")
	code, _, found := strings.Cut(code, "```\n")
	if !found || code != body {
		t.Errorf("the README shows\n%s\nand what is compiled is\n%s", code, body)
	}
	run, test := strings.Index(before, "    go run ./examples/quickstart\n"), strings.Index(before, "    go test ./...\n")
	if run < 0 || test < run {
		t.Error("the two commands do not come before the code, in their order")
	}
	if n := strings.Count(string(text), "\n"); n >= 200 {
		t.Errorf("the README has %d lines", n)
	}
}

// TestBackUp: that code takes a backup.
func TestBackUp(t *testing.T) {
	srv := sampleServer(t)
	t.Chdir(t.TempDir())
	t.Setenv("DATABASE_URL", srv.URL(sampleName))
	if err := backUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	sink, err := remote.NewDir("backups")
	if err != nil {
		t.Fatal(err)
	}
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	if set := inv.Latest(manifest.Full); set == nil || set.Database.Name != sampleName {
		t.Errorf("the backup is not there: %+v", inv)
	}
}
