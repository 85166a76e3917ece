package manifest_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// What the source no longer has goes, unless it is too dear.
func TestSyncDelete(t *testing.T) {
	day := func(n int) *made { return makeFull(t, "app", n, nil) }
	suspect := func(n int) *made {
		return makeFull(t, "app", n, func(m *manifest.Manifest) { m.Suspect = []string{"small"} })
	}
	after := func(n int, parents ...*made) *made {
		return makeSet(t, manifest.Incremental, "app", start.AddDate(0, 0, n), map[string][]byte{"a": []byte("a")}, child(parents...))
	}
	files := func(n int, refs ...*made) *made {
		return makeSet(t, manifest.Storage, "files", start.AddDate(0, 0, n), map[string][]byte{"f": []byte("f")}, func(m *manifest.Manifest) {
			for _, r := range refs {
				m.Refs = append(m.Refs, manifest.Ref{Set: r.ID, Object: "f"})
			}
		})
	}
	for name, test := range map[string]struct {
		from, to []*made
		broken   func(t *testing.T, from, to remote.RemoteSink)
		kept     map[string]string // what the destination alone has and keeps, and why
	}{
		"gone":                                  {from: []*made{day(5), day(6)}, to: []*made{day(1), day(2), day(5)}},
		"the last good one was copied just now": {from: []*made{day(6)}, to: []*made{day(1), day(2)}},
		"nothing left": {
			to:   []*made{day(1), day(2)},
			kept: map[string]string{day(1).ID: `no good set of "app"`, day(2).ID: `no good set of "app"`},
		},
		"nothing good left": {
			from: []*made{suspect(6)}, to: []*made{day(1)},
			kept: map[string]string{day(1).ID: `no good set of "app"`},
		},
		"nothing left of one source": {
			from: []*made{day(6)}, to: []*made{day(1), makeFull(t, "blog", 1, nil)},
			kept: map[string]string{makeFull(t, "blog", 1, nil).ID: `no good set of "blog"`},
		},
		"newer": {
			from: []*made{day(5), day(6)}, to: []*made{day(1), day(7), suspect(8)},
			kept: map[string]string{day(7).ID: "newer than the newest", suspect(8).ID: "newer than the newest"},
		},
		"the last good full": { // the source has a good set, but no full one
			from: []*made{after(6, day(5))}, to: []*made{day(1), day(2), suspect(4)},
			kept: map[string]string{day(2).ID: "last good one"},
		},
		"the last good one, as all newer are suspect": {
			from: []*made{after(3, day(2)), suspect(6)}, to: []*made{day(1), day(2)},
			kept: map[string]string{day(2).ID: "last good one"},
		},
		"the last good one that is whole": {
			from: []*made{after(6, day(5))}, to: []*made{day(1), day(2), day(3)},
			broken: func(t *testing.T, _, to remote.RemoteSink) {
				if err := to.Delete(t.Context(), day(3).ID+"/1.dat"); err != nil {
					t.Fatal(err)
				}
			},
			kept: map[string]string{day(2).ID: "last good one", day(3).ID: "last good one"},
		},
		"needed by what stays": {
			from: []*made{after(6, after(4, after(3, day(2)))), day(7)}, to: []*made{day(1), day(2), after(3, day(2)), after(4, after(3, day(2)))},
			kept: map[string]string{day(2).ID: after(3, day(2)).ID + " needs it", after(3, day(2)).ID: after(4, after(3, day(2))).ID + " needs it",
				after(4, after(3, day(2))).ID: after(6, after(4, after(3, day(2)))).ID + " needs it"},
		},
		"needed by what is newer": {
			from: []*made{day(6)}, to: []*made{day(1), day(2), after(9, day(2))},
			kept: map[string]string{day(2).ID: " needs it", after(9, day(2)).ID: "newer than the newest"},
		},
		"needed by a set that could not be repaired": {
			from: []*made{day(5), day(6)}, to: []*made{day(2), makeFull(t, "app", 5, child(day(2)))},
			broken: func(t *testing.T, from, _ remote.RemoteSink) {
				if err := from.Delete(t.Context(), day(5).ID+"/1.dat"); err != nil {
					t.Fatal(err)
				}
			},
			kept: map[string]string{day(2).ID: day(5).ID + " needs it"},
		},
		"held": {
			from: []*made{day(6)}, to: []*made{day(1), day(2), after(3, day(2))},
			broken: func(t *testing.T, _, to remote.RemoteSink) {
				if err := (manifest.Hold{Set: after(3, day(2)).ID, Reason: "for the audit", Since: start}).Put(t.Context(), to, nil); err != nil {
					t.Fatal(err)
				}
			},
			kept: map[string]string{after(3, day(2)).ID: "held: for the audit", day(2).ID: " needs it"},
		},
		"referred to": {
			from: []*made{files(6, files(2))}, to: []*made{files(1), files(2)},
			kept: map[string]string{files(2).ID: files(6, files(2)).ID + " needs it"},
		},
		"a chain goes": {from: []*made{day(6)}, to: []*made{day(1), after(2, day(1)), after(3, after(2, day(1)))}},
		"damaged at the source": {
			from: []*made{day(1), day(6)}, to: []*made{day(1)},
			broken: func(t *testing.T, from, _ remote.RemoteSink) { put(t, from, day(1).ID+"/"+manifest.Name, nil) },
			kept:   map[string]string{day(1).ID: "damaged at the source"},
		},
		"unfinished at the source": {
			from: []*made{day(1), day(6)}, to: []*made{day(1)},
			broken: func(t *testing.T, from, _ remote.RemoteSink) {
				if err := from.Delete(t.Context(), day(1).ID+"/"+manifest.Name); err != nil {
					t.Fatal(err)
				}
			},
			kept: map[string]string{day(1).ID: "without a manifest"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := remotetest.NewMem(), remotetest.NewMem()
			storeAll(t, from, test.from...)
			storeAll(t, to, test.to...)
			if test.broken != nil {
				test.broken(t, from, to)
			}
			put(t, to, day(1).ID+"/notes.txt", []byte("of someone else"))
			put(t, to, "full/20200101T000000Z-dead/toc.dat", []byte("a stray"))
			put(t, to, "full/20200101T000000Z-beef/"+manifest.Name, []byte("damaged"))
			before := content(t, to)

			check := func(res *manifest.SyncResult) {
				kept := map[string]string{}
				for _, s := range res.Sets {
					if s.Action == manifest.SyncKept {
						kept[s.ID] = s.Reason
					}
				}
				if !slices.Equal(slices.Sorted(maps.Keys(kept)), slices.Sorted(maps.Keys(test.kept))) {
					t.Errorf("kept %q, want %q", kept, test.kept)
				}
				for id, why := range test.kept {
					if !strings.Contains(kept[id], why) {
						t.Errorf("%s is kept as %q, not as %q", id, kept[id], why)
					}
				}
			}
			plan, _ := manifest.Sync(t.Context(), from, to, &manifest.SyncOptions{DryRun: true, Delete: true})
			check(plan)
			if !maps.Equal(before, content(t, to)) {
				t.Error("the dry run changed something")
			}
			res, _ := manifest.Sync(t.Context(), from, to, &manifest.SyncOptions{Delete: true})
			check(res)
			if plan.DryRun = false; plan.String() != res.String() {
				t.Errorf("planned\n%v\ndone\n%v", plan, res)
			}

			stays := func(path string) bool {
				_, kept := test.kept[path]
				return kept || slices.ContainsFunc(test.from, func(s *made) bool { return s.ID == path })
			}
			now := content(t, to)
			for name, b := range before {
				theirs := strings.HasSuffix(name, "/notes.txt") || strings.Contains(name, "dead/") || strings.Contains(name, "beef/") || strings.HasPrefix(name, "state/")
				if got, there := now[name]; there != (theirs || stays(folder(name))) || there && got != b {
					t.Errorf("%s: there %v", name, there)
				}
			}
			if again, _ := manifest.Sync(t.Context(), from, to, &manifest.SyncOptions{Delete: true}); again.Count(manifest.SyncDeleted) > 0 {
				t.Errorf("the second time:\n%v", again)
			}
		})
	}
}

