package backup_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// incremental takes a backup of a database that builds on the one before.
func incremental(t *testing.T, sink remote.RemoteSink, src *backup.Incremental, opts *backup.Options) *manifest.Manifest {
	t.Helper()
	res, err := backup.Run(t.Context(), sink, src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return res.Manifest
}

// changesOf is what an incremental holds of a table.
func changesOf(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, name string) manifest.Table {
	t.Helper()
	contents, err := (proof.Set{Manifest: set, Sink: sink}).Contents(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range contents.Tables {
		if table.Name == name {
			return table
		}
	}
	t.Fatalf("%s does not have table %s", set.ID, name)
	return manifest.Table{}
}

// TestIncremental takes a full backup and incrementals of what was changed in
// each way, and looks at what is stored of it.
func TestIncremental(t *testing.T) {
	for _, major := range oracle.Majors {
		url := oracle.Database(t, oracle.Server(t, major), `
			CREATE TABLE people (id int PRIMARY KEY, name text NOT NULL);
			INSERT INTO people SELECT i, 'pessoa ' || md5(i::text) FROM generate_series(1, 20000) AS i;
			CREATE TABLE events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), note text);
			INSERT INTO events (note) SELECT i::text FROM generate_series(1, 3000) AS i;
			CREATE TABLE notes (body text);
			INSERT INTO notes VALUES ('one'), ('two')`)
		conn := connect(t, url)
		src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, url)}}
		sink := remotetest.NewMem()
		full := incremental(t, sink, src, nil)
		if full.Kind != manifest.Full {
			t.Fatalf("the first is %s", full.Kind)
		}

		set := incremental(t, sink, src, nil)
		if set.Kind != manifest.Incremental || set.Parents[0].ID != full.ID {
			t.Fatalf("the second is %s on %v", set.Kind, set.Parents)
		}
		for _, name := range []string{"people", "events", "notes"} {
			table := changesOf(t, sink, set, name)
			if d := table.Delta; d == nil || d.Rows != 0 || len(d.Listed) != 0 || len(table.Objects) != 0 {
				t.Errorf("%d: nothing changed in %s, and it is %+v", major, name, table)
			}
		}

		for _, c := range []struct {
			sql             string
			rows            int64 // stored of people
			listed, kept    bool
			events, noteRow int64
		}{
			{sql: "INSERT INTO people SELECT i, 'new' FROM generate_series(20001, 20100) AS i", rows: 100},
			{sql: "UPDATE people SET name = 'changed' WHERE id % 1000 = 0", rows: 20},
			{sql: "DELETE FROM people WHERE id = 77", listed: true, kept: true},
			{sql: "UPDATE people SET id = -id WHERE id = 78", rows: 1, listed: true, kept: true},
			{sql: "BEGIN; SAVEPOINT a; INSERT INTO people VALUES (0, 'x'); RELEASE a; SAVEPOINT b; DELETE FROM people; ROLLBACK TO b; COMMIT", rows: 1},
			{sql: "DELETE FROM people WHERE id BETWEEN 5000 AND 5010; INSERT INTO people SELECT i, 'again' FROM generate_series(5000, 5010) AS i", rows: 11},
			{sql: "DELETE FROM events WHERE ctid IN (SELECT ctid FROM events LIMIT 10)", events: 0},
			{sql: "INSERT INTO notes VALUES ('three')", noteRow: 3},
			{sql: "VACUUM FULL people"},
		} {
			if _, err := conn.Exec(t.Context(), c.sql, pgx.QueryExecModeSimpleProtocol); err != nil {
				t.Fatal(err)
			}
			set := incremental(t, sink, src, nil)
			people := changesOf(t, sink, set, "people")
			d := people.Delta
			if set.Kind != manifest.Incremental || d == nil {
				t.Fatalf("%d: %s: %s of %+v", major, c.sql, set.Kind, people)
			}
			if d.Rows != c.rows || (len(d.Listed) > 0) != c.listed || (d.Kept != "") != c.kept {
				t.Errorf("%d: %s: stored are %d rows, %d bytes of buckets, keys %q", major, c.sql, d.Rows, len(d.Listed), d.Kept)
			}
			if want := value[int64](t, conn, "SELECT count(*) FROM people"); people.Rows != want {
				t.Errorf("%d: %s: it has %d rows, want %d", major, c.sql, people.Rows, want)
			}
			notes := changesOf(t, sink, set, "notes")
			if (notes.Delta == nil) != (c.noteRow > 0) {
				t.Errorf("%d: %s: notes are %+v", major, c.sql, notes)
			}
		}
	}
}
