package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// Subject is what a [Decision] is about.
type Subject string

// The subjects of decisions.
const (
	Set     Subject = "set"
	Damaged Subject = "damaged" // a set whose manifest cannot be used: always kept
	Stray   Subject = "stray"   // a set's folder without a manifest
	Proof   Subject = "proof"   // the result of a test
	Record  Subject = "record"  // a hold, proof or record of a run that does not count: always kept
	Runs    Subject = "runs"    // the records of runs: one decision for all that go, one for all that stay
)

// Decision says what becomes of one thing in the sink, and why.
type Decision struct {
	Subject Subject   `json:"subject"`
	ID      string    `json:"id"`               // of the set or proof, the object's name of a record
	Path    string    `json:"path"`             // its folder or object in the sink
	Source  string    `json:"source,omitempty"` // of a set, the name of what is backed up
	Time    time.Time `json:"time,omitzero"`    // the start of a set, the newest object of a stray, the end of a proof
	Size    int64     `json:"size"`             // bytes, 0 where that is not known
	Count   int       `json:"count,omitempty"`  // of runs, how many there are
	Delete  bool      `json:"delete"`
	Reasons []string  `json:"reasons"` // at least one

	set   *manifest.Manifest
	stray *manifest.Stray
	proof *manifest.Proof
	runs  []string // the IDs of those that go
	last  bool     // the proof says what is known of the set: the newest, or the newest that passed
}

// Refusal tells that a policy is not followed for some sets, all of which stay.
type Refusal struct {
	Source string `json:"source"`
	What   string `json:"what"`   // "database", "storage" or "configs"
	Reason string `json:"reason"` // and the way out
}

// Plan is what a policy makes of an inventory. Its fields are for reading:
// changing them does not change what [Apply] deletes, apart from a Delete that
// is set to false.
type Plan struct {
	Now       time.Time  `json:"now"`
	Decisions []Decision `json:"decisions"` // sets by source and start, then what is damaged, strays, proofs, records and runs
	Refusals  []Refusal  `json:"refusals,omitempty"`

	grace time.Duration // 0: leftovers stay
}

// Plan decides what becomes of everything in an inventory, which must be that
// of a whole sink, as the sets of one source may need those of another. It
// looks at nothing else, not even a clock: now is the time that ages count to.
func (p RetentionPolicy) Plan(inv *manifest.Inventory, now time.Time) *Plan {
	j := newJudge(p, inv, now)
	for _, s := range j.series() {
		s.weigh()
	}
	for i := range inv.Damaged {
		j.keepPossibleNeeds(&inv.Damaged[i])
	}
	j.keepNeeds()
	for _, s := range j.all {
		s.refuseIfEmptied()
	}
	j.keepNeeds()

	plan := &Plan{Now: now, Refusals: j.refusals}
	plan.grace, _ = p.grace()
	plan.Decisions = slices.Concat(j.decideSets(), j.decideDamaged(), j.decideStrays(), j.decideProofs(), j.decideRecords(), j.decideRuns())
	return plan
}

// judge is one making of a plan.
type judge struct {
	policy RetentionPolicy
	inv    *manifest.Inventory
	now    time.Time
	zone   *time.Location

	sets     []*judged // as in the inventory
	byID     map[string]*judged
	held     map[string]*manifest.Hold
	needed   map[string]string // by ID, a set that stays and needs it
	all      []*series
	refusals []Refusal
}

// judged is a set and what speaks for it.
type judged struct {
	*manifest.Manifest
	proof  *manifest.Proof // the newest, or nil
	wanted []string        // why a rule of the policy keeps it
	kept   []string        // why it stays whatever the rules say
}

func (s *judged) stays() bool { return len(s.wanted)+len(s.kept) > 0 }

func (s *judged) keep(format string, args ...any) {
	s.kept = append(s.kept, fmt.Sprintf(format, args...))
}

// verified is [manifest.Inventory.Verified].
func (s *judged) verified() bool { return s.Good() && s.proof != nil && s.proof.OK }

