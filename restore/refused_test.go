package restore_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
)

// shop is a small database to restore in place.
const shop = `
	CREATE SCHEMA app;
	CREATE TYPE app.size AS ENUM ('s', 'm');
	CREATE FUNCTION app.price(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';
	CREATE TABLE app."Item; --" (id serial PRIMARY KEY, size app.size);
	INSERT INTO app."Item; --" (size) VALUES ('s'), ('m');
	CREATE TABLE app.part (id int, at date) PARTITION BY RANGE (at);
	CREATE TABLE app.part_1 PARTITION OF app.part FOR VALUES FROM ('2025-01-01') TO ('2025-02-01');
	INSERT INTO app.part VALUES (1, '2025-01-05');
	CREATE TABLE app.ident (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
	CREATE PUBLICATION ours FOR TABLE app.ident`

// sets is how many sets there are.
func sets(t *testing.T, sink *remotetest.Faulty) int {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	return len(inv.Sets)
}

// TestReplaceRefused: where something that is not in the set depends on what is,
// or is in its way, nothing is changed, and the refusal names it.
func TestReplaceRefused(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	tools, sink := client(t, 15), &remotetest.Faulty{RemoteSink: folder(t)}
	for name, c := range map[string]struct {
		sql  string
		want []string
	}{
		"foreign key": {`CREATE TABLE mine ("a "" b" int CONSTRAINT "k; DROP" REFERENCES app."Item; --")`,
			[]string{`constraint k; DROP on table public.mine`, `app."Item; --"`}},
		"view":             {`CREATE VIEW mine AS SELECT size FROM app."Item; --"`, []string{"view public.mine depends on"}},
		"function":         {`ALTER TYPE app.size ADD VALUE 'l'; CREATE FUNCTION mine(app.size) RETURNS int LANGUAGE sql AS 'SELECT 1'`, []string{"function public.mine(app.size)", "type app.size"}},
		"default":          {`ALTER FUNCTION app.price(int) STABLE; CREATE TABLE mine (id int DEFAULT app.price(1))`, []string{"default value for column id of table public.mine", "function app.price(integer)"}},
		"child":            {`CREATE TABLE mine () INHERITS (app."Item; --")`, []string{"table public.mine depends on"}},
		"publication":      {`CREATE PUBLICATION mine FOR TABLE app.part_1`, []string{"publication mine", "app.part_1"}},
		"renamed":          {`ALTER TABLE app."Item; --" RENAME TO "Old"`, []string{`TABLE app.Old is TABLE app.Item; -- of the backup, renamed`, `index app."Item; --_pkey" of table app."Old"`}},
		"renamed identity": {`ALTER TABLE app.ident RENAME TO ident_old`, []string{"TABLE app.ident_old is TABLE app.ident of the backup, renamed", "sequence app.ident_id_seq is part of"}},
		"subscription": {`CREATE SUBSCRIPTION mine CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE);
			INSERT INTO pg_subscription_rel SELECT oid, 'app.part_1'::regclass, 'r', NULL FROM pg_subscription WHERE subname = 'mine'`,
			[]string{"a subscription, which no backup holds, writes to table app.part_1"}},
		"name of a type": {`DROP TABLE app.part; CREATE TYPE app.part AS (a int)`, []string{"app.part has a name that the set needs"}},
	} {
		t.Run(name, func(t *testing.T) {
			target := oracle.Database(t, srv, shop)
			set := take(t, sink, target, "zstd")
			oracle.Exec(t, target, c.sql)
			before, n := content(t, tools, target), sets(t, sink)
			p := plan(t, sink, set, target, inPlace())
			var refused *restore.RefusedError
			if !errors.As(p.Missing(), &refused) {
				t.Fatalf("the plan refuses nothing: %v", p.Missing())
			}
			all := strings.Join(refused.Reasons, "\n")
			for _, want := range c.want {
				if !strings.Contains(all, want) {
					t.Errorf("it does not say %q:\n%s", want, all)
				}
			}
			if _, err := p.Apply(t.Context()); !errors.As(err, &refused) {
				t.Errorf("Apply: %v", err)
			}
			if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
				t.Errorf("something changed: %s", diff)
			}
			if sets(t, sink) != n {
				t.Error("there is a new set")
			}
			oracle.Exec(t, target, "DROP SUBSCRIPTION IF EXISTS mine")
		})
	}
}

