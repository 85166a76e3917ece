package pgschema

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"
)

// priorities are the kinds in the order in which they are dumped where no
// dependency says otherwise; kinds in one row are mixed.
//
// Casts come early because a view that uses a cast depends on the cast's
// function, not on the cast. Triggers and foreign keys come late, so that they
// do not fire while data is loaded; event triggers and the refreshing of
// materialized views last, when the database is as it will be.
var priorities = [][]kind{
	{kindNamespace},
	{kindProcLang},
	{kindCollation},
	{kindTransform},
	{kindExtension},
	{kindType, kindShellType},
	{kindCast},
	{kindFunc},
	{kindAgg},
	{kindAccessMethod},
	{kindOperator},
	{kindOpFamily, kindOpClass},
	{kindConversion},
	{kindTSParser},
	{kindTSTemplate},
	{kindTSDict},
	{kindTSConfig},
	{kindFDW},
	{kindForeignServer},
	{kindTable},
	{kindTableAttach},
	{kindDummyType},
	{kindAttrDef},
	{kindLargeObject}, // data since 17: see priorityOf
	{kindPreDataBoundary},
	{kindTableData},
	{kindSequenceSet},
	{kindLargeObjectData},
	{kindPostDataBoundary},
	{kindConstraint},
	{kindIndex},
	{kindIndexAttach},
	{kindStatsExt},
	{kindRule},
	{kindTrigger},
	{kindFKConstraint},
	{kindPolicy},
	{kindPublication},
	{kindPublicationRel},
	{kindPublicationSchema},
	{kindSubscription},
	{kindDefaultACL},
	{kindEventTrigger},
	{kindRefreshMatView},
}

// priorityOf maps a kind to its place among the priorities of a major release:
// the definitions of large objects moved behind the tables' data in 17.
func priorityOf(major int) map[kind]int {
	m := make(map[kind]int)
	for i, row := range priorities {
		for _, k := range row {
			m[k] = 2 * i
		}
	}
	if major >= 17 {
		m[kindLargeObject] = m[kindLargeObjectData] - 1
	}
	return m
}

// sort orders all objects: by kind, schema and name as far as dependencies
// leave a choice, so that equal databases give equal archives.
func (r *reader) sort() ([]dumpable, error) {
	pre, post := r.addBoundaries()
	objs := slices.DeleteFunc(slices.Clone(r.objs), func(d dumpable) bool { return d == nil })
	priority := priorityOf(r.major)
	slices.SortFunc(objs, func(a, b dumpable) int { return compareObjects(priority, a, b) })

	loops := &loops{r: r, pre: pre, post: post}
	for {
		ordered, stuck := topologicalSort(objs, r.lastID)
		if len(stuck) == 0 {
			return ordered, nil
		}
		if err := loops.repair(stuck); err != nil {
			return nil, err
		}
	}
}

// compareObjects orders by priority, schema (none comes last), name, kind, the
// rest of the key, and OID.
func compareObjects(priority map[kind]int, x, y dumpable) int {
	a, b := x.obj(), y.obj()
	if c := cmp.Compare(priority[a.kind], priority[b.kind]); c != 0 {
		return c
	}
	if (a.nsp == nil) != (b.nsp == nil) {
		if a.nsp != nil {
			return -1
		}
		return 1
	}
	if c := cmp.Or(
		strings.Compare(a.schema(), b.schema()),
		strings.Compare(a.name, b.name),
		cmp.Compare(a.kind, b.kind),
	); c != 0 {
		return c
	}
	if tx, ok := x.(tied); ok {
		if ty, ok := y.(tied); ok {
			if c := slices.Compare(tx.ties(), ty.ties()); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(a.cat.oid, b.cat.oid)
}

// topologicalSort moves objects as little as their dependencies demand. It
// works from the end: of the objects that nothing left depends on, the one
// that stands last goes last. stuck are the objects, by dump ID, that a loop
// keeps from being placed.
func topologicalSort(objs []dumpable, lastID int) (ordered, stuck []dumpable) {
	needed := make([]int, lastID+1) // by dump ID: how often it must be before something
	index := make([]int, lastID+1)  // by dump ID: place in objs
	for i, d := range objs {
		o := d.obj()
		index[o.id] = i
		for _, id := range o.deps {
			needed[id]++
		}
	}
	var ready maxHeap
	for i, d := range objs {
		if needed[d.obj().id] == 0 {
			ready = append(ready, i)
		}
	}
	heap.Init(&ready)
	ordered = make([]dumpable, len(objs))
	left := len(objs)
	for len(ready) > 0 {
		d := objs[heap.Pop(&ready).(int)]
		left--
		ordered[left] = d
		for _, id := range d.obj().deps {
			if needed[id]--; needed[id] == 0 {
				heap.Push(&ready, index[id])
			}
		}
	}
	if left > 0 {
		for id, n := range needed {
			if n > 0 {
				stuck = append(stuck, objs[index[id]])
			}
		}
	}
	return ordered, stuck
}

// maxHeap gives out the largest number first.
type maxHeap []int

func (h maxHeap) Len() int           { return len(h) }
func (h maxHeap) Less(i, j int) bool { return h[i] > h[j] }
func (h maxHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *maxHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *maxHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
