package restore_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// chained is a database of tables whose keys are of many types.
const chained = `
	CREATE TYPE cor AS ENUM ('azul', 'verde', 'a "b"	c\d');
	CREATE DOMAIN codigo AS text CHECK (VALUE <> '');
	CREATE COLLATION semcaixa (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE pessoas (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, nome text, dobro bigint GENERATED ALWAYS AS (id * 2) STORED, n int UNIQUE DEFERRABLE);
	INSERT INTO pessoas (nome, n) SELECT 'nome ' || i, i FROM generate_series(1, 3000) i;
	CREATE TABLE tarefas (nota text, codigo codigo NOT NULL, quando timestamptz NOT NULL, pessoa bigint REFERENCES pessoas ON DELETE CASCADE, UNIQUE (quando, codigo));
	INSERT INTO tarefas SELECT 'n', E'c\t' || i || E'\\', timestamptz '2025-01-01' + i % 50 * interval '1 hour', i FROM generate_series(1, 1000) i;
	CREATE TABLE valores (v numeric PRIMARY KEY, t text);
	INSERT INTO valores SELECT i, 'x' FROM generate_series(1, 500) i;
	CREATE TABLE cores (c cor, nome text COLLATE semcaixa, extra text, PRIMARY KEY (nome, c));
	INSERT INTO cores SELECT e, 'Nome' || i, NULL FROM generate_series(1, 100) i, unnest(enum_range(NULL::cor)) e;
	CREATE TABLE soltas (v text);
	INSERT INTO soltas SELECT i FROM generate_series(1, 100) i;
	CREATE TABLE partes (id uuid DEFAULT gen_random_uuid(), dia int, v text, PRIMARY KEY (id, dia)) PARTITION BY LIST (dia);
	CREATE TABLE partes_0 PARTITION OF partes FOR VALUES IN (0);
	CREATE TABLE partes_1 PARTITION OF partes FOR VALUES IN (1, 2);
	INSERT INTO partes (dia, v) SELECT i % 3, i FROM generate_series(1, 600) i;
	CREATE TABLE mae (id int PRIMARY KEY, v text);
	CREATE TABLE filha (PRIMARY KEY (id)) INHERITS (mae);
	INSERT INTO mae SELECT i, i FROM generate_series(1, 200) i;
	INSERT INTO filha SELECT i, i FROM generate_series(1, 200) i;
	CREATE INDEX ON pessoas (nome);
	CREATE VIEW todas AS SELECT * FROM pessoas;
	CREATE FUNCTION nunca() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''fired''; END';
	CREATE TRIGGER t BEFORE DELETE ON valores FOR EACH ROW WHEN (OLD.t = 'never') EXECUTE FUNCTION nunca();
	SELECT lo_from_bytea(4711, 'objeto')`

// steps are changes of a chained database, each one of which an incremental
// follows. %d is a number that is new each time.
var steps = []string{
	"INSERT INTO pessoas (nome, n) SELECT 'nova', %d * 1000000 + i FROM generate_series(1, 40) i",
	"UPDATE pessoas SET nome = nome || '%d' WHERE id %% 97 = 3",
	"DELETE FROM pessoas WHERE id %% 53 = %d %% 53",
	"UPDATE pessoas SET n = -n WHERE id < 40; UPDATE pessoas SET nome = 'último %d' WHERE id = (SELECT max(id) FROM pessoas)",
	"DELETE FROM tarefas WHERE codigo LIKE '%%7_'; UPDATE tarefas SET codigo = codigo || '%d' WHERE codigo LIKE E'%%9\\\\\\\\'",
	"UPDATE valores SET v = v + 0.0 WHERE v < 40; UPDATE valores SET v = v + 0.000 WHERE v > %d %% 400 AND v < %d %% 400 + 9",
	"DELETE FROM valores WHERE v %% 31 = %d %% 31; INSERT INTO valores SELECT 1000 * %d + i, '' FROM generate_series(1, 9) i",
	"UPDATE cores SET nome = upper(nome), extra = '%d' WHERE nome LIKE '%%7' COLLATE \"C\"; DELETE FROM cores WHERE c = 'azul' AND right(nome, 1) = '3'",
	"INSERT INTO soltas VALUES ('%d')",
	"UPDATE partes SET dia = (dia + 1) %% 3, v = '%d' WHERE v LIKE '1%%'; DELETE FROM partes WHERE v LIKE '55%%'",
	"DELETE FROM ONLY mae WHERE id %% 20 = %d %% 20; UPDATE filha SET v = 'f' WHERE id %% 30 = 1",
	"TRUNCATE filha; INSERT INTO filha VALUES (%d, 'só')",
	"DELETE FROM pessoas WHERE id BETWEEN 500 AND 600; INSERT INTO pessoas (id, nome) OVERRIDING SYSTEM VALUE SELECT i, 'de volta %d' FROM generate_series(550, 560) i",
	"SELECT nextval('pessoas_id_seq') FROM generate_series(1, 5); SELECT lo_put(4711, 0, '%d')",
	"ALTER TABLE valores RENAME TO valores_%d; ALTER TABLE valores_%d RENAME TO valores; ALTER TABLE mae RENAME TO mae_%d; ALTER TABLE filha RENAME TO mae; ALTER TABLE mae_%d RENAME TO filha",
	"ALTER TABLE tarefas ADD COLUMN c_%d int DEFAULT 7",
	"UPDATE pessoas SET nome = NULL WHERE id %% 3 = 0 AND %d > 0",
	"SELECT %d",
}

