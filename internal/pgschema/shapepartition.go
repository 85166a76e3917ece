package pgschema

import (
	"fmt"
	"hash"
	"slices"
)

// shapePartition is a table of a partition tree.
type shapePartition struct {
	OID, Parent uint32 // Parent 0: the root
	Bound       string // a node tree, "" of the root
	By          string // of its own partitions, "" of a leaf
	Default     bool
}

// readPartitions reads all partition trees.
func (s *shaper) readPartitions() error {
	rows, err := query[shapePartition](s.r, "partitions", `
		SELECT c.oid, coalesce(i.inhparent, 0), coalesce(c.relpartbound::text, ''),
		       coalesce(format('%s %s %s %s %s', p.partstrat, p.partattrs, p.partclass, p.partcollation, p.partexprs), ''),
		       coalesce(up.partdefid = c.oid, false)
		  FROM pg_class c
		  LEFT JOIN pg_inherits i ON i.inhrelid = c.oid AND c.relispartition
		  LEFT JOIN pg_partitioned_table p ON p.partrelid = c.oid
		  LEFT JOIN pg_partitioned_table up ON up.partrelid = i.inhparent
		 WHERE c.relkind = 'p' OR c.relispartition AND c.relkind IN ('r', 'f')`)
	s.partitions = make(map[uint32]shapePartition, len(rows))
	s.children = make(map[uint32][]string)
	for _, row := range rows {
		s.partitions[row.OID] = row
		if row.Parent != 0 {
			s.children[row.Parent] = append(s.children[row.Parent], row.Bound)
		}
	}
	for _, bounds := range s.children {
		slices.Sort(bounds)
	}
	return err
}

// writeBounds describes which rows a partition takes: its bound and those of
// all above it. A default partition takes what its siblings do not.
func (s *shaper) writeBounds(h hash.Hash, table uint32) {
	for range len(s.partitions) { // a damaged catalog may have a circle
		p, ok := s.partitions[table]
		if !ok || p.Parent == 0 {
			return
		}
		parent := s.partitions[p.Parent]
		fmt.Fprintf(h, "partition of %d by %q bound %q\n", parent.OID, parent.By, p.Bound)
		if p.Default {
			fmt.Fprintf(h, "without %q\n", s.children[p.Parent])
		}
		table = p.Parent
	}
}