// Without the option nothing is deleted, and nothing said of it.
func TestSyncDeleteNot(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	storeAll(t, from, makeFull(t, "app", 5, nil))
	storeAll(t, to, makeFull(t, "app", 1, nil))
	if res := mustSync(t, from, to, nil); len(res.Sets) != 1 || len(scan(t, to).Sets) != 2 {
		t.Error(res)
	}
}

// The manifest goes first, children before their parents, and what a set that
// could not be deleted needs stays.
func TestSyncDeleteOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, mem := remotetest.NewMem(), remotetest.NewMem()
		_, key := newKey(t)
		full := makeFull(t, "app", 1, nil).seal(t, key)
		heir := makeSet(t, manifest.Incremental, "app", start.AddDate(0, 0, 2), map[string][]byte{"a": []byte("a")}, child(full))
		newest := makeFull(t, "app", 9, nil)
		storeAll(t, from, newest)
		storeAll(t, mem, full, heir)
		var deleted []string
		refuse := true
		to := &remotetest.Faulty{RemoteSink: watch(t, mem), OnDelete: func(_ context.Context, name string) error {
			if refuse && name == heir.ID+"/"+manifest.Name {
				return fs.ErrPermission
			}
			deleted = append(deleted, name)
			return nil
		}}
		opts := &manifest.SyncOptions{Delete: true, Jobs: 1}
		res, err := manifest.Sync(t.Context(), from, to, opts)
		if !errors.Is(err, fs.ErrPermission) || len(deleted) > 0 || outcome(t, res, full).Action != manifest.SyncKept || outcome(t, res, heir).Action != manifest.SyncFailed {
			t.Errorf("%v, deleted %q\n%v", err, deleted, res)
		}
		sameSets(t, mem, []*made{full, heir, newest})
		refuse = false
		mustSync(t, from, to, opts)
		want := []string{heir.ID + "/manifest.json", heir.ID + "/manifest.sig", heir.ID + "/a",
			full.ID + "/manifest.json", full.ID + "/manifest.sig", full.ID + "/1.dat", full.ID + "/toc.dat"}
		if !slices.Equal(deleted, want) {
			t.Errorf("deleted %q", deleted)
		}
		sameSets(t, mem, []*made{newest})
	})
}
