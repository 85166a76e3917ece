package retention

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// decideRuns decides on the records of runs, of which there can be thousands:
// once on all that go, and once on all that stay.
func (j *judge) decideRuns() (list []Decision) {
	most := j.policy.Runs
	kept := 0
	var gone []string
	decide := func(id string, start time.Time, newest bool) {
		if most <= 0 || newest || j.now.Sub(start) <= most {
			kept++
		} else {
			gone = append(gone, id)
		}
	}
	type series struct {
		source  string
		outcome manifest.Outcome
	}
	newest := map[series]*manifest.Run{}
	for _, r := range j.inv.Runs {
		newest[series{r.Source, r.Outcome}] = r
	}
	for _, r := range j.inv.Runs {
		decide(r.ID, r.Start, newest[series{r.Source, r.Outcome}] == r)
	}
	for _, r := range j.inv.Refused {
		if id, start, ok := unsealedRun(r); ok {
			decide(id, start, false)
		}
	}
	d := Decision{Subject: Runs, ID: "state/runs", Path: "state/runs/"}
	if len(gone) > 0 {
		d.Delete, d.Count, d.runs = true, len(gone), gone
		d.Reasons = []string{fmt.Sprintf("%d records are more than %s old", len(gone), span(most))}
		list = append(list, d)
	}
	if kept > 0 {
		d.Delete, d.Count, d.runs = false, kept, nil
		d.Reasons = []string{fmt.Sprintf("%d records: %s are kept, and the newest of each source and outcome", kept, span(most))}
		if most <= 0 {
			d.Reasons = []string{fmt.Sprintf("%d records: the policy keeps all", kept)}
		}
		list = append(list, d)
	}
	return list
}

// unsealedRun tells whether what is refused is the record of a run that lacks
// the seal asked for. It goes by its age as others do, as it says nothing that
// counts and there is one more with each run of a program without the key.
func unsealedRun(r manifest.Refused) (id string, start time.Time, ok bool) {
	var seal *manifest.SealError
	if !errors.As(r.Err, &seal) {
		return "", time.Time{}, false
	}
	return manifest.RunID(r.Name)
}

// deleteRuns deletes records of runs, and goes on where one stays.
func (a *applier) deleteRuns(o *Outcome) {
	var g errgroup.Group
	g.SetLimit(a.Jobs)
	for _, id := range o.runs {
		g.Go(func() error {
			return a.do(func() error { return manifest.DeleteRun(a.ctx, a.sink, id) })
		})
	}
	o.end(g.Wait())
}
