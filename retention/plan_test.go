package retention_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // where the system has none

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/retention"
)

// full is a full set started at 02:00 so many days after the start.
func full(t *testing.T, source string, at int, change ...func(*manifest.Manifest)) *made {
	return makeSet(t, manifest.Full, source, on(at), change...)
}

func incr(t *testing.T, source string, at int, on_ *made, change ...func(*manifest.Manifest)) *made {
	return makeSet(t, manifest.Incremental, source, on(at), append(change, child(on_))...)
}

// on is 02:00 so many days after the start.
func on(days int) time.Time { return start.AddDate(0, 0, days).Add(2 * time.Hour) }

// TestPlan has each rule decide once. want are the sets that stay.
func TestPlan(t *testing.T) {
	type policy = retention.RetentionPolicy
	type rule = retention.Rule
	f := func(at int, change ...func(*manifest.Manifest)) *made { return full(t, "app", at, change...) }
	f0, f7, f14, f21, f28 := f(0), f(7), f(14), f(21), f(28)
	i1 := incr(t, "app", 1, f0)
	i2 := incr(t, "app", 2, i1)
	s0 := makeSet(t, manifest.Storage, "files", on(0))
	s5 := makeSet(t, manifest.Storage, "files", on(5), refers(s0))
	s9 := makeSet(t, manifest.Storage, "files", on(9))
	s9b := makeSet(t, manifest.Storage, "files", on(9), refers(s5))
	hold := func(s *made) manifest.Hold { return manifest.Hold{Set: s.ID, Reason: "audit", Since: on(0)} }
	recent := func(hours int, change ...func(*manifest.Manifest)) *made {
		return makeSet(t, manifest.Full, "app", on(40).Add(-time.Duration(hours)*time.Hour), change...)
	}
	all := func(things ...any) []any { return things }

	for _, tc := range []struct {
		name   string
		policy policy
		things []any
		now    int
		want   string
		reason string // somewhere in the plan
	}{
		{"the zero policy", policy{}, all(f0, f7, i1), 9999, "full/0106 incremental/0107 full/0113", "keeps all full sets"},
		{"within, to the hour", policy{Full: rule{Within: 14 * day}}, all(f0, f7, f14, f21), 21, "full/0113 full/0120 full/0127", "it is 21 days old, of full sets are kept: 14 days"},
		{"no bound of age", policy{Full: rule{Within: -1}}, all(f0, f7), 9999, "full/0106 full/0113", "any age"},
		{"the last", policy{Full: rule{Last: 2}}, all(f0, f7, f14, f21), 40, "full/0120 full/0127", "one of the last 2"},
		{"all", policy{Full: rule{Last: -1}}, all(f0, f7), 40, "full/0106 full/0113", "keeps any number"},
		{"weekly and monthly", policy{Full: rule{Weekly: 2, Monthly: 2}}, all(f0, f(1), f7, f(8), f14, f(15), f28), 40,
			"full/0121 full/0203", "monthly, the newest of 2025-01"},
		{"either keeps", policy{Full: rule{Within: day, Last: 1, Yearly: 1}}, all(f0, f7, f14), 40, "full/0120", "yearly"},
		{"a chain is whole", policy{Full: rule{Last: 1}, Incremental: rule{Within: 30 * day}}, all(f0, i1, i2, f14), 32,
			"full/0106 incremental/0107 incremental/0108 full/0120", "incremental/20250108T020000Z-app0 needs it"},
		{"a chain goes whole", policy{Full: rule{Last: 1}, Incremental: rule{Within: 20 * day}}, all(f0, i1, i2, f14), 32, "full/0120", ""},
		{"references are needs", policy{Storage: rule{Last: 1}}, all(s0, s5, s9b), 40, "storage/0106 storage/0111 storage/0115", "needs it"},
		{"nothing refers to it", policy{Storage: rule{Last: 1}}, all(s0, s5, s9), 40, "storage/0115", ""},
		{"was newest within a day", policy{Full: rule{Last: 1}, Incremental: rule{Last: 1}}, all(f0, i1, f7), 7, "full/0106 incremental/0107 full/0113", "a run may be building on it"},
		{"was newest before that", policy{Full: rule{Last: 1}, Incremental: rule{Within: day}}, all(f0, i1, f7), 9, "full/0113", ""},
		{"of today, whatever it is", policy{Full: rule{Last: 1}, Safety: time.Hour}, all(f0, recent(20, safety), recent(10, suspect), recent(5)), 40,
			"full/0106 full/0214 full/0214 full/0214", "a run may be building on it"},
		{"held", policy{Full: rule{Last: 1}, Incremental: rule{Within: day}}, all(f0, i1, f7, hold(i1)), 40, "full/0106 incremental/0107 full/0113", "held: audit"},
		{"suspect counts for nothing", policy{Full: rule{Last: 2}}, all(f0, f7, f(8, suspect), f14), 40, "full/0113 full/0120", ""},
		{"suspect, but not replaced", policy{Full: rule{Last: 1}}, all(f0, f7, f(8, suspect)), 40, "full/0113 full/0114", "no good set is newer"},
		{"suspect goes by age", policy{Full: rule{Within: 30 * day}}, all(f0, f(1, suspect), f(15, suspect), f28), 40, "full/0121 full/0203", "it is 39 days old"},
		{"failed counts for nothing", policy{Full: rule{Last: 1}}, all(f0, f7, f14, tested(t, f7, on(8), false)), 40, "full/0120", ""},
		{"failed is not the last good", policy{Full: rule{Last: 1}}, all(f0, f7, tested(t, f7, on(8), false)), 40, "full/0106 full/0113", "the last good full set of \"app\" that did not fail its test"},
		{"parts count among parts", policy{Full: rule{Last: 1}}, all(f0, f(1, part), f(2, part), f7, f(8, part)), 40, "full/0113 full/0114", ""},
		{"parts are never the last good", policy{Full: rule{Within: 10 * day}, Force: true}, all(f0, f(35, part)), 40, "full/0106 full/0210", "the last good full set"},
		{"safety has its age", policy{Full: rule{Last: 1}, Safety: 5 * day}, all(f0, f(33, safety), f(36, safety)), 40, "full/0106 full/0211", "of safety sets are kept 5 days"},
		{"safety for ever", policy{Full: rule{Last: 1}}, all(f0, f7, f(1, safety)), 40, "full/0107 full/0113", "keeps all safety sets"},
		{"verified", policy{Full: rule{Last: 1}, MinVerified: 1}, all(f0, f7, f14, f21, tested(t, f0, on(1), true), tested(t, f7, on(8), true)), 40,
			"full/0113 full/0127", "one of the last 1 verified full sets"},
		{"verified as far as there are", policy{Full: rule{Last: 1}, MinVerified: 5}, all(f0, f7, f14, tested(t, f0, on(1), true)), 40, "full/0106 full/0120", ""},
		{"verified no more", policy{Full: rule{Last: 1}, MinVerified: 1}, all(f0, f7, f14, tested(t, f0, on(1), true), tested(t, f0, on(2), false)), 40, "full/0120", ""},
		{"everything is too old", policy{Full: rule{Within: 10 * day}}, all(f0, f7), 40, "full/0106 full/0113", "refused: the rules keep none of its 2 good sets"},
		{"everything is too old, forced", policy{Full: rule{Within: 10 * day}, MinVerified: 1, Force: true}, all(f0, f7, f14, tested(t, f0, on(1), true)), 60,
			"full/0106 full/0120", "the last good full set"},
		{"too old, but nothing else would go", policy{Full: rule{Within: 10 * day}}, all(f7), 40, "full/0113", ""},
		{"an old incremental is the last good set", policy{Full: rule{Within: 30 * day}, Incremental: rule{Within: day}}, all(f0, i1), 20, "full/0106 incremental/0107", "the last good database set"},
		{"a chain that is the last good set", policy{Full: rule{Within: 30 * day}, Incremental: rule{Within: day}}, all(f0, i1, i2), 50,
			"full/0106 incremental/0107 incremental/0108", "incremental/20250108T020000Z-app0 needs it"},
		{"from the future", policy{Full: rule{Last: 2}, Force: true}, all(f0, f7, f14, f(99)), 40, "full/0113 full/0120 full/0415", "it starts 59 days from now"},
		{"a clock that jumped", policy{Full: rule{Last: 1}}, all(f0, f7, f(99)), 40, "full/0106 full/0113 full/0415", "refused database of \"app\": the clock jumped back"},
		{"two databases", policy{Full: rule{Last: 1}},
			all(f(1, inCluster("1", "a")), f(2, inCluster("2", "a")), f(3, inCluster("1", "a")), f(4, inCluster("2", "a"))), 40,
			"full/0107 full/0108 full/0109 full/0110", "refused database of \"app\": its sets are by turns of 2 databases"},
		{"one that moved", policy{Full: rule{Last: 1}}, all(f(1, inCluster("1", "a")), f(2, inCluster("1", "a")), f(3, inCluster("2", "a"))), 40, "full/0109", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			plan := tc.policy.Plan(inventory(t, tc.things...), on(tc.now))
			if got := short(plan.Kept()); got != tc.want {
				t.Errorf("kept are\n%s, want\n%s\n%v", got, tc.want, plan)
			}
			if !strings.Contains(plan.String(), tc.reason) {
				t.Errorf("nothing says %q:\n%v", tc.reason, plan)
			}
			if refused := plan.Err() != nil; refused != strings.Contains(tc.reason, "refused") {
				t.Errorf("refused: %t\n%v", refused, plan)
			}
		})
	}
}

