package retention

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

const (
	// building is how long a run may take that builds on what was there when
	// it began.
	building = 24 * time.Hour

	// skew is how far two clocks may be apart before one counts as wrong.
	skew = 2 * time.Hour
)

// series is the sets of one source that come one after the other: those of a
// database, full and incremental, those of its buckets, or those of its
// configuration.
type series struct {
	*judge
	source, what string
	sets         []*judged // by start, oldest first
	refused      bool
}

// series sorts the sets into series, by source.
func (j *judge) series() []*series {
	type key struct{ source, what string }
	found := map[key]*series{}
	for _, s := range j.sets {
		k := key{s.Source, string(s.Kind)}
		if s.Kind == manifest.Full || s.Kind == manifest.Incremental {
			k.what = "database"
		}
		if found[k] == nil {
			found[k] = &series{judge: j, source: k.source, what: k.what}
			j.all = append(j.all, found[k])
		}
		found[k].sets = append(found[k].sets, s)
	}
	slices.SortFunc(j.all, func(a, b *series) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.what, b.what)) })
	return j.all
}

// past lists the sets for which ok holds, newest first, without those that
// start in the future, as these would displace the others for ever.
func (s *series) past(ok func(*judged) bool) (list []*judged) {
	for _, set := range slices.Backward(s.sets) {
		if !set.Start.After(s.now) && ok(set) {
			list = append(list, set)
		}
	}
	return list
}

// weigh finds what speaks for each set.
func (s *series) weigh() {
	for _, set := range s.sets {
		s.judgeAlone(set)
	}
	for _, kind := range manifest.Kinds() {
		for _, scope := range []manifest.Scope{manifest.Whole, manifest.Part} {
			s.pick(s.policy.rule(kind), s.past(func(set *judged) bool {
				return set.counts() && set.Kind == kind && set.Scope == scope
			}))
		}
	}
	s.keepUnreplaced()
	s.keepNewest()
	s.keepLastGood()
	s.refuseIfUnclear()
}

// judgeAlone judges a set by what it is itself.
func (s *series) judgeAlone(set *judged) {
	age, rule := s.now.Sub(set.Start), s.policy.rule(set.Kind)
	within := rule.Within
	if set.Purpose == manifest.Safety {
		within = s.policy.Safety
	}
	switch {
	case set.Purpose == manifest.Safety && within == 0:
		set.wanted = append(set.wanted, "the policy keeps all safety sets")
	case set.Purpose != manifest.Safety && rule == Rule{}:
		set.wanted = append(set.wanted, fmt.Sprintf("the policy keeps all %s sets", set.Kind))
	case within < 0:
		set.wanted = append(set.wanted, "the policy keeps any age")
	case within > 0 && age <= within:
		set.wanted = append(set.wanted, fmt.Sprintf("it is %s old, %s are kept", span(max(age, 0)), span(within)))
	}
	if h := s.held[set.ID]; h != nil {
		set.keep("held: %s", h.Reason)
	}
	if age < 0 {
		set.keep("it starts %s from now", span(-age))
	}
}

// pick keeps what a rule counts, of sets that are ordered from the newest on.
func (s *series) pick(rule Rule, sets []*judged) {
	for i, set := range sets {
		switch {
		case rule.Last < 0:
			set.wanted = append(set.wanted, "the policy keeps any number")
		case i < rule.Last:
			set.wanted = append(set.wanted, fmt.Sprintf("one of the last %d", rule.Last))
		}
	}
	for _, p := range rule.periods() {
		picked, last := 0, ""
		for _, set := range sets {
			if picked == p.count { // never, if that is below 0
				break
			}
			if key := p.key(set.Start.In(s.zone)); key != last {
				set.wanted = append(set.wanted, fmt.Sprintf("%s, the newest of %s", p.name, key))
				picked, last = picked+1, key
			}
		}
	}
}