// TestReplaceStays: what does not stand in the way stays, and what goes with its
// table is named.
func TestReplaceStays(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	sink, source := folder(t), oracle.Database(t, srv, shop)
	set := take(t, sink, source, "zstd")
	target := damaged(t, srv, source, `
		CREATE TABLE app.part_2 PARTITION OF app.part FOR VALUES FROM ('2025-02-01') TO ('2025-03-01');
		INSERT INTO app.part VALUES (2, '2025-02-05');
		CREATE TABLE app.stays (id int); CREATE VIEW app.stays_too AS SELECT * FROM app.stays;
		ALTER PUBLICATION ours ADD TABLE app.stays;
		CREATE TABLE needs (sizes app.size[]);
		DROP FUNCTION app.price(int)`)
	p := plan(t, sink, set, target, inPlace())
	if want := []string{"TABLE app.part_2", "PUBLICATION TABLE app.ours stays"}; !slices.Equal(p.Replace.Along, want) {
		t.Errorf("along go %q, want %q", p.Replace.Along, want)
	}
	if want := []string{"TABLE app.stays", "TABLE public.needs", "TYPE app.size", "VIEW app.stays_too"}; !slices.Equal(p.Replace.Stays, want) {
		t.Errorf("it says that %q stay, want %q", p.Replace.Stays, want)
	}
	res, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, target, "SELECT count(*) FROM app.part"); n != 1 {
		t.Errorf("the partitioned table has %d rows, want the 1 of the backup", n)
	}
	oracle.Exec(t, target, "SELECT app.price(1); SELECT * FROM app.stays_too; INSERT INTO app.stays VALUES (3)")
	rollBack(t, sink, res.Safety, target)
	if n := value[int](t, target, "SELECT count(*) FROM app.part"); n != 2 {
		t.Errorf("after the rollback, the partitioned table has %d rows, want 2", n)
	}
	if n := value[int](t, target, "SELECT count(*) FROM app.stays"); n != 1 {
		t.Errorf("after the rollback, the table that stayed has %d rows, want the 1 that came since", n)
	}
	if value[bool](t, target, "SELECT to_regproc('app.price') IS NOT NULL") {
		t.Error("after the rollback, what the restore had created is left")
	}
}

// TestReplaceConfirm: nothing happens without a confirmation, nor to anything
// that came after the plan.
func TestReplaceConfirm(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	tools, sink := client(t, 15), &remotetest.Faulty{RemoteSink: folder(t)}
	target := oracle.Database(t, srv, shop)
	name := oracle.Config(t, target).Database
	set := take(t, sink, target, "zstd")
	late := func(sql string) func(context.Context, *restore.Plan) error {
		return func(context.Context, *restore.Plan) error { oracle.Exec(t, target, sql); return nil }
	}
	var refused *restore.RefusedError
	for what, c := range map[string]struct {
		confirm func(context.Context, *restore.Plan) error
		as      func(error) bool
	}{
		"nobody":     {nil, func(err error) bool { return err != nil }},
		"wrong":      {restore.Typed("sim", "CONFIRMO"), func(err error) bool { return errors.Is(err, restore.ErrNotConfirmed) }},
		"new index":  {late(`CREATE INDEX late ON app.part_1 (id)`), func(err error) bool { return err != nil && strings.Contains(err.Error(), "INDEX app.late is new") }},
		"dependents": {late(`CREATE VIEW late AS SELECT * FROM app.part`), func(err error) bool { return errors.As(err, &refused) }},
	} {
		if _, err := plan(t, sink, set, target, &restore.Options{Replace: true, Confirm: c.confirm}).Apply(t.Context()); !c.as(err) {
			t.Errorf("%s: %v", what, err)
		}
		oracle.Exec(t, target, "DROP INDEX IF EXISTS app.late; DROP VIEW IF EXISTS late")
	}
	if sets(t, sink) != 1 {
		t.Error("a safety backup was taken")
	}
	before := content(t, tools, target)
	for _, confirm := range []func(context.Context, *restore.Plan) error{restore.Typed(name), restore.Typed("CONFIRMO", "CONFIRMO")} {
		if _, err := plan(t, sink, set, target, &restore.Options{Replace: true, Confirm: confirm}).Apply(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
		t.Error(diff)
	}
}

// TestReplaceKeepsWritersAway: nobody writes to what goes from before the safety
// backup on, and no backup is taken meanwhile.
func TestReplaceKeepsWritersAway(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	target := oracle.Database(t, srv, shop)
	sink := &remotetest.Faulty{RemoteSink: folder(t)}
	set := take(t, sink, target, "zstd")
	conn := connect(t, target)
	var tried error
	var once sync.Once
	sink.OnPut = func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if strings.HasPrefix(name, "full/") {
			once.Do(func() {
				_, tried = conn.Exec(context.Background(), `SET lock_timeout = '20ms'; INSERT INTO app.part VALUES (9, '2025-01-09')`)
			})
		}
		return r, nil
	}
	opts := inPlace()
	during := errors.New("no backup was tried")
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Progress: func(p restore.Progress) {
		if p.Phase == "data and indexes" {
			_, during = backup.Run(context.Background(), remotetest.NewMem(), &backup.Dumper{Config: oracle.Config(t, target)}, nil)
		}
	}}
	p, err := r.Plan(t.Context(), set, opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	var pg *pgconn.PgError
	if !errors.As(tried, &pg) || pg.Code != "55P03" {
		t.Errorf("a writer during the safety backup got %v, want a lock timeout", tried)
	}
	if !errors.Is(during, backup.ErrBusy) {
		t.Errorf("a backup during the restore got %v, want ErrBusy", during)
	}
}

