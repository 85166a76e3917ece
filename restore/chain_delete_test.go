package restore_test

import (
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestChainDeletes deletes a few rows at a time, so that some buckets are listed
// by one set and some by another: rows that were kept then, written then, or
// written before.
func TestChainDeletes(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 15), oracle.Client(t, 15)
	source, sink := settled(t, srv, `
		CREATE TABLE n (id int PRIMARY KEY, v text);
		INSERT INTO n SELECT i, md5(i::text) FROM generate_series(1, 3000) i;
		CREATE TABLE s (a text, b numeric(9, 2), v text, PRIMARY KEY (b, a));
		INSERT INTO s SELECT E'\t\\N\n\r' || i || E'\b\f\v', i % 10, md5(i::text) FROM generate_series(1, 3000) i;
		ANALYZE`), folder(t)
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, source)}}
	for i, change := range []string{
		"SELECT",
		"DELETE FROM n WHERE id IN (100, 2000); UPDATE n SET v = 'u' WHERE id IN (110, 2010); INSERT INTO n VALUES (100, 'i')",
		"DELETE FROM n WHERE id IN (101, 110)",
		"DELETE FROM n WHERE id BETWEEN 2000 AND 2200",
		"INSERT INTO n VALUES (2010, 'de volta'); DELETE FROM n WHERE id = 100",
		"DELETE FROM s WHERE b = 3 AND v LIKE '1%'; UPDATE s SET v = 'u' WHERE b = 4 AND v LIKE '2%'",
		"DELETE FROM s WHERE b = 4 AND v LIKE 'u' OR b = 5 AND v LIKE '3%'",
		"UPDATE s SET b = b + 0.5 WHERE v LIKE '55%'",
	} {
		oracle.Exec(t, source, change)
		res, err := backup.Run(t.Context(), sink, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 && res.Manifest.Kind != manifest.Incremental {
			t.Fatalf("%s is no incremental: %s", res.Manifest.ID, res.Promotion)
		}
		if i > 1 {
			target := bringBack(t, sink, res.Manifest, srv)
			if diff := oracle.Difference(content(t, tools, source), content(t, tools, target)); diff != "" {
				t.Errorf("after %q: %s", change, diff)
			}
		}
	}
}
