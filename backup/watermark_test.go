package backup_test

import (
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// documented are the tables of which an operator wants incrementals by clocks.
const documented = `
	CREATE TABLE beneficiarias (id int PRIMARY KEY, nome text, updated_at timestamptz NOT NULL DEFAULT now());
	CREATE TABLE feed_posts (id int PRIMARY KEY, texto text, created_at timestamp NOT NULL DEFAULT now(), updated_at timestamp);
	CREATE TABLE tarefas (id int PRIMARY KEY, titulo text, updated_at timestamptz);
	CREATE TABLE audit_logs (id int PRIMARY KEY, acao text, "timestamp" timestamptz NOT NULL DEFAULT now());
	INSERT INTO beneficiarias SELECT i, md5(i::text) || sha256(i::text::bytea), now() - interval '1 day' - i * interval '1 second' FROM generate_series(1, 5000) AS i;
	INSERT INTO feed_posts SELECT i, md5(i::text) || sha256(i::text::bytea), now() - interval '1 day' - i * interval '1 second' FROM generate_series(1, 5000) AS i;
	INSERT INTO tarefas SELECT i, md5(i::text) || sha256(i::text::bytea), now() - interval '1 day' - i * interval '1 second' FROM generate_series(1, 5000) AS i;
	INSERT INTO audit_logs SELECT i, md5(i::text) || sha256(i::text::bytea), now() - interval '1 day' - i * interval '1 second' FROM generate_series(1, 5000) AS i`

var clocks = []backup.Watermark{
	{Table: "beneficiarias", Columns: []string{"updated_at"}},
	{Table: "feed_posts", Columns: []string{"created_at", "updated_at"}},
	{Table: "tarefas", Columns: []string{"updated_at"}},
	{Table: "audit_logs", Columns: []string{"timestamp"}},
}

// TestWatermark shows what incrementals by clocks store of each change, and what
// they miss that those by transactions have.
func TestWatermark(t *testing.T) {
	url := oracle.Database(t, oracle.Server(t, 15), documented)
	conn := connect(t, url)
	by := map[string]*backup.Incremental{
		"clock":        {Dumper: backup.Dumper{Config: oracle.Config(t, url)}, Watermarks: clocks},
		"transactions": {Dumper: backup.Dumper{Config: oracle.Config(t, url)}},
	}
	sinks := map[string]*remotetest.Mem{"clock": remotetest.NewMem(), "transactions": remotetest.NewMem()}
	run := func(name string) *manifest.Manifest { return incremental(t, sinks[name], by[name], nil) }
	for name := range by {
		run(name)
	}
	for _, c := range []struct {
		what, sql, table    string
		clock, transactions int64 // rows stored
		listed              bool  // by the clock
	}{
		{"an update with its clock", "UPDATE beneficiarias SET nome = 'y', updated_at = now() WHERE id = 7", "beneficiarias", 1, 1, false},
		{"an insert", "INSERT INTO feed_posts VALUES (6000, 'new', now())", "feed_posts", 1, 1, false},
		{"the later of two clocks", "UPDATE feed_posts SET texto = 'y', updated_at = now() WHERE id = 8", "feed_posts", 1, 1, false},
		{"an update that leaves the clock", "UPDATE tarefas SET titulo = 'lost' WHERE id = 9", "tarefas", 0, 1, false},
		{"an insert with a clock of long ago", "INSERT INTO audit_logs VALUES (6001, 'late', '2020-01-01')", "audit_logs", 1, 1, true},
		{"a row without a clock", "UPDATE tarefas SET updated_at = NULL WHERE id = 10", "tarefas", 1, 1, false},
	} {
		if _, err := conn.Exec(t.Context(), c.sql); err != nil {
			t.Fatal(err)
		}
		set := run("clock")
		table := changesOf(t, sinks["clock"], set, c.table)
		d := table.Delta
		if set.Kind != manifest.Incremental || d == nil || table.Proof != nil || len(d.Clock) == 0 {
			t.Fatalf("%s: %s %+v", c.what, set.Kind, table)
		}
		if (len(d.Listed) > 0) != c.listed || d.Kept != "" || d.Rows != 1+c.clock { // the row at the mark comes each time
			t.Errorf("%s: by clocks %d rows are stored, %d bytes of buckets, keys %q", c.what, d.Rows, len(d.Listed), d.Kept)
		}
		if d := changesOf(t, sinks["transactions"], run("transactions"), c.table).Delta; d.Rows != c.transactions || len(d.Listed) != 0 {
			t.Errorf("%s: by transactions %d rows are stored", c.what, d.Rows)
		}
		if want := value[int64](t, conn, "SELECT count(*) FROM "+c.table); table.Rows != want {
			t.Errorf("%s: it has %d rows, want %d", c.what, table.Rows, want)
		}
	}
}

// TestWatermarkRunning has a transaction begin before a backup and commit after
// it: its rows have a time that is older than the backup.
func TestWatermarkRunning(t *testing.T) {
	url := oracle.Database(t, oracle.Server(t, 15), documented)
	conn, late := connect(t, url), connect(t, url)
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, url)}, Watermarks: clocks}
	sink := remotetest.NewMem()
	oracle.Exec(t, url, "INSERT INTO tarefas VALUES (6001, 'before', now())")
	for _, sql := range []string{"BEGIN", "INSERT INTO tarefas VALUES (6000, 'late', now())"} {
		if _, err := late.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), "INSERT INTO tarefas VALUES (6002, 'after', now())"); err != nil {
		t.Fatal(err)
	}
	incremental(t, sink, src, nil)
	if _, err := late.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if d := changesOf(t, sink, incremental(t, sink, src, nil), "tarefas").Delta; d == nil || d.Rows < 3 {
		t.Errorf("the rows of a transaction that was running are not taken by their clock: %+v", d)
	}
	if _, err := conn.Exec(t.Context(), "BEGIN; INSERT INTO tarefas VALUES (6003, 'prepared', now()); PREPARE TRANSACTION 'watermark'"); err != nil {
		t.Fatal(err)
	}
	incremental(t, sink, src, nil)
	oracle.Exec(t, url, "COMMIT PREPARED 'watermark'")
	if d := changesOf(t, sink, incremental(t, sink, src, nil), "tarefas").Delta; d == nil || d.Rows < 2 {
		t.Errorf("the rows of a transaction that was prepared are not taken by their clock: %+v", d)
	}
}

// TestWatermarkRefused names what is wrong with a watermark.
func TestWatermarkRefused(t *testing.T) {
	srv := oracle.Server(t, 15)
	url := oracle.Database(t, srv, documented, `
		DROP ROLE IF EXISTS watermark_reader; CREATE ROLE watermark_reader LOGIN PASSWORD 'x' IN ROLE pg_read_all_data`)
	for _, c := range []struct {
		url  string
		mark backup.Watermark
		want string
	}{
		{url, backup.Watermark{Table: "tarefas"}, "at least one column"},
		{url, backup.Watermark{Table: "tarefa", Columns: []string{"updated_at"}}, "not among those"},
		{url, backup.Watermark{Table: "tarefas", Columns: []string{"updated"}}, `no column "updated"`},
		{url, backup.Watermark{Table: "tarefas", Columns: []string{"titulo"}}, "is a text"},
		{as(t, url, "watermark_reader", "x"), clocks[0], "pg_read_all_stats"},
	} {
		src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, c.url)}, Watermarks: []backup.Watermark{c.mark}}
		if _, err := backup.Run(t.Context(), remotetest.NewMem(), src, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.mark, err, c.want)
		}
	}
}
