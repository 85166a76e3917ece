package pgschema

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

type shapeType struct {
	OID, Element, Base, Relation uint32 // 0: none
	NotNull                      bool   // of a domain
	Output                       string // the name of an output function of pg_catalog's
}

// namesThings: the text of the type's values is the name of something that may
// be renamed, or dropped so that a number stays.
func (t shapeType) namesThings() bool {
	return t.Output == "aclitemout" || strings.HasPrefix(t.Output, "reg") && strings.HasSuffix(t.Output, "out")
}

// typeShape is a type with all that it is made of.
type typeShape struct {
	digest   [sha256.Size]byte
	volatile bool
}

// readTypes reads all types, because those that a column uses are found by
// following them.
func (s *shaper) readTypes() error {
	rows, err := query[shapeType](s.r, "pg_type", `
		SELECT t.oid, t.typelem, t.typbasetype, t.typrelid, t.typnotnull, coalesce(o.proname, '')
		  FROM pg_type t LEFT JOIN pg_proc o ON o.oid = t.typoutput AND o.pronamespace = 'pg_catalog'::regnamespace`)
	if err != nil {
		return err
	}
	s.types = make(map[uint32]shapeType, len(rows))
	for _, row := range rows {
		s.types[row.OID] = row
	}
	labels, err := query[struct {
		Type, OID uint32
		Label     string
	}](s.r, "pg_enum", `SELECT enumtypid, oid, enumlabel FROM pg_enum ORDER BY enumtypid, enumsortorder`)
	if err != nil {
		return err
	}
	s.labels = make(map[uint32][]string)
	for _, row := range labels {
		s.labels[row.Type] = append(s.labels[row.Type], fmt.Sprintf("%d %s", row.OID, row.Label))
	}
	multirange := `rngmultitypid`
	if s.r.major < 14 {
		multirange = `0::oid`
	}
	ranges, err := query[struct{ Range, Multirange, Subtype uint32 }](s.r, "pg_range",
		`SELECT rngtypid, `+multirange+`, rngsubtype FROM pg_range`)
	s.ranged = make(map[uint32]uint32, 2*len(ranges))
	for _, row := range ranges {
		s.ranged[row.Range], s.ranged[row.Multirange] = row.Subtype, row.Subtype
	}
	s.described = make(map[uint32]typeShape)
	return err
}

// describe follows a type down to what it is made of. What cannot be altered,
// the base of a domain say, its OID stands for.
func (s *shaper) describe(oid uint32) typeShape {
	if d, ok := s.described[oid]; ok {
		return d
	}
	s.described[oid] = typeShape{} // a damaged catalog may have a circle
	t := s.types[oid]
	d := typeShape{volatile: t.namesThings()}
	h := sha256.New()
	fmt.Fprintf(h, "type %d not null %t labels %q constraints %q\n", oid, t.NotNull, s.labels[oid], s.constraints[catalogID{pgType, oid}])
	for _, part := range []uint32{t.Element, t.Base, s.ranged[oid]} {
		if part != 0 {
			p := s.describe(part)
			d.volatile = d.volatile || p.volatile
			fmt.Fprintf(h, "of %x\n", p.digest)
		}
	}
	if t.Relation != 0 {
		for _, c := range s.columns[t.Relation] {
			p := s.describe(c.Type)
			d.volatile = d.volatile || p.volatile
			c.write(h, p)
		}
	}
	h.Sum(d.digest[:0])
	s.described[oid] = d
	return d
}
