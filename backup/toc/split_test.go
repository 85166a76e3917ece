package toc_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// TestSplitAndJoin: what waits for a table's rows waits for each part of them,
// and joining the parts gives back what was split.
func TestSplitAndJoin(t *testing.T) {
	fresh := func() []*toc.Entry {
		entries := append(small().Entries,
			&toc.Entry{DumpID: 7, Tag: "orders_pkey", Desc: "CONSTRAINT", Section: toc.SectionPostData, Deps: []int{5, 20}},
			&toc.Entry{DumpID: 8, Tag: "others", Desc: "TABLE DATA", Section: toc.SectionData, Namespace: toc.T("public"),
				Defn: toc.T(toc.LoadViaPartitionRoot + "public.root"), Deps: []int{4}, File: toc.T("8.dat")})
		entries[len(entries)-2].Deps = append(entries[len(entries)-2].Deps, 6)
		return entries
	}
	entries := fresh()
	data, root := entries[5], entries[7]
	entries, parts := toc.Split(entries, data, 3)
	entries, rooted := toc.Split(entries, root, 2)
	if len(entries) != 11 || len(parts) != 3 || parts[0] != data || len(rooted) != 2 {
		t.Fatalf("%d entries, %d and %d parts", len(entries), len(parts), len(rooted))
	}
	ids := map[int]bool{20: true} // what another waits for is taken
	for _, e := range entries {
		if ids[e.DumpID] {
			t.Errorf("dump ID %d is given twice", e.DumpID)
		}
		ids[e.DumpID] = true
	}
	for _, p := range parts {
		if p.Defn.S != toc.LoadViaPartitionRoot+"public.orders" || p.File.S != toc.DataFile(p.DumpID) {
			t.Errorf("part %+v", p)
		}
		if key := entries[8]; key.Tag != "orders_pkey" || !slices.Contains(key.Deps, p.DumpID) {
			t.Errorf("%v waits for %v, not for %d", key, key.Deps, p.DumpID)
		}
	}
	if want, got := fresh(), toc.Join(entries); !reflect.DeepEqual(want, got) {
		t.Errorf("joined: %+v\nwant: %+v", got, want)
	}
}
