package restore_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

func yes(context.Context, *restore.Plan) error { return nil }

// inPlace are options of a restore in place that nobody stops.
func inPlace() *restore.Options { return &restore.Options{Replace: true, Confirm: yes} }

// replace restores a set in place.
func replace(t *testing.T, sink remote.RemoteSink, set *manifest.Manifest, target string) *restore.Result {
	t.Helper()
	res, err := plan(t, sink, set, target, inPlace()).Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if res.Safety == "" {
		t.Fatal("there is no safety backup")
	}
	return res
}

// find is the set of an ID.
func find(t *testing.T, sink remote.RemoteSink, id string) *manifest.Manifest {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	set, err := inv.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// rollBack undoes a restore in place.
func rollBack(t *testing.T, sink remote.RemoteSink, safety, target string) *restore.Result {
	t.Helper()
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}
	p, err := r.PlanRollback(t.Context(), find(t, sink, safety), inPlace())
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.Apply(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestReplaceEverything drops and brings back databases of every kind of
// object, and rolls that back. By stock pg_restore they come back as well.
func TestReplaceEverything(t *testing.T) {
	t.Parallel()
	majors := []int{15}
	if long {
		majors = oracle.Majors
	}
	for _, major := range majors {
		for _, b := range databases(major) {
			t.Run(fmt.Sprint(b.Name, major), func(t *testing.T) {
				t.Parallel()
				srv, tools := oracle.Server(t, major), client(t, major)
				target, sink := b.Build(t, srv), folder(t)
				want := oracle.Dump(t, tools, target, "--create")
				set := take(t, sink, target, "gzip")
				if major == 15 {
					stock(t, srv, tools, b, sink, set, oracle.Dump(t, tools, target), "-j1")
				}
				is := func(what string) {
					same(t, sink, set, target, nil)
					if diff := oracle.Difference(want, oracle.Dump(t, tools, target, "--create")); diff != "" && !b.Drifts {
						t.Errorf("pg_dump after the %s differs: %s", what, diff)
					}
				}
				res := replace(t, sink, set, target)
				is("restore in place")
				rollBack(t, sink, res.Safety, target)
				is("rollback")
			})
		}
	}
}

// planText is the plan as a person reads it.
func planText(t *testing.T, p *restore.Plan) string {
	t.Helper()
	var b strings.Builder
	if err := p.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
