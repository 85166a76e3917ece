package pgschema_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
)

// TestDroppedMeanwhile: what nothing locks may go between the snapshot and its
// reading; that is an error that names it, not an empty definition.
func TestDroppedMeanwhile(t *testing.T) {
	for drop, want := range map[string]string{
		"DROP VIEW seen":           "VIEW public.seen",
		"DROP MATERIALIZED VIEW m": "MATERIALIZED VIEW public.m",
		"DROP STATISTICS shape":    "statistics public.shape",
		"ALTER SCHEMA app RENAME TO old; CREATE SCHEMA app; CREATE TABLE app.k (a int)": "schema app was renamed to old",
	} {
		t.Run(drop, func(t *testing.T) {
			target := oracle.Database(t, oracle.Server(t, 0), `
				CREATE TABLE t (a int, b int);
				CREATE SCHEMA app; CREATE TABLE app.k (a int);
				CREATE STATISTICS shape ON a, b FROM t;
				CREATE VIEW seen AS SELECT a FROM t;
				CREATE MATERIALIZED VIEW m AS SELECT b FROM t`)
			conn := snapshot(t, target)
			if _, err := conn.Exec(t.Context(), "SELECT FROM public.t"); err != nil {
				t.Fatal(err)
			}
			oracle.Exec(t, target, drop)
			_, err := pgschema.Read(t.Context(), conn, nil)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Read after %s: %v; want an error that names %s", drop, err, want)
			}
		})
	}
}

// TestInvalidIndex: an index that CREATE INDEX CONCURRENTLY left behind is not
// dumped, and not passed over in silence.
func TestInvalidIndex(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)")
	conn, err := pgx.Connect(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `CREATE UNIQUE INDEX CONCURRENTLY "In valid" ON t (a)`); err == nil {
		t.Fatal("a unique index on equal values was built")
	}
	s, err := pgschema.Read(t.Context(), snapshot(t, target), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.Entries {
		if e.Desc == "INDEX" {
			t.Errorf("the invalid index %s is dumped", e.Tag)
		}
	}
	if !slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, `public."In valid"`) }) {
		t.Errorf("warnings are %q; want one that names the index", s.Warnings)
	}
}