// keepUnreplaced keeps sets that count for nothing until one came that does.
func (s *series) keepUnreplaced() {
	replaced := map[manifest.Scope]bool{}
	for _, set := range s.past(func(set *judged) bool { return set.Purpose != manifest.Safety }) {
		if set.counts() {
			replaced[set.Scope] = true
		} else if !replaced[set.Scope] {
			set.keep("suspect or failed, but no good set is newer")
		}
	}
}

// keepNewest keeps what a run may be building on that is at work now.
func (s *series) keepNewest() {
	begun := false // one was found that was the newest then
	for _, set := range s.past(func(*judged) bool { return true }) {
		recent := set.End.After(s.now.Add(-building))
		if recent || !begun && set.whole() {
			set.keep("a run may be building on it: it was the newest within %s", span(building))
			begun = begun || !recent
		}
	}
}

// keepLastGood keeps the last good sets: those that are good by their
// manifest, and by their newest test too where that differs.
func (s *series) keepLastGood() {
	kinds := [][]manifest.Kind{manifest.Kinds()}
	if s.what == "database" {
		kinds = append(kinds, []manifest.Kind{manifest.Full})
	}
	for _, of := range kinds {
		what := s.what + " set"
		if len(of) == 1 {
			what = "full set"
		}
		good := s.past(func(set *judged) bool { return set.whole() && slices.Contains(of, set.Kind) })
		if len(good) == 0 {
			continue
		}
		good[0].keep("the last good %s of %q", what, s.source)
		i := slices.IndexFunc(good, (*judged).counts)
		if i > 0 {
			good[i].keep("the last good %s of %q that did not fail its test", what, s.source)
		}
	}
	verified := s.past(func(set *judged) bool { return set.Kind == manifest.Full && set.whole() && set.verified() })
	for i, set := range verified {
		if i < s.policy.MinVerified {
			set.keep("one of the last %d verified full sets of %q", s.policy.MinVerified, s.source)
		}
	}
}

// refuseIfUnclear refuses to judge sets with which something is wrong.
func (s *series) refuseIfUnclear() {
	newest := s.sets[len(s.sets)-1]
	if ahead := newest.Start.Sub(s.now); ahead > skew {
		s.refuse("the clock jumped back, or that of %s was ahead: it starts %s from now; set the clock right, remove that set or force the policy", newest.ID, span(ahead))
		return
	}
	var names []string
	turns := 0
	for i, set := range slices.DeleteFunc(slices.Clone(s.sets), func(set *judged) bool { return set.Database == nil }) {
		name := fmt.Sprintf("%q of cluster %q", set.Database.Name, set.Database.SystemID)
		if i > 0 && name != names[len(names)-1] {
			turns++
		}
		names = append(names, name)
	}
	if turns > 2 { // once is a move, and twice one there and back
		slices.Sort(names)
		names = slices.Compact(names)
		s.refuse("its sets are by turns of %d databases, %s and %s among them: give each a source name of its own, or force the policy", len(names), names[0], names[1])
	}
}

// refuseIfEmptied refuses rules that keep no good set.
func (s *series) refuseIfEmptied() {
	good := s.past((*judged).whole)
	wanted := func(set *judged) bool { return len(set.wanted) > 0 }
	goes := func(set *judged) bool { return !set.stays() }
	if slices.ContainsFunc(good, goes) && !slices.ContainsFunc(good, wanted) {
		s.refuse("the rules keep none of its %d good sets: take a new one, or force the policy", len(good))
	}
}

func (s *series) refuse(format string, args ...any) {
	if s.policy.Force || s.refused {
		return
	}
	s.refused = true
	r := Refusal{s.source, s.what, fmt.Sprintf(format, args...)}
	s.refusals = append(s.refusals, r)
	for _, set := range s.sets {
		set.keep("the policy is refused: %s", r.Reason)
	}
}

// spoilt tells whether a manifest is known to be of no use to anybody.
func spoilt(err error) bool {
	var damage *manifest.DamageError
	return errors.As(err, &damage)
}
