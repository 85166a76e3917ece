package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		exit(child(context.Background(), role, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// TestTinyBench runs every contestant once; a restore that loses rows fails.
func TestTinyBench(t *testing.T) {
	need(t)
	var out bytes.Buffer
	args := []string{"-large", "2", "-middling", "2", "-each", "1", "-wide", "1", "-empty", "3", "-n", "1", "-profile", t.TempDir()}
	if err := bench(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"database of 8 tables", "\npgcofre ", "\npg_dump -Fc ", "\nCOPY to nowhere", "\npg_restore -j "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
}

// need skips the test where no server or no stock client is installed.
func need(t *testing.T) {
	t.Helper()
	_, err := scratch.Find(0)
	if err == nil {
		_, err = newestClients()
	}
	switch {
	case err != nil && os.Getenv("PGCOFRE_REQUIRE") == "all":
		t.Fatal(err)
	case err != nil:
		t.Skip(err)
	}
}

// TestSameData tells whether two builds would load the same text, and how much.
func TestSameData(t *testing.T) {
	text := func(table table) []byte {
		g := &generator{Rand: rand.New(rand.NewPCG(1, 2)), row: table.row, left: table.bytes}
		b, err := io.ReadAll(g)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, table := range tables(sizes{Large: 1, Middling: 1, Each: 1, Wide: 1}) {
		a := text(table)
		if !bytes.Equal(a, text(table)) {
			t.Errorf("%s: two builds differ", table.name)
		}
		if len(a) < table.bytes || len(a) > table.bytes+1<<18 || a[len(a)-1] != '\n' {
			t.Errorf("%s: %d bytes of text, want %d and no more than one row above", table.name, len(a), table.bytes)
		}
	}
}
