package backup_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// consolidated makes a full set of an incremental one and proves it whole.
func consolidated(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, opts *backup.ConsolidateOptions) *manifest.Manifest {
	t.Helper()
	res, err := backup.Consolidate(t.Context(), sink, set, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Warnings) > 0 {
		t.Errorf("warnings: %q", res.Warnings)
	}
	if res.Kind != manifest.Full || res.Purpose != manifest.Consolidated || len(res.Parents) > 0 || !res.DataTime.Equal(set.DataTime) ||
		*res.Database != *set.Database || res.Source != set.Source || res.Scope != set.Scope {
		t.Errorf("%+v is made of %+v", res.Manifest, set)
	}
	return res.Manifest
}

// lively is tables with keys of all sorts, and what belongs to them.
const lively = `
	CREATE TABLE people (name text NOT NULL, id int PRIMARY KEY, note text);
	INSERT INTO people SELECT 'pessoa ' || md5(i::text), i, CASE WHEN i % 3 > 0 THEN E'a\tb\\c\n' || i END FROM generate_series(1, 20000) AS i;
	CREATE TABLE events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), at timestamptz DEFAULT now(), person int REFERENCES people);
	INSERT INTO events (person) SELECT i FROM generate_series(1, 3000) AS i;
	CREATE TABLE tags (a text, n numeric, v text, PRIMARY KEY (n, a));
	INSERT INTO tags SELECT E'tag\t\\' || i, i / 3.0, i FROM generate_series(1, 2000) AS i;
	CREATE TABLE still (id bigint PRIMARY KEY, v text);
	INSERT INTO still SELECT i, i FROM generate_series(1, 5000) AS i;
	CREATE TABLE keyless (v text);
	INSERT INTO keyless VALUES ('one'), ('two');
	CREATE TABLE nothing (id int PRIMARY KEY);
	CREATE TABLE parts (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (1000);
	CREATE TABLE high PARTITION OF parts FOR VALUES FROM (1000) TO (MAXVALUE);
	INSERT INTO parts SELECT i, i FROM generate_series(1, 2000) AS i;
	CREATE MATERIALIZED VIEW total AS SELECT count(*) FROM people;
	CREATE SEQUENCE counter;
	SELECT lo_from_bytea(0, decode(repeat('ab', 10000), 'hex')), lo_from_bytea(0, 'x');
	ANALYZE`

// change is a random change of the database above.
func change(r *rand.Rand, i int) string {
	n := func(most int) int { return r.IntN(most) }
	return []string{
		fmt.Sprintf("UPDATE people SET note = 'changed %d' WHERE id %% %d = %d", i, 20+n(500), n(20)),
		fmt.Sprintf("DELETE FROM events WHERE person %% %d = %d; DELETE FROM people p WHERE id BETWEEN %d AND %[3]d + %d AND NOT EXISTS (SELECT FROM events WHERE person = p.id)",
			30+n(300), n(30), n(20000), n(200)),
		fmt.Sprintf("INSERT INTO people SELECT 'new', i, 'new %d' FROM generate_series(%d, %d) i ON CONFLICT (id) DO UPDATE SET note = 'again'", i, 20000+100*i, 20000+100*i+n(200)),
		fmt.Sprintf("UPDATE people p SET id = -id WHERE id %% 997 = %d AND NOT EXISTS (SELECT FROM events WHERE person = p.id OR person = -p.id)", n(997)),
		fmt.Sprintf("DELETE FROM events WHERE person %% %d = %d; INSERT INTO events (person) SELECT id FROM people LIMIT %d", 10+n(500), n(10), n(100)),
		fmt.Sprintf("UPDATE tags SET v = v || '+' WHERE n < %d; DELETE FROM tags WHERE n BETWEEN %d AND %d; UPDATE tags SET a = a || E'\\t' WHERE n BETWEEN %d AND %d", n(50), n(600), n(700), n(600), n(600)),
		fmt.Sprintf("UPDATE parts SET id = 2001 - id + %d WHERE id BETWEEN 900 AND 1100 AND false; UPDATE parts SET id = id + 100000 WHERE id BETWEEN %d AND %d", n(10), n(2000), n(2000)),
		fmt.Sprintf("INSERT INTO keyless VALUES ('%d')", i),
		fmt.Sprintf("INSERT INTO nothing VALUES (%d)", i),
		fmt.Sprintf("ALTER TABLE tags RENAME TO tags_%d; ALTER TABLE tags_%[1]d RENAME TO tags", i),
		fmt.Sprintf("BEGIN; SAVEPOINT a; DELETE FROM people p WHERE id = %d AND NOT EXISTS (SELECT FROM events WHERE person = p.id); RELEASE a; SAVEPOINT b; TRUNCATE tags; ROLLBACK TO b; COMMIT", n(20000)),
		"SELECT nextval('counter'); SELECT lo_create(0)",
		fmt.Sprintf("ALTER TABLE still ADD COLUMN c%d int DEFAULT %[1]d", i),
		"VACUUM FULL people",
		"TRUNCATE nothing",
	}[n(15)]
}

