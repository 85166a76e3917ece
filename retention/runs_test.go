package retention_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/retention"
)

// failedRuns records a run a day that failed.
func failedRuns(t *testing.T, sink remote.RemoteSink, days int) {
	t.Helper()
	for i := range days {
		r, err := manifest.NewRun("app", start.AddDate(0, 0, i))
		if err != nil {
			t.Fatal(err)
		}
		r.Outcome, r.End = manifest.Failed, r.Start
		if err := r.Put(t.Context(), sink, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func runsOf(t *testing.T, sink remote.RemoteSink) (days string) {
	t.Helper()
	for _, r := range scan(t, sink).Runs {
		days += r.Start.Format("0102 ")
	}
	return days
}

// However many records of runs there are, a plan tells of them in two lines.
func TestPlanRuns(t *testing.T) {
	sink := remotetest.NewMem()
	failedRuns(t, sink, 40)
	policy := retention.Documented()
	plan := policy.Plan(scan(t, sink), start.AddDate(0, 0, 35))
	want := `delete runs state/runs: 5 records are more than 30 days old
keep   runs state/runs: 35 records: 30 days are kept, and the newest of each source and outcome
0 sets to keep (0 bytes); to delete: 0 sets (0 bytes), 0 leftovers (0 bytes), 0 proofs, 5 records of runs`
	if got := plan.String(); got != want {
		t.Errorf("the plan is\n%s", got)
	}
	res, err := retention.Clean(t.Context(), sink, policy, start.AddDate(1, 0, 0), nil)
	if err != nil || res.Count(retention.Runs, retention.Deleted) != 39 {
		t.Errorf("%v, %v", res, err)
	}
	if got := runsOf(t, sink); got != "0214 " {
		t.Errorf("left are the runs of %s", got)
	}
}

// A store that lets some of them not go is reported, and the others go.
func TestRunsLocked(t *testing.T) {
	sink := remotetest.NewMem()
	failedRuns(t, sink, 40)
	locked := &remotetest.Faulty{RemoteSink: sink, OnDelete: func(_ context.Context, name string) error {
		if strings.Contains(name, "20250110") {
			return fs.ErrPermission
		}
		return nil
	}}
	res, err := retention.Clean(t.Context(), locked, retention.Documented(), start.AddDate(0, 0, 35), nil)
	if err != nil || res.Count(retention.Runs, retention.Locked) != 5 {
		t.Errorf("%v, %v", res, err)
	}
	if got := runsOf(t, sink); !strings.HasPrefix(got, "0110 0111 0112 ") {
		t.Errorf("left are the runs of %s", got)
	}
	broken := &remotetest.Faulty{RemoteSink: sink, OnDelete: func(context.Context, string) error { return errors.New("broken") }}
	if _, err := retention.Clean(t.Context(), broken, retention.Documented(), start.AddDate(0, 0, 36), nil); !errors.As(err, new(*retention.ApplyError)) {
		t.Errorf("a sink that does not delete: %v", err)
	}
}

// Records of runs without the seal that is asked for go by their age; others
// that cannot be used stay.
func TestRunsUnsealed(t *testing.T) {
	sink := remotetest.NewMem()
	failedRuns(t, sink, 40)
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	odd := fmt.Sprintf("state/runs/%s-odd0.json", start.Format("20060102T150405Z"))
	put(t, sink, odd, []byte("{"))
	sig, err := manifest.Sign(key, []byte("{"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, sink, odd+".sig", sig)
	opts := &retention.Options{Trust: []ed25519.PublicKey{key.Public().(ed25519.PublicKey)}}
	res, err := retention.Clean(t.Context(), sink, retention.Documented(), start.Add(35*day+time.Hour), opts)
	if err != nil || res.Count(retention.Runs, retention.Deleted) != 6 {
		t.Errorf("%v, %v", res, err)
	}
	if list := names(t, sink); len(list) != 36 || list[0] != odd {
		t.Errorf("left is %v", list)
	}
}
