package pgschema

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Key is a unique index that identifies every row of a table: immediate,
// valid, not partial, over columns that are NOT NULL and that COPY writes.
type Key struct {
	Index   string // its name, in the table's schema
	Columns []KeyColumn
}

// KeyColumn is a column of a key. Output and Equal are SQL, quoted and with
// their schema.
type KeyColumn struct {
	Name    string
	Output  string // the function that makes the text that COPY writes
	Equal   string // OPERATOR(schema.=), as the index compares
	Integer bool   // int2, int4, int8 or a domain over one of them
}

// TableKey is the key that an index of a table is, of whatever server conn
// leads to. It is an error when the index is not there or is no key.
func TableKey(ctx context.Context, conn *pgx.Conn, schema, table, index string) (*Key, error) {
	r := &reader{ctx: ctx, conn: conn}
	keys, err := r.keys(`x.relname = $3 AND i.indrelid = (
		SELECT c.oid FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
		 WHERE s.nspname = $1 AND c.relname = $2)`, schema, table, index)
	if err != nil {
		return nil, err
	}
	for _, found := range keys {
		return &found[0].Key, nil
	}
	return nil, fmt.Errorf("table %s has no index %s that identifies its rows",
		pgsession.QuoteIdent(schema, table), pgsession.QuoteIdent(index))
}

// candidate is an index that may serve as a key.
type candidate struct {
	Key
	primary    bool
	width      int      // bytes; a column of no fixed width is wide
	definition []string // number, operator class of each column
}

// variableWidth is what a column of no fixed width counts.
const variableWidth = 1 << 10

// narrowest chooses the key: the primary one, or else the fewest columns and
// bytes. nil: there is none.
func narrowest(keys []candidate) *candidate {
	if len(keys) == 0 {
		return nil
	}
	best := slices.MinFunc(keys, func(a, b candidate) int {
		if a.primary != b.primary {
			if a.primary {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(len(a.Columns), len(b.Columns)), cmp.Compare(a.width, b.width), cmp.Compare(a.Index, b.Index))
	})
	return &best
}

// indexColumn is a column of an index that may be a key.
type indexColumn struct {
	Table, IndexOID uint32
	Index           string
	Primary         bool
	Columns         int // of the index, without those it merely includes
	Number          int
	Name            string
	Width           int // -1: no fixed one
	OutputSchema    string
	Output          string
	Class           uint32
	OperatorSchema  string
	Operator        string
	Fits            bool
}

// keys reads the indexes that identify rows, by table. An index over a column
// whose text the role may not ask for is none: COPY needs no leave to call an
// output function, an expression needs that of the function and its schema. Nor
// is one over a domain over an enum: the enum's functions do not take it.
func (r *reader) keys(where string, args ...any) (map[uint32][]candidate, error) {
	rows, err := query[indexColumn](r, "pg_index", `
		SELECT i.indrelid, i.indexrelid, x.relname, i.indisprimary, i.indnkeyatts, a.attnum, a.attname, a.attlen,
		       os.nspname, o.proname, i.indclass[k.n], es.nspname, e.oprname,
		       a.attnotnull AND nn.oid IS NULL AND a.attgenerated = '' AND i.indcollation[k.n] = a.attcollation
		       AND NOT (t.typtype = 'd' AND o.proargtypes[0] = 'anyenum'::regtype)
		       AND coalesce(has_function_privilege(o.oid, 'EXECUTE') AND has_schema_privilege(os.oid, 'USAGE'), false)
		  FROM pg_index i
		  JOIN pg_class x ON x.oid = i.indexrelid
		  JOIN pg_am m ON m.oid = x.relam AND m.amname = 'btree'
		 CROSS JOIN generate_series(0, i.indnkeyatts - 1) AS k(n)
		  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.n]
		  LEFT JOIN pg_constraint nn ON nn.conrelid = a.attrelid AND nn.contype = 'n'
		       AND nn.conkey = ARRAY[a.attnum] AND NOT nn.convalidated
		  JOIN pg_type t ON t.oid = a.atttypid
		  JOIN pg_proc o ON o.oid = t.typoutput
		  JOIN pg_namespace os ON os.oid = o.pronamespace
		  JOIN pg_opclass oc ON oc.oid = i.indclass[k.n]
		  JOIN pg_amop ao ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 3
		       AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
		  JOIN pg_operator e ON e.oid = ao.amopopr
		  JOIN pg_namespace es ON es.oid = e.oprnamespace
		 WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive
		   AND NOT i.indisexclusion AND i.indpred IS NULL AND i.indexprs IS NULL AND `+where+`
		 ORDER BY i.indexrelid, k.n`, args...)
	if err != nil {
		return nil, err
	}
	keys := make(map[uint32][]candidate)
	for len(rows) > 0 {
		first, n := rows[0], 1
		for n < len(rows) && rows[n].IndexOID == first.IndexOID {
			n++
		}
		if n == first.Columns && !slices.ContainsFunc(rows[:n], func(c indexColumn) bool { return !c.Fits }) {
			keys[first.Table] = append(keys[first.Table], newCandidate(rows[:n]))
		}
		rows = rows[n:]
	}
	return keys, nil
}

func newCandidate(columns []indexColumn) candidate {
	k := candidate{primary: columns[0].Primary}
	k.Index = columns[0].Index
	for _, c := range columns {
		integer := c.OutputSchema == "pg_catalog" && (c.Output == "int2out" || c.Output == "int4out" || c.Output == "int8out")
		k.Columns = append(k.Columns, KeyColumn{
			Name: c.Name, Integer: integer, Output: pgsession.QuoteIdent(c.OutputSchema, c.Output),
			Equal: "OPERATOR(" + pgsession.QuoteIdent(c.OperatorSchema) + "." + c.Operator + ")",
		})
		k.definition = append(k.definition, fmt.Sprintf("%d class %d", c.Number, c.Class))
		if c.Width < 0 {
			c.Width = variableWidth
		}
		k.width += c.Width
	}
	return k
}