// TestReplaceBusy: neither a database that is being backed up nor tables that
// somebody uses are replaced.
func TestReplaceBusy(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	sink, target := folder(t), oracle.Database(t, srv, shop)
	set := take(t, sink, target, "zstd")
	conn := connect(t, target)
	if err := pgsession.TakeLock(t.Context(), conn, pgsession.BackupLock); err != nil {
		t.Fatal(err)
	}
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
	if _, err := r.Plan(t.Context(), set, inPlace()); !errors.Is(err, restore.ErrBusy) {
		t.Errorf("during a backup: %v, want ErrBusy", err)
	}
	if _, err := conn.Exec(t.Context(), "SELECT pg_advisory_unlock_all(); SET application_name = 'the reader'; BEGIN; SELECT * FROM app.part"); err != nil {
		t.Fatal(err)
	}
	opts := inPlace()
	opts.LockTimeout = 50 * time.Millisecond
	p := plan(t, sink, set, target, opts)
	if !strings.Contains(planText(t, p), "the reader") {
		t.Error("the plan does not name who uses the database")
	}
	_, err := p.Apply(t.Context())
	var failed *restore.ReplaceError
	if !errors.As(err, &failed) || failed.Changed || failed.Safety == "" || !strings.Contains(err.Error(), "the reader") {
		t.Errorf("with a reader: %v", err)
	}
	if p := plan(t, sink, set, target, inPlace()); p.Replace.Unfinished != nil {
		t.Error("the database counts as incomplete")
	}
}

// TestReplaceSafetyAsSafe: the safety backup is no less protected than the set.
func TestReplaceSafetyAsSafe(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	sink, target := folder(t), oracle.Database(t, srv, shop)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	opts := &backup.Options{Recipients: []age.Recipient{id.Recipient()}, Seal: private}
	set, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, target)}, opts)
	if err != nil {
		t.Fatal(err)
	}
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Identities: []age.Identity{id}}
	if _, err := r.Plan(t.Context(), set.Manifest, inPlace()); err == nil || !strings.Contains(err.Error(), "Recipients") {
		t.Errorf("a set that is encrypted, and its safety backup would not be: %v", err)
	}
	r.Trust, r.SafetyOptions = []ed25519.PublicKey{public}, &backup.Options{Recipients: opts.Recipients}
	if _, err := r.Plan(t.Context(), set.Manifest, inPlace()); err == nil || !strings.Contains(err.Error(), "Seal") {
		t.Errorf("a set that is sealed, and its safety backup would not be: %v", err)
	}
	r.SafetyOptions, r.Safety = opts, folder(t)
	p, err := r.Plan(t.Context(), set.Manifest, inPlace())
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	safety := find(t, r.Safety, res.Safety)
	if p, err = r.PlanRollback(t.Context(), safety, inPlace()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := r.PlanRollback(t.Context(), set.Manifest, nil); err == nil {
		t.Error("a set that is no safety set was rolled back to")
	}
	other := *r
	other.Target = oracle.Config(t, oracle.Database(t, srv, shop))
	if _, err := other.PlanRollback(t.Context(), safety, nil); err == nil || !strings.Contains(err.Error(), "another database") {
		t.Errorf("a rollback to the safety set of another database: %v", err)
	}
}

// TestReplaceDamagedSet: nothing is given up for a set that cannot be read.
func TestReplaceDamagedSet(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	tools, target := client(t, 15), oracle.Database(t, srv, shop, "SELECT lo_from_bytea(1001, 'one')")
	sink := &remotetest.Faulty{RemoteSink: folder(t)}
	set := take(t, sink, target, "none")
	before := content(t, tools, target)
	for _, o := range set.Objects {
		if !strings.Contains(o.Name, ".dat") || o.Name == "toc.dat" {
			continue
		}
		sink.OnGet = func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if name == set.Path(o.Name) {
				return io.MultiReader(strings.NewReader("x"), r), nil
			}
			return r, nil
		}
		var damage *manifest.DamageError
		if _, err := plan(t, sink, set, target, inPlace()).Apply(t.Context()); !errors.As(err, &damage) {
			t.Errorf("%s is damaged: %v", o.Name, err)
		}
	}
	sink.OnGet = nil
	if diff := oracle.Difference(before, content(t, tools, target)); diff != "" {
		t.Errorf("something changed: %s", diff)
	}
	if sets(t, sink) != 1 {
		t.Error("there is a new set")
	}
}