// TestPlanSources: what is kept of one source says nothing of another, and
// neither does what is kept of its files of the database.
func TestPlanSources(t *testing.T) {
	inv := inventory(t, full(t, "app", 0), full(t, "app", 30), full(t, "blog", 1), full(t, "blog", 2),
		makeSet(t, manifest.Configs, "app", on(0)), makeSet(t, manifest.Configs, "app", on(1)))
	p := retention.Documented()
	plan := p.Plan(inv, on(50))
	if got, want := short(plan.Kept()), "configs/0106 configs/0107 full/0205 full/0107 full/0108"; got != want {
		t.Errorf("kept are %s, want %s\n%v", got, want, plan)
	}
	if len(plan.Refusals) != 1 || plan.Refusals[0].Source != "blog" {
		t.Errorf("refused are %v", plan.Refusals)
	}
}

func TestPlanZone(t *testing.T) {
	zone := time.FixedZone("BRT", -3*60*60)
	early, late := makeSet(t, manifest.Full, "app", start.Add(2*time.Hour)), makeSet(t, manifest.Full, "app", start.Add(4*time.Hour))
	inv := inventory(t, early, late)
	p := retention.RetentionPolicy{Full: retention.Rule{Daily: 7}}
	if got := len(p.Plan(inv, on(9)).Kept()); got != 1 {
		t.Errorf("in UTC both are of one day, and %d are kept", got)
	}
	p.Location = zone
	if got := len(p.Plan(inv, on(9)).Kept()); got != 2 {
		t.Errorf("in %s they are of two days, and %d are kept", zone, got)
	}
}

