package delta_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/delta"
)

// model is a table as keys with the number of the transaction that wrote each
// row; transactions count up.
type model map[int]int

// sums puts the rows of some transactions into buckets.
func (m model) sums(buckets, from, before int) delta.Sums {
	sums := make(delta.Sums, buckets)
	for key, xid := range m {
		if xid < from || xid >= before {
			continue
		}
		s := &sums[key%buckets]
		s.Rows++
		s.Keys += delta.Hash(0, binary.AppendVarint(nil, int64(key)))
		s.Versions += uint32(delta.Hash(uint64(key), binary.AppendVarint(nil, int64(xid))))
	}
	return sums
}

// TestCompareMissesNoDelete: whatever is done to a table, a bucket that is not
// listed has lost no key, and one is listed only for a reason.
func TestCompareMissesNoDelete(t *testing.T) {
	const buckets = 4
	r := rand.New(rand.NewPCG(5, 3))
	var listed, proven int
	for range 20_000 {
		m := model{}
		for range r.IntN(12) {
			m[r.IntN(16)] = r.IntN(10)
		}
		parent, before := m.sums(buckets, 0, 10), map[int]bool{}
		for key := range m {
			before[key] = true
		}
		deleted := [buckets]bool{}
		for xid := 10; xid < 10+r.IntN(6); xid++ {
			key := r.IntN(16)
			_, there := m[key]
			switch op := r.IntN(3); {
			case op == 0 && there:
				delete(m, key)
			case op == 1 && !there, op == 2 && there:
				m[key] = xid
			}
		}
		for key := range before {
			if _, there := m[key]; !there {
				deleted[key%buckets] = true
			}
		}
		now := &delta.Counts{Kept: m.sums(buckets, 0, 10), Changed: m.sums(buckets, 10, 100)}
		list, err := delta.Compare(parent, now)
		if err != nil {
			t.Fatal(err)
		}
		for b := range buckets {
			missing := parent[b].Rows - now.Kept[b].Rows
			switch {
			case deleted[b] && !list.Has(b):
				t.Fatalf("a delete was missed: %v, then %+v", parent, now)
			case list.Has(b) && !deleted[b] && now.Changed[b].Rows <= missing:
				t.Fatalf("bucket %d was listed for nothing: %v, then %+v", b, parent, now)
			case list.Has(b):
				listed++
			case missing > 0:
				proven++
			}
		}
	}
	if listed < 1000 || proven < 1000 {
		t.Errorf("%d buckets were listed, %d proven: this test tests nothing", listed, proven)
	}
}

// TestCompareKnowsAnotherHistory: rows from before the parent that the parent
// did not have, or had in other versions.
func TestCompareKnowsAnotherHistory(t *testing.T) {
	m := model{1: 1, 2: 2, 3: 3, 5: 4}
	parent := m.sums(2, 0, 10)
	for name, fork := range map[string]model{
		"a row more":          {1: 1, 2: 2, 3: 3, 5: 4, 7: 4},
		"another row":         {1: 1, 2: 2, 3: 3, 7: 4},
		"another transaction": {1: 1, 2: 2, 3: 3, 5: 5},
	} {
		now := &delta.Counts{Kept: fork.sums(2, 0, 10), Changed: make(delta.Sums, 2)}
		var history *delta.HistoryError
		if _, err := delta.Compare(parent, now); !errors.As(err, &history) || history.Bucket != 1 {
			t.Errorf("%s: %v", name, err)
		}
		if err := delta.CheckHistory(parent, now); !errors.As(err, &history) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := delta.Compare(parent, delta.NewCounts(delta.Geometry{Buckets: 4})); err == nil {
		t.Error("sums of other buckets were compared")
	}
}
