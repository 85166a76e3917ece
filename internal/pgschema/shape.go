package pgschema

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Shape is what the rows of a table are, as far as that can change while no
// row is written: what xmin does not tell.
type Shape struct {
	// Fingerprint, hex of a sha256, changes when rows that nobody wrote may
	// have another text by now, or may be refused by the table as it is now:
	// identity of the table, columns, their types down to enum labels and
	// domain constraints, validated constraints, partition bounds, storage, the
	// filter of a configuration table, and the columns of the key. It holds no
	// name but those of columns and attributes, and compares within one database
	// of one major release only.
	//
	// The value that a column added without a rewrite has in older rows is not
	// in it, because that never changes, and VACUUM FULL forgets it. The number
	// of the column is, and is never used again.
	Fingerprint string

	// Key identifies the table's rows; nil: nothing does.
	Key *Key

	// Volatile: a column holds the name of something else, which may be renamed
	// without a trace in the table. So do the types regclass and the like, and
	// aclitem, also inside of arrays, domains, composites and ranges.
	Volatile bool
}

// Shapes reads the shapes of tables, by OID, in a few queries whatever their
// number. conn must be inside the snapshot's transaction with the session
// settings of package pgsession.
func Shapes(ctx context.Context, conn *pgx.Conn, tables []*TableData) (map[uint32]*Shape, error) {
	r, err := newReader(ctx, conn, nil)
	if err != nil {
		return nil, err
	}
	oids := make([]uint32, len(tables))
	for i, d := range tables {
		oids[i] = d.OID
	}
	s := &shaper{r: r, oids: oids}
	for _, read := range []func() error{s.readRelations, s.readPartitions, s.readColumns, s.readConstraints, s.readTypes} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	keys, err := r.keys(`i.indrelid = ANY ($1::oid[])`, oids)
	if err != nil {
		return nil, err
	}
	shapes := make(map[uint32]*Shape, len(tables))
	for _, d := range tables {
		if shapes[d.OID], err = s.shape(d, narrowest(keys[d.OID])); err != nil {
			return nil, err
		}
	}
	return shapes, nil
}

// shaper holds what the catalogs say of tables and of all types.
type shaper struct {
	r           *reader
	oids        []uint32
	relations   map[uint32]shapeRelation
	partitions  map[uint32]shapePartition
	children    map[uint32][]string      // bounds of a partitioned table's partitions, sorted
	columns     map[uint32][]shapeColumn // of tables and of composite types, by pg_class OID
	constraints map[catalogID][]string   // validated ones of tables and domains, sorted
	types       map[uint32]shapeType
	labels      map[uint32][]string // of enums, in order
	ranged      map[uint32]uint32   // the subtype of ranges and multiranges
	described   map[uint32]typeShape
}

type shapeRelation struct {
	OID, AccessMethod, OfType uint32
	Persistence               byte
	Parents                   string // OIDs in output form, partition roots included
}

type shapeColumn struct {
	Relation         uint32
	Number           int
	Name             string
	Type             uint32
	Typmod           int
	Collation        uint32
	NotNull          bool // validated
	Generated        byte
	GenerationSource string // a node tree
}

func (s *shaper) shape(d *TableData, key *candidate) (*Shape, error) {
	rel, ok := s.relations[d.OID]
	if !ok {
		return nil, fmt.Errorf("table %s.%s was dropped while it was read; run the backup again", d.Schema, d.Name)
	}
	shape := new(Shape)
	h := sha256.New()
	fmt.Fprintf(h, "table %d access method %d persistence %q type %d parents %s filter %q\n",
		rel.OID, rel.AccessMethod, rel.Persistence, rel.OfType, rel.Parents, d.Filter)
	for _, c := range s.columns[d.OID] {
		t := s.describe(c.Type)
		shape.Volatile = shape.Volatile || t.volatile
		c.write(h, t)
		fmt.Fprintf(h, "not null %t generated %q %q\n", c.NotNull, c.Generated, c.GenerationSource)
	}
	for _, c := range s.constraints[catalogID{pgClass, d.OID}] {
		fmt.Fprintf(h, "constraint %q\n", c)
	}
	s.writeBounds(h, d.OID)
	if key != nil {
		shape.Key = &key.Key
		fmt.Fprintf(h, "key %v\n", key.definition)
	}
	shape.Fingerprint = hex.EncodeToString(h.Sum(nil))
	return shape, nil
}

// write describes a column as values of its type have it.
func (c *shapeColumn) write(h hash.Hash, t typeShape) {
	fmt.Fprintf(h, "column %d %q type %x typmod %d collation %d\n", c.Number, c.Name, t.digest, c.Typmod, c.Collation)
}

func (s *shaper) readRelations() error {
	rows, err := query[shapeRelation](s.r, "pg_class", `
		SELECT c.oid, c.relam, c.reloftype, c.relpersistence,
		       ARRAY(SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)::text
		  FROM pg_class c WHERE c.oid = ANY ($1::oid[])`, s.oids)
	s.relations = make(map[uint32]shapeRelation, len(rows))
	for _, row := range rows {
		s.relations[row.OID] = row
	}
	return err
}

// readColumns reads the columns of the tables, and those of all composite
// types and other tables that something is a value of: a column, directly or
// as an array, a domain or a range.
func (s *shaper) readColumns() error {
	rows, err := query[shapeColumn](s.r, "pg_attribute", `
		WITH used AS (
		    SELECT atttypid AS oid FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
		    UNION SELECT typbasetype FROM pg_type
		    UNION SELECT rngsubtype FROM pg_range)
		SELECT a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attcollation,
		       a.attnotnull AND n.oid IS NULL, a.attgenerated, coalesce(d.adbin::text, '')
		  FROM pg_attribute a
		  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.attgenerated <> ''
		  LEFT JOIN pg_constraint n ON n.conrelid = a.attrelid AND n.contype = 'n'
		       AND n.conkey = ARRAY[a.attnum] AND NOT n.convalidated
		 WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid IN (
		       SELECT unnest($1::oid[])
		       UNION SELECT t.typrelid FROM pg_type t
		        WHERE t.typtype = 'c' AND (t.oid IN (SELECT oid FROM used) OR t.typarray IN (SELECT oid FROM used)))
		 ORDER BY a.attrelid, a.attnum`, s.oids)
	s.columns = make(map[uint32][]shapeColumn)
	for _, row := range rows {
		s.columns[row.Relation] = append(s.columns[row.Relation], row)
	}
	return err
}

// readConstraints reads what every row of a table and every value of a domain
// is known to fulfil. Foreign keys are not among it: they come after the rows.
func (s *shaper) readConstraints() error {
	rows, err := query[struct {
		Table, Domain uint32
		Source        string
	}](s.r, "pg_constraint", `
		SELECT conrelid, contypid, conbin::text FROM pg_constraint
		 WHERE contype = 'c' AND convalidated AND (contypid <> 0 OR conrelid = ANY ($1::oid[]))`, s.oids)
	s.constraints = make(map[catalogID][]string)
	for _, row := range rows {
		of := catalogID{pgClass, row.Table}
		if row.Domain != 0 {
			of = catalogID{pgType, row.Domain}
		}
		s.constraints[of] = append(s.constraints[of], row.Source)
	}
	for _, sources := range s.constraints {
		slices.Sort(sources)
	}
	return err
}
