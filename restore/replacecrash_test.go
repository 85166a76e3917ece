package restore_test

import (
	"context"
	"os"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// phaseEnv names the phase in which a child that replaces kills itself.
const phaseEnv = "PGCOFRE_TEST_RESTORE_PHASE"

// childReplace restores the set of the sink that is no safety set in place.
func childReplace(folder, target string) {
	sink := must(remote.NewDir(folder))
	set := must(manifest.Scan(context.Background(), sink, nil)).Latest()
	r := &restore.Restorer{Sink: sink, Target: must(pgx.ParseConfig(target)), Progress: func(p restore.Progress) {
		if p.Phase == os.Getenv(phaseEnv) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	}}
	_, err := must(r.Plan(context.Background(), set, inPlace())).Apply(context.Background())
	exit(err)
}

// TestKilledReplace: a restore in place that is killed has changed nothing, or
// has left the database marked; then a rollback and another try both succeed.
func TestKilledReplace(t *testing.T) {
	t.Parallel()
	const role = "regress_pgcofre_killed_replace"
	srv, tools := oracle.Server(t, 15), client(t, 15)
	source, sink := sample(t, srv), folder(t)
	set := take(t, sink, source, "zstd", smallRanges)
	target := damaged(t, srv, source, damage, foreign)
	before := content(t, tools, target, "--create")
	k := &killer{what: "replace", folder: sink.String(), url: asRole(t, srv, role, target)}
	for _, c := range []struct {
		phase   string
		changed bool
	}{{"safety backup", false}, {"schema", false}, {"data and indexes", true}, {"privileges", true}, {"analyzing", true}} {
		cmd := k.child(t)
		cmd.Env = append(cmd.Env, phaseEnv+"="+c.phase)
		if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.Exited() {
			t.Fatalf("%s: the child was not killed: %v\n%s", c.phase, err, out)
		}
		awaitNoBackend(t, srv, role)
		u := plan(t, sink, set, target, inPlace()).Replace.Unfinished
		if !c.changed {
			if u != nil {
				t.Errorf("%s: the database is marked: %v", c.phase, u)
			}
			if diff := oracle.Difference(before, content(t, tools, target, "--create")); diff != "" {
				t.Errorf("%s: something changed: %s", c.phase, diff)
			}
			continue
		}
		if u == nil || u.Set != set.ID {
			t.Fatalf("%s: the mark is %v", c.phase, u)
		}
		rollBack(t, sink, u.Safety, target)
		if diff := oracle.Difference(before, content(t, tools, target, "--create")); diff != "" {
			t.Errorf("%s: the rollback did not bring back what was there: %s", c.phase, diff)
		}
	}
	res := replace(t, sink, set, target)
	options := withoutForeign
	if tools.Major < 16 {
		options = []string{withoutForeign[0], withoutForeign[1], "--no-blobs"}
	}
	oracle.Exec(t, source, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO regress_pgcofre_reader") // is of others
	if diff := oracle.Difference(content(t, tools, source, options...), content(t, tools, target, options...)); diff != "" {
		t.Errorf("restored after all: %s", diff)
	}
	if p := plan(t, sink, set, target, inPlace()); p.Replace.Unfinished != nil {
		t.Errorf("the mark is left: %v", p.Replace.Unfinished)
	}
	rollBack(t, sink, res.Safety, target)
	if diff := oracle.Difference(before, content(t, tools, target, "--create")); diff != "" {
		t.Errorf("rolled back at the end: %s", diff)
	}
}

// TestEndedRollback: a rollback that is ended midway is rolled back to the same
// safety backup again.
func TestEndedRollback(t *testing.T) {
	t.Parallel()
	srv, tools := oracle.Server(t, 15), client(t, 15)
	source, sink := sample(t, srv), folder(t)
	set := take(t, sink, source, "zstd")
	target := damaged(t, srv, source, damage, foreign)
	before := content(t, tools, target, "--create")
	res := replace(t, sink, set, target)
	ctx, cancel := context.WithCancel(t.Context())
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Progress: func(p restore.Progress) {
		if p.Phase == "privileges" {
			cancel()
		}
	}}
	p, err := r.PlanRollback(t.Context(), find(t, sink, res.Safety), inPlace())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(ctx); err == nil {
		t.Fatal("it was not ended")
	}
	if u := plan(t, sink, set, target, inPlace()).Replace.Unfinished; u == nil || u.Set != res.Safety {
		t.Errorf("the mark is %v", u)
	}
	rollBack(t, sink, res.Safety, target)
	if diff := oracle.Difference(before, content(t, tools, target, "--create")); diff != "" {
		t.Errorf("the second rollback did not bring back what was there: %s", diff)
	}
}
