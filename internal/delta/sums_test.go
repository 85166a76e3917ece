package delta_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/delta"
)

func FuzzParseSums(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 2))
	for _, n := range []int{1, 2, 300} {
		sums := make(delta.Sums, n)
		for i := range sums {
			if i%3 > 0 {
				sums[i] = delta.Sum{Rows: 1 + r.Int64N(1<<uint(i%61)), Keys: r.Uint64(), Versions: r.Uint32()}
			}
		}
		b, err := sums.AppendBinary([]byte("x"))
		if err != nil {
			f.Fatal(err)
		}
		if got, err := delta.ParseSums(b[1:], n); err != nil || !slices.Equal(got, sums) {
			f.Fatalf("%d sums are read as %v: %v", n, got, err)
		}
		f.Add(b[1:], n)
	}
	f.Add([]byte{}, 1<<40)
	f.Add([]byte{0}, -1)
	f.Add([]byte{0x80, 0}, 1)
	f.Add([]byte{1, 2, 3}, 1)
	f.Add(append(bytes.Repeat([]byte{0xff}, 9), 1), 1)
	f.Fuzz(func(t *testing.T, b []byte, buckets int) {
		sums, err := delta.ParseSums(b, buckets)
		if err != nil {
			return
		}
		if again, _ := sums.AppendBinary(nil); !bytes.Equal(again, b) || len(sums) != buckets {
			t.Errorf("%x, read as %d sums, is written as %x", b, len(sums), again)
		}
	})
}

func TestTotal(t *testing.T) {
	got := delta.Sums{{1, 1 << 63, 1 << 31}, {2, 1<<63 + 5, 1<<31 + 7}, {}}.Total()
	if want := (delta.Sum{Rows: 3, Keys: 5, Versions: 7}); got != want {
		t.Errorf("the total is %v, want %v", got, want)
	}
}