// whole tells whether the set can be the last good one.
func (s *judged) whole() bool {
	return s.Good() && s.Scope == manifest.Whole && s.Purpose != manifest.Safety
}

// counts tells whether rules count the set: nothing speaks against it.
func (s *judged) counts() bool {
	return s.Good() && s.Purpose != manifest.Safety && (s.proof == nil || s.proof.OK)
}

func newJudge(p RetentionPolicy, inv *manifest.Inventory, now time.Time) *judge {
	j := &judge{
		policy: p, inv: inv, now: now, zone: cmp.Or(p.Location, time.UTC),
		byID: map[string]*judged{}, held: map[string]*manifest.Hold{}, needed: map[string]string{},
	}
	for _, h := range inv.Holds {
		j.held[h.Set] = h
	}
	proofs := map[string]*manifest.Inventory{}
	for _, p := range inv.Proofs {
		if proofs[p.Set] == nil {
			proofs[p.Set] = new(manifest.Inventory)
		}
		proofs[p.Set].Proofs = append(proofs[p.Set].Proofs, p)
	}
	for _, m := range inv.Sets {
		s := &judged{Manifest: m}
		if of := proofs[m.ID]; of != nil {
			s.proof = of.Proven(m)
		}
		j.sets = append(j.sets, s)
		j.byID[m.ID] = s
	}
	return j
}

