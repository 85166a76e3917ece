package restore

import (
	"container/heap"
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"
)

// node is one step of the parallel part of a restore.
type node struct {
	weight int64 // bytes of the table it works on: heavy ones start first
	waits  int   // steps that must end before it
	next   []*node
	share  []int // tables, by dump ID, that it locks against writers only
	alone  []int // tables that it locks against everyone
	run    func(ctx context.Context, w *worker) error
	order  int // place in the archive, for equal weights
}

// before makes n wait for dep.
func (n *node) after(dep *node) {
	dep.next = append(dep.next, n)
	n.waits++
}

// ready is a heap of nodes, the heaviest first.
type ready []*node

func (r ready) Len() int      { return len(r) }
func (r ready) Swap(i, j int) { r[i], r[j] = r[j], r[i] }
func (r ready) Less(i, j int) bool {
	if r[i].weight != r[j].weight {
		return r[i].weight > r[j].weight
	}
	return r[i].order < r[j].order
}
func (r *ready) Push(x any) { *r = append(*r, x.(*node)) }
func (r *ready) Pop() any {
	old := *r
	n := old[len(old)-1]
	*r = old[:len(old)-1]
	return n
}

// schedule hands out the nodes of a graph to several jobs, never two at a time
// that would wait for each other's locks.
type schedule struct {
	mu    sync.Mutex
	wake  *sync.Cond
	ready ready
	left  int
	busy  int         // nodes that run
	held  map[int]int // dump ID of a table: -1 alone, else how many share it
	err   error
}

// runGraph runs every node after those it waits for, on as many workers as
// are given. The first error ends it.
func runGraph(ctx context.Context, nodes []*node, workers []*worker) error {
	s := &schedule{left: len(nodes), held: map[int]int{}}
	s.wake = sync.NewCond(&s.mu)
	for _, n := range nodes {
		if n.waits == 0 {
			heap.Push(&s.ready, n)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() { s.fail(context.Cause(ctx)) })
	defer stop()
	for _, w := range workers {
		g.Go(func() error {
			for {
				n, err := s.take()
				if n == nil {
					return err
				}
				if err := n.run(ctx, w); err != nil {
					s.fail(err)
					return err
				}
				s.finished(n)
			}
		})
	}
	return g.Wait()
}

// take waits for a node that can run now; nil when there will be none.
func (s *schedule) take() (*node, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.err != nil || s.left == 0 {
			return nil, s.err
		}
		if n := s.pick(); n != nil {
			return n, nil
		}
		if s.busy == 0 {
			return nil, errors.New("the archive's entries wait for each other in a circle")
		}
		s.wake.Wait()
	}
}

// pick takes the heaviest ready node whose tables are free, and holds them.
func (s *schedule) pick() *node {
	var skipped []*node
	defer func() {
		for _, n := range skipped {
			heap.Push(&s.ready, n)
		}
	}()
	for s.ready.Len() > 0 {
		n := heap.Pop(&s.ready).(*node)
		if s.free(n) {
			s.hold(n, 1)
			s.busy++
			return n
		}
		skipped = append(skipped, n)
	}
	return nil
}

func (s *schedule) free(n *node) bool {
	for _, t := range n.alone {
		if s.held[t] != 0 {
			return false
		}
	}
	for _, t := range n.share {
		if s.held[t] < 0 {
			return false
		}
	}
	return true
}

func (s *schedule) hold(n *node, d int) {
	for _, t := range n.alone {
		s.held[t] -= d
	}
	for _, t := range n.share {
		s.held[t] += d
	}
}

func (s *schedule) finished(n *node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(n, -1)
	s.left--
	s.busy--
	for _, m := range n.next {
		if m.waits--; m.waits == 0 {
			heap.Push(&s.ready, m)
		}
	}
	s.wake.Broadcast()
}

func (s *schedule) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && s.left > 0 {
		s.err = err
	}
	s.wake.Broadcast()
}
