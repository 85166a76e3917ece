package pgschema_test

import (
	"slices"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
)

const relations = `
	CREATE TABLE plain (a serial PRIMARY KEY);
	CREATE UNLOGGED TABLE fast (a int);
	CREATE TABLE parted (a int) PARTITION BY LIST (a);
	CREATE TABLE part PARTITION OF parted FOR VALUES IN (1);
	CREATE VIEW seen AS SELECT 1 AS a;
	CREATE MATERIALIZED VIEW kept AS SELECT 1 AS a;
	CREATE TYPE row_type AS (a int);
	CREATE TEMP TABLE passing (a int);
	CREATE SCHEMA other;
	CREATE TABLE other.away (a int);`

func relationNames(t *testing.T, target string, opts *pgschema.Options) []string {
	t.Helper()
	conn := snapshot(t, target)
	rels, err := pgschema.Relations(t.Context(), conn, opts)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range rels {
		var node uint32
		if err := conn.QueryRow(t.Context(), "SELECT coalesce(pg_relation_filenode($1), 0)", r.OID).Scan(&node); err != nil {
			t.Fatal(err)
		}
		if node != r.FileNode {
			t.Errorf("%s has file node %d; want %d", r, r.FileNode, node)
		}
		names = append(names, r.Schema+"."+r.Name)
	}
	return names
}

func TestRelations(t *testing.T) {
	target := oracle.Database(t, oracle.Server(t, 0), relations)
	for _, c := range []struct {
		name string
		opts *pgschema.Options
		want []string
	}{
		{"all", nil, []string{"public.plain", "public.fast", "public.parted", "public.part", "other.away"}},
		{"schema", &pgschema.Options{Schemas: []string{"other"}}, []string{"other.away"}},
		{"excluded", &pgschema.Options{ExcludeTables: []string{"public.p*"}}, []string{"public.fast", "other.away"}},
		{"no rows", &pgschema.Options{ExcludeTableData: []string{"*.*"}}, []string{"public.plain", "public.fast", "public.parted", "public.part", "other.away"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := relationNames(t, target, c.opts); !slices.Equal(got, c.want) {
				t.Errorf("Relations = %v; want %v", got, c.want)
			}
		})
	}
}

// TestRelationsOfExtension: of an extension's tables only those that hold
// users' rows are locked.
func TestRelationsOfExtension(t *testing.T) {
	for _, b := range oracle.Databases {
		if b.Name != "configuration" {
			continue
		}
		target := b.Build(t, oracle.Server(t, 0))
		conn := snapshot(t, target)
		s, err := pgschema.Read(t.Context(), conn, nil)
		if err != nil {
			t.Fatal(err)
		}
		names := relationNames(t, target, nil)
		filtered := 0
		for _, d := range s.Tables {
			if !slices.Contains(names, d.Schema+"."+d.Name) {
				t.Errorf("%s.%s is dumped and not locked", d.Schema, d.Name)
			}
			if d.Filter != "" {
				filtered++
			}
		}
		if filtered == 0 {
			t.Error("no configuration table is dumped by its filter")
		}
		return
	}
	t.Fatal("no database with configuration tables")
}
