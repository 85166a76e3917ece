package restore_test

import (
	"context"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

func init() {
	if os.Getenv(childEnv) == "tables" {
		childTables(os.Args[1], os.Args[2])
	}
}

func childTables(folder, target string) {
	sink := must(remote.NewDir(folder))
	inv := must(manifest.Scan(context.Background(), sink, nil))
	set := must(inv.Find("latest"))
	r := &restore.Restorer{Sink: sink, Target: must(pgx.ParseConfig(target))}
	plan := must(r.PlanTables(context.Background(), set, []string{"kept", "rebuilt"}, &restore.TableOptions{Replace: true, Confirm: agree}))
	_, err := plan.Apply(context.Background())
	exit(err)
}

// crashing has a table that is merged and one that is replaced.
const crashing = `
	CREATE TABLE kept (id serial PRIMARY KEY, v text);
	CREATE TABLE rebuilt (id serial PRIMARY KEY, v text, kept int REFERENCES kept ON DELETE CASCADE);
	INSERT INTO kept (v) SELECT repeat('x', 40) FROM generate_series(1, 4000);
	INSERT INTO rebuilt (v, kept) SELECT 'r', n FROM generate_series(1, 4000) n;
	CREATE VIEW seen AS SELECT v FROM rebuilt`

const damageCrashing = `
	DELETE FROM kept WHERE id % 2 = 0;
	UPDATE kept SET v = 'damaged' WHERE id % 3 = 0;
	ALTER TABLE rebuilt ADD extra text DEFAULT 'no';
	SELECT setval('kept_id_seq', 30000), setval('rebuilt_id_seq', 30000)`

// TestKilledTables: whatever a killed restore of tables leaves is the damaged
// state or the restored one, of tables and sequences alike.
func TestKilledTables(t *testing.T) {
	t.Parallel()
	const role = "regress_pgcofre_killed_tables"
	srv := oracle.Server(t, 15)
	url := asRole(t, srv, role, oracle.Database(t, srv, crashing))
	sink := folder(t)
	take(t, sink, url, "zstd")
	summary := func() (s string) {
		return value[string](t, url, `SELECT concat((SELECT md5(string_agg(k::text, '' ORDER BY id)) FROM kept k), (SELECT md5(string_agg(r::text, '' ORDER BY id)) FROM rebuilt r),
			(SELECT last_value FROM kept_id_seq), ' ', (SELECT last_value FROM rebuilt_id_seq), (SELECT count(*) FROM seen),
			(SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE conrelid IN ('kept'::regclass, 'rebuilt'::regclass)))`)
	}
	before := summary()
	oracle.Exec(t, url, damageCrashing)
	damaged := summary()
	k := newKiller(t, "tables", sink.String(), url)
	if got := summary(); got != before {
		t.Fatalf("restored: %s, want %s", got, before)
	}
	oracle.Exec(t, url, damageCrashing)
	killed := 0
	for range kills() {
		if k.kill(t) {
			killed++
		}
		awaitNoBackend(t, srv, role)
		switch summary() {
		case damaged:
		case before:
			oracle.Exec(t, url, damageCrashing)
		default:
			t.Fatalf("neither: %s", summary())
		}
	}
	if killed == 0 {
		t.Error("no child was killed while it worked")
	}
}