// TestConsolidate takes random chains of a real database and holds what is made
// of them against it, restored by us and by pg_restore. Incrementals go on from
// there.
func TestConsolidate(t *testing.T) {
	seed := uint64(20250808)
	for _, tools := range oracle.Clients() {
		major, rounds := tools.Major, 1
		if major == 15 || os.Getenv("PGCOFRE_LONG") != "" {
			rounds = 3
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			srv := oracle.Server(t, major)
			r := rand.New(rand.NewPCG(seed, uint64(major)))
			url := oracle.Database(t, srv, lively)
			conn, sink := connect(t, url), folder(t)
			src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, url), RangeSize: 300 << 10, Name: "app"}, ProveWithin: 3}
			set := incremental(t, sink, src, nil)
			parent := set
			for round := range rounds {
				for i := range 5 {
					for range 1 + r.IntN(4) {
						sql := change(r, 10*round+i)
						for _, one := range strings.Split(sql, "; ") {
							if _, err := conn.Exec(t.Context(), one, pgx.QueryExecModeSimpleProtocol); err != nil && !strings.Contains(err.Error(), "already exists") && !strings.Contains(err.Error(), "duplicate") {
								t.Fatalf("%s: %v", one, err)
							}
						}
					}
					set = incremental(t, sink, src, nil)
					if set.Kind != manifest.Incremental || set.Parents[0].ID != parent.ID {
						t.Fatalf("%d.%d is %s on %v, want it on %s", round, i, set.ID, set.Parents, parent.ID)
					}
					parent = set
				}
				made := consolidated(t, sink, set, &backup.ConsolidateOptions{Options: backup.Options{Compression: "gzip"}, RangeSize: 300 << 10})
				intact(t, sink, made)
				parent = made
				target := oracle.Database(t, srv)
				if err := restoreSet(t, sink, made, target); err != nil {
					t.Fatal(err)
				}
				equal(t, sink, made, url)
				equal(t, sink, made, target)
				stock := oracle.Database(t, srv)
				oracle.Run(t, tools.PgRestore, "-j4", "--exit-on-error", "-d", stock, sink.String()+"/"+made.ID)
				equal(t, sink, made, stock)
				want := sortedLines(oracle.Dump(t, tools, url))
				for _, restored := range []string{target, stock} {
					if diff := oracle.Difference(want, sortedLines(oracle.Dump(t, tools, restored))); diff != "" {
						t.Fatal(diff)
					}
				}
			}
		})
	}
}

func restoreSet(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, target string) error {
	t.Helper()
	plan, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).Plan(t.Context(), set, nil)
	if err != nil {
		return err
	}
	_, err = plan.Apply(t.Context())
	return err
}

// sortedLines is a text with its lines in order: rows have none.
func sortedLines(text string) string {
	lines := strings.SplitAfter(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// equal fails the test unless the database is as the set says.
func equal(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, url string) {
	t.Helper()
	rep, err := (&verify.Verifier{Sink: sink}).Compare(t.Context(), set, oracle.Config(t, url), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.Err(); err != nil {
		t.Fatal(err)
	}
}

// TestConsolidateEncrypted: a chain that is encrypted and sealed becomes a set
// that is, in each of its sinks, on which incrementals go on.
func TestConsolidateEncrypted(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	stateKey, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	srv := oracle.Server(t, 15)
	url := oracle.Database(t, srv, lively)
	sink, second := folder(t), remotetest.NewMem()
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, url), Name: "app"}}
	opts := backup.Options{Recipients: []age.Recipient{id.Recipient()}, StateKey: stateKey, Seal: private}
	parent := incremental(t, sink, src, &opts)
	for i := range 2 {
		oracle.Exec(t, url, fmt.Sprintf("UPDATE people SET note = '%d' WHERE id %% 100 = 7; DELETE FROM tags WHERE n < %d", i, 20*(i+1)))
		set := incremental(t, sink, src, &opts)
		if set.Kind != manifest.Incremental || set.Parents[0].ID != parent.ID {
			t.Fatalf("%s is on %v, want it on %s", set.ID, set.Parents, parent.ID)
		}
		with := &backup.ConsolidateOptions{Options: opts, Identities: []age.Identity{id}}
		with.Copies = []remote.RemoteSink{second}
		parent = consolidated(t, sink, set, with)
	}
	for _, s := range []remote.RemoteSink{sink, second} {
		v := &verify.Verifier{Sink: s, Identities: []age.Identity{id}, Trust: []ed25519.PublicKey{public}}
		rep, err := v.Integrity(t.Context(), parent)
		if err != nil {
			t.Fatal(err)
		}
		if err := rep.Err(); err != nil {
			t.Error(err)
		}
		if rep, err = v.Compare(t.Context(), parent, oracle.Config(t, url), nil); err != nil {
			t.Fatal(err)
		}
		if err := rep.Err(); err != nil {
			t.Error(err)
		}
	}
	// Without a StateKey the set is made as well, and says what it lacks.
	set := incremental(t, sink, src, &opts)
	opts.StateKey = nil
	res, err := backup.Consolidate(t.Context(), sink, set, &backup.ConsolidateOptions{Options: opts, Identities: []age.Identity{id}})
	if err != nil || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "StateKey") {
		t.Errorf("%v: %+v", err, res)
	}
}
