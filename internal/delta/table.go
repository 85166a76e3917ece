package delta

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Table is a table whose changes are looked for.
type Table struct {
	Schema, Name string
	Columns      []string // what COPY stores, in that order
	Key          Key
	// Geometry is the parent's, where its sums are to be compared with, or that
	// of [Choose]. It has been checked against Key.
	Geometry Geometry
}

// Since picks the rows that were written since another snapshot: those whose
// transaction is not older than the oldest one that was running then, so that
// none is missed and some come twice. Rows so old that their numbers were used
// again may be picked as well. The zero value picks none.
type Since struct {
	XID   uint32 // low half of that snapshot's xmin
	Next  uint32 // low half of the xmax of the snapshot that is read
	Set   bool
	Clock *Clock // by which rows are picked instead; nil: none
}

// Range is the pages From to before To of a table. Where To is not positive it
// goes to the table's end, so that the zero value is the whole table. Servers older than 14 read all pages for it,
// and tables that are no heap have none.
type Range struct {
	From, To int64
}

// Share is the buckets First to Last, whose rows are hashed whole: none where
// First is greater than Last.
type Share struct {
	First, Last int
}

// WorkMem is to be executed before [Table.SumsSQL]: with the default of 4 MB a
// server would write its table of buckets to temporary files. What it really
// takes is 0.3 kB for each bucket and kind of rows: 10 MB for 4 million rows,
// 160 MB at the very most.
const WorkMem = "SET work_mem = '256MB'"

// SumsSQL is a query for [Counts.Read]. It has no parameters.
//
// The inner query hashes each row once; OFFSET 0 keeps it from being merged
// with the outer one, and the planner from taking the number of rows for that
// of the buckets, which would have it make a hash table for all of them. Its
// columns are in the order of their use, so that it costs no step of its own.
func (t Table) SumsSQL(since Since, r Range, share Share) string {
	bucket, hash := t.bucket(), t.hash()
	group := bucket
	if since.Set {
		group = fmt.Sprintf("CASE WHEN %s THEN %s | %d ELSE %s END", since.condition(), bucket, changedBit, bucket)
	}
	inner := []string{group + " AS g", hash + " AS h", "pg_catalog.age(xmin) AS a"}
	content := "NULL"
	if share.First <= share.Last {
		// One comparison, modulo the buckets: BETWEEN would hash the key twice.
		inner = append(inner, fmt.Sprintf(
			`CASE WHEN ((%s - %d) & %d) <= %d THEN pg_catalog.hashtextextended(pg_catalog.textin(pg_catalog.record_out(ROW(%s))) COLLATE pg_catalog."C", 0) END AS c`,
			bucket, share.First, t.Geometry.Buckets-1, share.Last-share.First, quoteAll(t.Columns)))
		content = "pg_catalog.sum(c)"
	}
	// There is no function from xid to a number, so xmin is computed back from
	// its age: less 3, modulo 2^32. The age of the permanent ones (1 and 2) is
	// always 2^31-1 (xid_age in src/backend/utils/adt/xid.c).
	return fmt.Sprintf(`SELECT g, pg_catalog.count(*), pg_catalog.sum(h), pg_catalog.sum(pg_catalog.hashint8(h #
	CASE WHEN a = 2147483647 THEN -1 ELSE ((SELECT pg_catalog.int8(pg_catalog.age('3'::pg_catalog.xid))) - a) & 4294967295 END)), %s
FROM (SELECT %s FROM ONLY %s%s OFFSET 0) s GROUP BY g`,
		content, strings.Join(inner, ", "), t.name(), where(r.condition()))
}

// ChangedSQL is the COPY of the rows that [Since] picks.
func (t Table) ChangedSQL(since Since, r Range) string {
	changed := "false"
	if since.Set {
		changed = since.condition()
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s%s) TO STDOUT", quoteAll(t.Columns), t.name(), where(r.condition(), changed))
}

// KeptSQL is the COPY of the key columns of all other rows that are in listed
// buckets.
func (t Table) KeptSQL(since Since, listed Bitmap) string {
	names := make([]string, len(t.Key))
	for i, c := range t.Key {
		names[i] = c.Name
	}
	return t.keptSQL(names, since, listed)
}

func (t Table) keptSQL(columns []string, since Since, listed Bitmap) string {
	kept := ""
	if since.Set {
		kept = "NOT " + since.condition()
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s%s) TO STDOUT", quoteAll(columns), t.name(), where(kept, t.ListedSQL(listed)))
}

const zero = "0::pg_catalog.int8"

func (t Table) name() string { return pgsession.QuoteIdent(t.Schema, t.Name) }

// bucket is an int8: what [Geometry.Key] returns first.
func (t Table) bucket() string {
	switch {
	case t.Geometry.Buckets == 1:
		return zero
	case ByValue(t.Key):
		return fmt.Sprintf("((pg_catalog.int8(%s) >> %d) & %d)", pgsession.QuoteIdent(t.Key[0].Name), t.Geometry.Shift, t.Geometry.Buckets-1)
	}
	return fmt.Sprintf("(%s & %d)", t.hash(), t.Geometry.Buckets-1)
}

// hash is an int8: what [Geometry.Key] returns second.
func (t Table) hash() string {
	seed := zero
	for _, c := range t.Key {
		seed = c.hash(seed)
	}
	return seed
}

func (c Column) hash(seed string) string {
	name := pgsession.QuoteIdent(c.Name)
	switch c.Kind() {
	case Integer:
		v := "pg_catalog.int8(" + name + ")"
		if seed == zero {
			return fmt.Sprintf("pg_catalog.hashint8extended(%s, %s)", v, v)
		}
		return fmt.Sprintf("pg_catalog.hashint8extended(%s, %s # %s)", v, v, seed)
	case UUID:
		return fmt.Sprintf("pg_catalog.uuid_hash_extended(%s, %s)", name, seed)
	}
	text := fmt.Sprintf("pg_catalog.textin(%s(%s))", c.Output, name)
	if o := c.output(); o == "pg_catalog.textout" || o == "pg_catalog.varcharout" {
		text = name // is the same bytes
	}
	return fmt.Sprintf(`pg_catalog.hashtextextended(%s COLLATE pg_catalog."C", %s)`, text, seed)
}

// condition is that a row's xmin is at least XID and before Next, counted back
// from Next, so that all transactions which read one snapshot pick the same rows,
// however many others came since it was taken: old rows have numbers that are yet
// to be used again. The ages cancel out, as they are counted from the same
// transaction; the age of permanent numbers, 2^31-1, is too great. One comparison
// is faster than two.
func (s Since) condition() string {
	if s.Clock != nil {
		return s.Clock.condition()
	}
	return fmt.Sprintf("((pg_catalog.int8(pg_catalog.age(xmin)) - (SELECT pg_catalog.int8(pg_catalog.age('%d'::pg_catalog.xid))) - 1) & 4294967295) < %d",
		s.Next, s.Next-s.XID)
}

func (r Range) condition() string {
	var c []string
	if r.From > 0 {
		c = append(c, "ctid >= '("+strconv.FormatInt(r.From, 10)+",0)'")
	}
	if r.To > 0 {
		c = append(c, "ctid < '("+strconv.FormatInt(r.To, 10)+",0)'")
	}
	return strings.Join(c, " AND ")
}

// where joins those conditions that are not empty.
func where(conditions ...string) string {
	all, word := "", " WHERE "
	for _, c := range conditions {
		if c != "" {
			all, word = all+word+c, " AND "
		}
	}
	return all
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = pgsession.QuoteIdent(n)
	}
	return strings.Join(quoted, ", ")
}