// needs lists the sets without which a set cannot be restored.
func needs(m *manifest.Manifest) (ids []string) {
	for _, p := range m.Parents {
		ids = append(ids, p.ID)
	}
	for _, r := range m.Refs {
		ids = append(ids, r.Set)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// keepNeeds keeps what the sets that stay need, directly or not.
func (j *judge) keepNeeds() {
	var todo []*judged
	for _, s := range slices.Backward(j.sets) {
		if s.stays() {
			todo = append(todo, s)
		}
	}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		for _, id := range needs(s.Manifest) {
			if j.needed[id] != "" {
				continue
			}
			j.needed[id] = s.ID
			if of := j.byID[id]; of != nil {
				if !of.stays() {
					todo = append(todo, of)
				}
				of.keep("%s needs it", s.ID)
			}
		}
	}
}

// keepPossibleNeeds keeps what a set may need whose manifest cannot be read,
// today or by this program. One that is known to be spoilt needs nothing.
func (j *judge) keepPossibleNeeds(d *manifest.Damaged) {
	kind := manifest.KindOf(d.ID)
	if spoilt(d.Err) || j.byID[d.ID] != nil || kind != manifest.Incremental && kind != manifest.Storage {
		return
	}
	for _, s := range j.all {
		for _, set := range slices.Backward(s.sets) {
			if set.Start.After(startOf(d.ID).Add(time.Second)) || // an ID tells no fraction of it
				(kind == manifest.Storage) != (set.Kind == manifest.Storage) || set.Kind == manifest.Configs {
				continue
			}
			set.keep("%s cannot be read and may need it", d.ID)
			if set.Kind != manifest.Incremental && set.whole() {
				break
			}
		}
	}
}

func (j *judge) decideSets() (list []Decision) {
	for _, s := range j.sets {
		d := Decision{
			Subject: Set, ID: s.ID, Path: s.Path(""), Source: s.Source, Time: s.Start, Size: s.StoredSize(),
			Delete: !s.stays(), Reasons: slices.Concat(s.wanted, s.kept), set: s.Manifest,
		}
		if d.Delete {
			d.Reasons = []string{fmt.Sprintf("it is %s old, %s", span(j.now.Sub(s.Start)), j.policy.limits(s.Manifest))}
		}
		list = append(list, d)
	}
	slices.SortStableFunc(list, func(a, b Decision) int { return cmp.Compare(a.Source, b.Source) })
	return list
}

// limits says what the policy keeps of the sort of a set.
func (p RetentionPolicy) limits(m *manifest.Manifest) string {
	if m.Purpose == manifest.Safety {
		return "of safety sets are kept " + span(p.Safety)
	}
	return fmt.Sprintf("of %s sets are kept: %s", m.Kind, p.rule(m.Kind))
}

func (j *judge) decideDamaged() (list []Decision) {
	for _, d := range j.inv.Damaged {
		list = append(list, Decision{
			Subject: Damaged, ID: d.ID, Path: d.Prefix + d.ID + "/", Time: startOf(d.ID),
			Reasons: []string{fmt.Sprintf("it cannot be judged: %v; bring it back from a copy, or remove its %s by hand", d.Err, manifest.Name)},
		})
	}
	return list
}

func (j *judge) decideStrays() (list []Decision) {
	grace, ok := j.policy.grace()
	for i := range j.inv.Strays {
		s := &j.inv.Strays[i]
		d := Decision{Subject: Stray, ID: s.ID, Path: s.Prefix + s.ID + "/", Time: s.Newest, Size: s.Size, stray: s}
		silent := min(j.now.Sub(s.Newest), j.now.Sub(startOf(s.ID)))
		switch {
		case !ok:
			d.Reasons = []string{"the policy keeps leftovers"}
		case s.Newest.IsZero():
			d.Reasons = []string{"the sink does not tell its age"}
		case silent <= grace:
			d.Reasons = []string{fmt.Sprintf("a run may be writing it: it was silent for %s, a leftover is for more than %s", span(max(silent, 0)), span(grace))}
		case j.held[s.ID] != nil:
			d.Reasons = []string{"held: " + j.held[s.ID].Reason}
		case j.needed[s.ID] != "":
			d.Reasons = []string{j.needed[s.ID] + " needs it"}
		default:
			d.Delete = true
			d.Reasons = []string{fmt.Sprintf("a run died, or a deletion: it has no manifest and was silent for %s", span(silent))}
		}
		list = append(list, d)
	}
	return list
}

func (j *judge) decideProofs() (list []Decision) {
	remains := map[string]bool{}
	for _, s := range j.sets {
		remains[s.ID] = s.stays()
	}
	for _, d := range j.inv.Damaged {
		remains[d.ID] = true
	}
	newest, passed := map[string]bool{}, map[string]bool{} // seen, by set and manifest
	for _, p := range slices.Backward(j.inv.Proofs) {
		of := p.Set + " " + p.Manifest
		last := !newest[of] || p.OK && !passed[of]
		d := Decision{Subject: Proof, ID: p.ID, Path: p.ID + ".json", Time: p.End, proof: p, last: last}
		switch age := j.now.Sub(p.End); {
		case j.policy.Proofs <= 0:
			d.Reasons = []string{"the policy keeps all"}
		case age <= j.policy.Proofs:
			d.Reasons = []string{fmt.Sprintf("it is %s old, %s are kept", span(max(age, 0)), span(j.policy.Proofs))}
		case last && remains[p.Set]:
			d.Reasons = []string{"it tells the newest of " + p.Set}
		default:
			d.Delete = true
			d.Reasons = []string{fmt.Sprintf("it is %s old, %s are kept", span(age), span(j.policy.Proofs))}
		}
		newest[of] = true
		passed[of] = passed[of] || p.OK
		list = append(list, d)
	}
	slices.Reverse(list)
	return list
}

func (j *judge) decideRecords() (list []Decision) {
	for _, r := range j.inv.Refused {
		if _, _, ok := unsealedRun(r); ok {
			continue
		}
		list = append(list, Decision{Subject: Record, ID: r.Name, Path: r.Name, Reasons: []string{fmt.Sprintf("it does not count: %v", r.Err)}})
	}
	return list
}

// startOf returns the start that a set's ID tells, to the second.
func startOf(id string) time.Time {
	_, name, _ := strings.Cut(id, "/")
	stamp, _, _ := strings.Cut(name, "-")
	t, _ := time.Parse("20060102T150405Z", stamp) // zero for what is no ID
	return t
}
