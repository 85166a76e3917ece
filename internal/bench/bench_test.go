package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
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
	store := oracle.GCS(t)
	resp, err := http.Post(store.URL+"/storage/v1/b", "application/json", strings.NewReader(`{"name": "bench"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var out bytes.Buffer
	args := []string{"-large", "2", "-middling", "2", "-each", "1", "-wide", "1", "-empty", "3", "-n", "1", "-profile", t.TempDir(), "-sink", "gs://bench/a/b?endpoint=" + store.URL}
	if err := bench(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"database of 8 tables", "\npgcofre ", "\npg_dump -Fc ", "\nCOPY to nowhere", "\npg_restore -j ", "\npgcofre, gs://bench/a/b "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, out.String())
		}
	}
	sink, err := openSink(t.Context(), "gs://bench?endpoint="+store.URL)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := storedSize(t.Context(), sink); n != 0 || err != nil {
		t.Errorf("%d bytes are left in the store: %v", n, err)
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
