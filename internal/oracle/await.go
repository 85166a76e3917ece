package oracle

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience is how long Await asks.
const patience = 20 * time.Second

// Await asks again and again until the answer is yes, and fails the test when
// that takes longer than 20 seconds.
func Await(t testing.TB, what string, yes func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !yes() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("in vain: %s", what)
		}
	}
}

// Config is what a URL says.
func Config(t testing.TB, url string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