// point is a moment of a database: the set that was taken, and what it held.
type point struct {
	set     *manifest.Manifest
	content string
	done    string
}

// chainOf takes a full backup and an incremental after each of so many random
// changes.
func chainOf(t *testing.T, sink remote.RemoteSink, source string, tools oracle.Tools, rng *rand.Rand, n int) (points []point) {
	t.Helper()
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, source)}, ProveWithin: 3, MaxChain: 1000}
	note := func(done string) {
		res, err := backup.Run(t.Context(), sink, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, point{res.Manifest, content(t, tools, source), done})
	}
	note("full")
	number := 0
	for range n {
		var done []string
		for range 1 + rng.IntN(2) {
			number++
			step := strings.ReplaceAll(steps[rng.IntN(len(steps))], "%d", fmt.Sprint(number))
			step = strings.ReplaceAll(step, "%%", "%")
			oracle.Exec(t, source, step)
			done = append(done, step)
		}
		note(strings.Join(done, "; "))
	}
	return points
}

// TestChain restores points of a chain of random changes, and holds each against
// what the database held then.
func TestChain(t *testing.T) {
	t.Parallel()
	majors, n := []int{15}, 14
	if long {
		majors, n = []int{13, 15, 18}, 60
	}
	for _, major := range majors {
		srv, tools := oracle.Server(t, major), client(t, major)
		source, sink := settled(t, srv, chained), folder(t)
		seed := rand.Uint64()
		t.Logf("%d: seed %d", major, seed)
		points := chainOf(t, sink, source, tools, rand.New(rand.NewPCG(seed, 0)), n)
		incrementals := 0
		for i, p := range points {
			if p.set.Kind == manifest.Incremental {
				incrementals++
			}
			if i%3 != 0 && i != len(points)-1 && !long {
				continue
			}
			target := bringBack(t, sink, p.set, srv)
			if diff := oracle.Difference(p.content, content(t, tools, target)); diff != "" {
				t.Fatalf("%d: point %d, after %q, restores to something else: %s", major, i, p.done, diff)
			}
		}
		if incrementals < n*3/4 {
			t.Errorf("%d: only %d of %d sets are incremental", major, incrementals, len(points))
		}
		last := points[len(points)-1].set
		rep, err := (&verify.Verifier{Sink: sink}).Integrity(t.Context(), last)
		if err != nil || !rep.OK() {
			t.Errorf("%d: integrity of %s: %v, %v", major, last.ID, err, rep.Err())
		}
	}
}

// settled makes a database whose rows are older than all that runs on its server
// by then, other tests included: an incremental would store newer ones again.
func settled(t *testing.T, srv *scratch.Server, sql string) string {
	t.Helper()
	url := oracle.Database(t, srv, sql)
	made := value[string](t, url, "SELECT pg_current_xact_id()::text")
	oracle.Await(t, "the transactions that ran meanwhile are not over", func() bool {
		return value[bool](t, url, "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8", made)
	})
	return url
}