// TestPlanClockBack: the hour that is there twice in autumn has two sets.
func TestPlanClockBack(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Lisbon")
	if err != nil {
		t.Fatal(err)
	}
	first := time.Date(2025, 10, 26, 0, 30, 0, 0, time.UTC) // 01:30 of summer time
	inv := inventory(t, makeSet(t, manifest.Full, "app", first), makeSet(t, manifest.Full, "app", first.Add(time.Hour)))
	p := retention.RetentionPolicy{Full: retention.Rule{Hourly: 5}, Location: zone}
	if got := len(p.Plan(inv, first.Add(9*day)).Kept()); got != 2 {
		t.Errorf("%d are kept", got)
	}
}

// TestPlanProofs: the results of tests go by age, but for the newest of a set
// that stays, and the newest that it passed.
func TestPlanProofs(t *testing.T) {
	old, kept := full(t, "app", 0), full(t, "app", 30)
	inv := inventory(t, old, kept,
		tested(t, old, on(1), true), tested(t, kept, on(31), true), tested(t, kept, on(32), true), tested(t, kept, on(33), false), tested(t, kept, on(34), false))
	p := retention.RetentionPolicy{Full: retention.Rule{Last: 1}, Proofs: 10 * day}
	// kept failed its test: old is the last good one.
	check := func(inv *manifest.Inventory, now int, want string) {
		t.Helper()
		var got []string
		for _, d := range p.Plan(inv, on(now)).Decisions {
			if d.Subject == retention.Proof && !d.Delete {
				got = append(got, d.Time.Format("0102"))
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("on day %d are kept %q, want %q\n%v", now, got, want, p.Plan(inv, on(now)))
		}
	}
	check(inv, 43, "0107 0207 0208 0209") // that of 0208 ended a minute less than 10 days ago
	check(inv, 99, "0107 0207 0209")
	later := full(t, "app", 60)
	inv = inventory(t, old, later, tested(t, old, on(1), true))
	check(inv, 99, "")
}

// TestPlanDamaged: what cannot be judged stays, and so does what it may need.
func TestPlanDamaged(t *testing.T) {
	f0 := full(t, "app", 0)
	i1 := incr(t, "app", 1, f0)
	lost := makeSet(t, manifest.Incremental, "app", on(2), child(i1))
	later := full(t, "app", 7)
	p := retention.RetentionPolicy{Full: retention.Rule{Last: 1}, Incremental: retention.Rule{Within: day}}
	for text, want := range map[string]string{
		`{"format": 2}`: "full/0106 incremental/0107 full/0113", // a newer one
		`{"format": 1}`: "full/0113",                            // spoilt, and of use to nobody
	} {
		lost.files[manifest.Name] = []byte(text)
		inv := inventory(t, f0, i1, lost, later)
		if len(inv.Damaged) != 1 {
			t.Fatalf("damaged are %v", inv.Damaged)
		}
		plan := p.Plan(inv, on(40))
		if got := short(plan.Kept()); got != want {
			t.Errorf("%s: kept are %s, want %s\n%v", text, got, want, plan)
		}
		for _, d := range plan.Decisions {
			if d.Subject == retention.Damaged && d.Delete {
				t.Errorf("deleted is %v", d)
			}
		}
	}
}

func TestRuleString(t *testing.T) {
	for want, r := range map[string]retention.Rule{
		"all": {},
		"36h0m, the last 3, 24 hourly, all yearly": {Within: 36 * time.Hour, Last: 3, Hourly: 24, Yearly: -1},
		"any age, any number":                      {Within: -1, Last: -1},
		"1 day, 7 daily, 4 weekly, 12 monthly":     {Within: day, Daily: 7, Weekly: 4, Monthly: 12},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v is %q, want %q", []any{r}, got, want)
		}
	}
}

// TestPlanJSON: a plan says the same to programs as to people.
func TestPlanJSON(t *testing.T) {
	p := retention.RetentionPolicy{Full: retention.Rule{Last: 1}}
	text, err := json.Marshal(p.Plan(inventory(t, full(t, "app", 0), full(t, "app", 7)), on(30)))
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Decisions []struct {
			ID, Source, Subject string
			Delete              bool
			Reasons             []string
		}
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	d := plan.Decisions
	if len(d) != 2 || !d[0].Delete || d[1].Delete || d[0].ID != "full/20250106T020000Z-app0" || d[0].Source != "app" ||
		d[0].Subject != "set" || d[0].Reasons[0] != "it is 30 days old, of full sets are kept: the last 1" {
		t.Errorf("JSON is %s", text)
	}
}
