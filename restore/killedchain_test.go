package restore_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
)

func childIncremental(folder, source string) {
	_, err := backup.Run(context.Background(), must(remote.NewDir(folder)),
		&backup.Incremental{Dumper: backup.Dumper{Config: must(pgx.ParseConfig(source)), Name: "crash", RangeSize: 64 << 10}, Prove: true}, nil)
	exit(err)
}

// TestKilledChain: whatever killed incrementals leave, every set that is listed
// is whole and can be built upon, and so are restores of them when they are
// killed.
func TestKilledChain(t *testing.T) {
	t.Parallel()
	const role = "regress_pgcofre_killed_chain"
	srv := oracle.Server(t, 15)
	source := oracle.Database(t, srv, large)
	url := asRole(t, srv, role, source)
	sink := folder(t)
	newKiller(t, "incremental", sink.String(), url) // the full backup
	k := newKiller(t, "incremental", sink.String(), url)
	killed := 0
	for n := range kills() {
		oracle.Exec(t, source, fmt.Sprintf(`
			UPDATE big SET v = 'changed ' || v WHERE id %% 97 = %[1]d;
			UPDATE big SET id = -id WHERE id > 19000 AND id %% 7 = %[1]d;
			DELETE FROM big WHERE id > 15000 AND id %% 101 = %[1]d;
			INSERT INTO big SELECT %[1]d * 1000 + 30000 + i, 'new' FROM generate_series(1, 50) AS i;
			DELETE FROM child WHERE id %% 89 = %[1]d`, n))
		if k.kill(t) {
			killed++
		}
		awaitNoBackend(t, srv, role)
		allIntact(t, sink)
	}
	if killed == 0 {
		t.Error("no incremental was killed while it worked")
	}
	var set *manifest.Manifest
	for set == nil || set.Kind == manifest.Full { // a full one may be due, and what follows it is not
		if out, err := k.child(t).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		inv, err := manifest.Scan(t.Context(), sink, nil)
		if err != nil {
			t.Fatal(err)
		}
		set = inv.Latest()
	}
	same(t, sink, set, source, nil)

	target := newName(t, srv)
	name := oracle.Config(t, target).Database
	drop := func() { oracle.Exec(t, srv.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") }
	k = newKiller(t, "restore", sink.String(), target)
	same(t, sink, set, target, nil)
	drop()
	for range kills() {
		k.kill(t)
		if value[bool](t, srv.URL("postgres"), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name) {
			same(t, sink, set, target, nil)
			drop()
		}
	}
}
