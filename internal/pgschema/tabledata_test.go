package pgschema_test

import (
	"slices"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
)

// TestTableData: what a backup learns of each table's rows.
func TestTableData(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), `
		CREATE TABLE wide (a int, gone int, "B b" text, g int GENERATED ALWAYS AS (a + 1) STORED);
		ALTER TABLE wide DROP gone;
		INSERT INTO wide SELECT i, repeat('x', 500) FROM generate_series(1, 1000) AS i;
		CREATE TABLE none ();
		CREATE TYPE colour AS ENUM ('red', 'blue');
		CREATE TABLE hashed (c colour) PARTITION BY HASH (c);
		CREATE TABLE hashed_sub PARTITION OF hashed FOR VALUES WITH (MODULUS 1, REMAINDER 0) PARTITION BY LIST (c);
		CREATE TABLE hashed_leaf PARTITION OF hashed_sub DEFAULT;
		CREATE VIEW seen AS SELECT a FROM wide;
		CREATE MATERIALIZED VIEW kept AS SELECT a FROM wide;`)
	s, err := pgschema.Read(t.Context(), snapshot(t, target), nil)
	if err != nil {
		t.Fatal(err)
	}
	byName := make(map[string]*pgschema.TableData)
	for _, d := range s.Tables {
		byName[d.Name] = d
	}
	if len(byName) != 3 {
		t.Fatalf("%d tables have rows: %v; want wide, none and hashed_leaf", len(byName), byName)
	}
	wide := byName["wide"]
	if want := []string{"a", "B b"}; !slices.Equal(wide.Columns, want) {
		t.Errorf("wide has columns %q; want %q", wide.Columns, want)
	}
	if !wide.Heap || wide.Pages < 60 || wide.Bytes < 8192*wide.Pages || wide.RootName != "" {
		t.Errorf("wide = %+v; want a heap of more than 60 pages, no root", wide)
	}
	if got, want := wide.Entry.Copy.S, "COPY public.wide (a, \"B b\") FROM stdin;\n"; got != want {
		t.Errorf("wide is loaded by %q; want %q", got, want)
	}
	if got, want := byName["none"].Entry.Copy.S, "COPY public.\"none\"  FROM stdin;\n"; got != want {
		t.Errorf("none is loaded by %q; want %q", got, want)
	}
	leaf := byName["hashed_leaf"]
	if leaf.RootSchema != "public" || leaf.RootName != "hashed" {
		t.Errorf("hashed_leaf is loaded through %s.%s; want public.hashed", leaf.RootSchema, leaf.RootName)
	}
	if got, want := leaf.Entry.Defn.S, "-- load via partition root public.hashed"; got != want {
		t.Errorf("hashed_leaf has definition %q; want %q", got, want)
	}
}
