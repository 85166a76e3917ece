package backup_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// restored restores a set into a database that does not exist yet, and proves
// that it holds the same.
func restored(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, target *pgx.ConnConfig) {
	t.Helper()
	plan, err := (&restore.Restorer{Sink: sink, Target: target}).Plan(t.Context(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	rep, err := (&verify.Verifier{Sink: sink}).Compare(t.Context(), set, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := rep.Err(); err != nil {
		t.Error(err)
	}
}

// TestStandby: a standby gives all but the rows of unlogged tables, and the set
// says so.
func TestStandby(t *testing.T) {
	t.Parallel()
	primary := oracle.OwnServer(t, 15, map[string]string{"autovacuum": "off"}) // nothing but the test commits
	standby := oracle.Standby(t, primary)
	url := oracle.Database(t, primary, `
		CREATE TABLE logged AS SELECT i, md5(i::text) AS t FROM generate_series(1, 20000) AS i;
		CREATE TABLE measured (id int GENERATED ALWAYS AS IDENTITY, at date) PARTITION BY RANGE (at);
		CREATE TABLE measured_2025 PARTITION OF measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
		INSERT INTO measured (at) VALUES ('2025-08-08'), ('2025-08-09');
		CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM logged;
		SELECT lo_from_bytea(0, 'content')`)
	from, sink := &backup.Dumper{Config: oracle.Config(t, standby.URL(t, url)), RangeSize: 256 << 10}, remotetest.NewMem()
	standby.CatchUp(t)
	set, err := backup.Run(t.Context(), sink, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	contents := intact(t, sink, set.Manifest)
	if d := set.Database; set.Scope != manifest.Whole || !d.Standby || d.LSN == "" || d.SystemID == "" || d.Timeline != 1 || len(contents.Excluded) > 0 {
		t.Errorf("scope %s, database %+v, excluded %v", set.Scope, d, contents.Excluded)
	}
	// Nothing was committed since: the data is as old as the last commit.
	conn := connect(t, from.Config.ConnString())
	if at := value[time.Time](t, conn, `SELECT pg_last_xact_replay_timestamp()`); !set.DataTime.Equal(at) || !set.DataTime.Before(set.Start) {
		t.Errorf("data of %s, want %s; the run began at %s", set.DataTime, at, set.Start)
	}
	restored(t, sink, set.Manifest, primary.Config("restored"))

	oracle.Exec(t, url, `CREATE UNLOGGED TABLE "Volatile" AS SELECT generate_series(1, 10) AS i; CREATE UNLOGGED SEQUENCE passing; SELECT nextval('passing')`)
	standby.CatchUp(t)
	if set, err = backup.Run(t.Context(), sink, from, nil); err != nil {
		t.Fatal(err)
	}
	contents = intact(t, sink, set.Manifest)
	excluded := map[string]string{}
	for _, x := range contents.Excluded {
		excluded[x.Kind+" "+x.Name] = x.Reason
	}
	for _, want := range []string{`table data public."Volatile"`, `sequence value public.passing`} {
		if !strings.Contains(excluded[want], "unlogged") || !strings.Contains(strings.Join(contents.Warnings, "\n"), want) {
			t.Errorf("%s: excluded %q, warnings %q", want, excluded, contents.Warnings)
		}
	}
	if set.Scope != manifest.Part || len(excluded) != 2 {
		t.Errorf("scope %s, excluded %q", set.Scope, excluded)
	}
	restored(t, sink, set.Manifest, primary.Config("restored_part"))
	if n := value[int](t, connect(t, primary.URL("restored_part")), `SELECT count(*) FROM "Volatile"`); n != 0 {
		t.Errorf("%d rows came from nowhere", n)
	}
	oracle.Exec(t, url, `DROP TABLE "Volatile"; DROP SEQUENCE passing`)
}
