package backup

import (
	"fmt"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/delta"
)

// TestSieveAllocates: a row is picked or dropped without a piece of memory for it.
func TestSieveAllocates(t *testing.T) {
	for kind, key := range map[string]string{delta.Integer: "1234567", delta.UUID: "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", delta.Text: `a\tkey`} {
		table := &mergedTable{listed: make([]uint16, 64), Table: &manifest.Table{Columns: []string{"v", "id", "w"},
			Key: &manifest.Key{Columns: []string{"id"}, Buckets: 64, Kinds: []string{kind}}}}
		keys := newKeySet(1000)
		for i := range uint64(1000) {
			keys.written(i*0x9e3779b97f4a7c15, 1)
		}
		s, err := newSieve(table, keyShare{0, 1}, keys)
		if err != nil {
			t.Fatal(err)
		}
		row := []byte(fmt.Sprintf("some text\t%s\tmore of it", key))
		var sums rowSums
		if n := testing.AllocsPerRun(100, func() {
			if ok, err := s.holds(row, 0, &sums); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}); n > 0 {
			t.Errorf("a row with a key of kind %s takes %g allocations", kind, n)
		}
	}
}
