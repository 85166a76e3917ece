package pgschema

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// sequenceShape is a row of pg_sequence.
type sequenceShape struct {
	OID                               uint32
	Type                              string
	Start, Increment, Max, Min, Cache int64
	Cycle                             bool
}

// limits are the bounds that a sequence of the type and direction has when
// nothing is said.
func (s *sequenceShape) limits() (low, high int64) {
	low, high = math.MinInt64, math.MaxInt64
	switch s.Type {
	case "smallint":
		low, high = math.MinInt16, math.MaxInt16
	case "integer":
		low, high = math.MinInt32, math.MaxInt32
	}
	if s.Increment >= 0 {
		return 1, high
	}
	return low, -1
}

// readSequences reads the definitions and values of all sequences.
func (r *reader) readSequences() error {
	rows, err := query[sequenceShape](r, "pg_sequence", `
		SELECT seqrelid, format_type(seqtypid, NULL), seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle
		  FROM pg_sequence`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if t := find[*table](r, pgClass, row.OID); t != nil {
			t.sequence = &row
		}
	}
	return r.schema.ReadSequences(r.ctx, r.conn)
}

func (t *table) emitSequence(e *emitter) {
	if !t.has(compDefinition) {
		return
	}
	r := e.r
	name := r.qualified(t.schema(), t.name)
	owner := find[*table](r, pgClass, t.owningTable)
	opts := entryOpts{
		tag: t.name, desc: "SEQUENCE", section: toc.SectionPreData,
		namespace: t.schema(), owner: t.owner,
	}
	drop := "" // an identity column's goes with the column
	if t.identity {
		opts.defn = t.identityStatement(r, name, owner) + t.sequence.body() + "\n);\n"
	} else {
		opts.defn = t.sequenceStatement(name) + t.sequence.body() + ";\n"
		drop = "DROP SEQUENCE " + name + ";\n"
	}
	e.object(&t.object, opts).Drop = toc.T(drop)
	if owner != nil && !t.identity && owner.has(compDefinition) {
		// Apart from CREATE SEQUENCE: it wants sequence and table to have the
		// same owner already.
		e.follow(entryOpts{
			tag: t.name, desc: "SEQUENCE OWNED BY", section: toc.SectionPreData,
			namespace: t.schema(), owner: t.owner, deps: []int{t.id},
			defn: fmt.Sprintf("ALTER SEQUENCE %s OWNED BY %s.%s;\n", name,
				r.qualified(owner.schema(), owner.name), r.ident(owner.columns[t.owningColumn-1].name)),
		})
	}
	e.describe(&t.object, "SEQUENCE", r.ident(t.name), t.owner)
}

func (t *table) identityStatement(r *reader, name string, owner *table) string {
	column := owner.columns[t.owningColumn-1]
	when := "BY DEFAULT"
	if column.identity == 'a' {
		when = "ALWAYS"
	}
	persistence := ""
	if t.persistence != owner.persistence {
		persistence = "    LOGGED\n"
		if t.persistence == 'u' {
			persistence = "    UNLOGGED\n"
		}
	}
	return fmt.Sprintf("ALTER TABLE %s ALTER COLUMN %s ADD GENERATED %s AS IDENTITY (\n    SEQUENCE NAME %s\n%s",
		r.qualified(owner.schema(), owner.name), r.ident(column.name), when, name, persistence)
}

func (t *table) sequenceStatement(name string) string {
	unlogged, as := "", ""
	if t.persistence == 'u' {
		unlogged = "UNLOGGED "
	}
	if t.sequence.Type != "bigint" {
		as = "    AS " + t.sequence.Type + "\n"
	}
	return "CREATE " + unlogged + "SEQUENCE " + name + "\n" + as
}

// body is the sequence's parameters, without what ends the statement.
func (s *sequenceShape) body() string {
	var b strings.Builder
	fmt.Fprintf(&b, "    START WITH %d\n    INCREMENT BY %d\n", s.Start, s.Increment)
	low, high := s.limits()
	if s.Min != low {
		fmt.Fprintf(&b, "    MINVALUE %d\n", s.Min)
	} else {
		b.WriteString("    NO MINVALUE\n")
	}
	if s.Max != high {
		fmt.Fprintf(&b, "    MAXVALUE %d\n", s.Max)
	} else {
		b.WriteString("    NO MAXVALUE\n")
	}
	fmt.Fprintf(&b, "    CACHE %d", s.Cache)
	if s.Cycle {
		b.WriteString("\n    CYCLE")
	}
	return b.String()
}

// SetValue sets where the restored sequence continues: after last when called,
// with last itself otherwise.
func (s *Sequence) SetValue(last int64, called bool) {
	s.Last, s.Called = last, called
	if s.Entry != nil {
		s.Entry.Defn = toc.T(fmt.Sprintf("SELECT pg_catalog.setval(%s, %d, %t);\n", literal(s.qualified), last, called))
	}
}

// sequencesPerQuery bounds the length of one query for sequences' values.
const sequencesPerQuery = 200

// ReadSequences reads the present values of all sequences into their entries.
// A sequence is outside transactions: read once the last table is copied, its
// value is at least that of every row in the backup. conn needs the settings
// of package pgsession, but no snapshot.
func (s *Schema) ReadSequences(ctx context.Context, conn *pgx.Conn) error {
	byOID := make(map[uint32]*Sequence, len(s.Sequences))
	for _, seq := range s.Sequences {
		byOID[seq.OID] = seq
	}
	for start := 0; start < len(s.Sequences); start += sequencesPerQuery {
		some := s.Sequences[start:min(start+sequencesPerQuery, len(s.Sequences))]
		sql, args := sequenceQuery(s.Version/10000, some)
		rows, err := conn.Query(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("reading the values of sequences: %w", err)
		}
		var oid uint32
		var last *int64
		var called *bool
		_, err = pgx.ForEachRow(rows, []any{&oid, &last, &called}, func() error {
			seq := byOID[oid]
			if last == nil || called == nil {
				return fmt.Errorf("sequence %s: its value is hidden; grant SELECT on it to the backup's role, or exclude it", seq.qualified)
			}
			seq.SetValue(*last, *called)
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading the values of sequences: %w", err)
		}
	}
	return nil
}

// sequenceQuery reads values by function where the server has one (18), and
// from the sequences themselves otherwise.
func sequenceQuery(major int, seqs []*Sequence) (sql string, args []any) {
	if major >= 18 {
		oids := make([]uint32, len(seqs))
		for i, seq := range seqs {
			oids[i] = seq.OID
		}
		return `SELECT s, d.last_value, d.is_called
		          FROM unnest($1::oid[]) AS s, pg_get_sequence_data(s) AS d`, []any{oids}
	}
	parts := make([]string, len(seqs))
	for i, seq := range seqs {
		parts[i] = fmt.Sprintf("SELECT %d::oid, last_value, is_called FROM %s", seq.OID, seq.qualified)
	}
	return strings.Join(parts, " UNION ALL "), nil
}
