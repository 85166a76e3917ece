package restore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assist-move-assist/pgcofre/restore"
)

// TestGraph runs random graphs: every node once, after what it waits for, and
// never beside one that holds the same table.
func TestGraph(t *testing.T) {
	random := rand.New(rand.NewPCG(20250808, 1))
	for range 200 {
		jobs, n := 1+random.IntN(5), random.IntN(40)
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			done := make([]int, n)
			held := map[int]int{} // -1: alone
			steps := make([]restore.Node, n)
			for i := range steps {
				s := &steps[i]
				s.Weight = random.Int64N(5)
				for range random.IntN(3) {
					if i > 0 {
						s.After = append(s.After, random.IntN(i))
					}
				}
				if table := random.IntN(4); random.IntN(2) == 0 {
					s.Share = []int{table}
				} else {
					s.Alone = []int{table}
				}
				pause := time.Duration(random.IntN(9)) * time.Millisecond
				s.Run = func(context.Context) error {
					enter(t, &mu, held, s)
					for _, dep := range s.After {
						if done[dep] != 1 {
							t.Errorf("node %d runs before %d, for which it waits", i, dep)
						}
					}
					mu.Unlock()
					time.Sleep(pause)
					mu.Lock()
					defer mu.Unlock()
					done[i]++
					for _, table := range s.Share {
						held[table]--
					}
					for _, table := range s.Alone {
						held[table] = 0
					}
					return nil
				}
			}
			if err := restore.RunGraph(t.Context(), jobs, steps); err != nil {
				t.Error(err)
			}
			if slices.ContainsFunc(done, func(n int) bool { return n != 1 }) {
				t.Errorf("the nodes ran %v times", done)
			}
		})
	}
}

// enter takes the node's tables and leaves mu locked.
func enter(t *testing.T, mu *sync.Mutex, held map[int]int, s *restore.Node) {
	mu.Lock()
	for _, table := range s.Share {
		if held[table] < 0 {
			t.Errorf("table %d is shared while another holds it alone", table)
		}
		held[table]++
	}
	for _, table := range s.Alone {
		if held[table] != 0 {
			t.Errorf("table %d is held alone beside %d others", table, held[table])
		}
		held[table] = -1
	}
}

// TestGraphOrder: the heaviest goes first.
func TestGraphOrder(t *testing.T) {
	var order []int64
	step := func(weight int64) restore.Node {
		return restore.Node{Weight: weight, Run: func(context.Context) error { order = append(order, weight); return nil }}
	}
	if err := restore.RunGraph(t.Context(), 1, []restore.Node{step(1), step(3), step(2)}); err != nil {
		t.Fatal(err)
	}
	if want := []int64{3, 2, 1}; !slices.Equal(order, want) {
		t.Errorf("the order is %v, want %v", order, want)
	}
}

// TestGraphEnds: a circle, a failure and a cancellation end it, and no
// goroutine stays.
func TestGraphEnds(t *testing.T) {
	nothing := func(context.Context) error { return nil }
	hang := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	failure := errors.New("the disk is full")
	synctest.Test(t, func(t *testing.T) {
		err := restore.RunGraph(t.Context(), 2, []restore.Node{
			{Run: nothing}, {After: []int{2}, Run: nothing}, {After: []int{1}, Run: nothing},
		})
		if err == nil || !strings.Contains(err.Error(), "circle") {
			t.Errorf("a circle: %v", err)
		}
		err = restore.RunGraph(t.Context(), 3, []restore.Node{
			{Run: hang}, {Run: func(context.Context) error { return failure }}, {After: []int{0}, Run: nothing},
		})
		if !errors.Is(err, failure) {
			t.Errorf("a failure: %v", err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		because := errors.New("enough")
		err = restore.RunGraph(ctx, 3, []restore.Node{
			{Run: hang}, {After: []int{0}, Run: nothing}, {Run: func(context.Context) error { cancel(because); return nil }},
		})
		if !errors.Is(err, because) {
			t.Errorf("a cancellation: %v", err)
		}
	})
}
