package proof

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Group is what can be compared at once: one table or, where rows are loaded
// through a partition root and may land in other leaves than they came from,
// all tables of that root.
type Group struct {
	Schema, Name string
	Columns      []string
	Filter       string // WHERE clause of an extension's configuration table
	Want         codec.Digest
	Inherit      bool // read the descendants as well
	CountOnly    bool // the columns come in several orders: no digest can be compared
}

// Groups puts the tables of a set together as they can be compared. Those of a
// chain that changed since they were stored whole are left out: [CheckRows] is
// for them.
func Groups(c *manifest.Contents) ([]*Group, error) {
	var groups []*Group
	roots := map[manifest.TableName]*Group{}
	for _, t := range c.Tables {
		if t.Delta != nil && t.Digest == "" {
			continue
		}
		d, err := codec.ParseDigest(t.Digest)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", pgsession.QuoteIdent(t.Schema, t.Name), err)
		}
		if t.Root == nil {
			groups = append(groups, &Group{Schema: t.Schema, Name: t.Name, Columns: t.Columns, Filter: t.Filter, Want: d})
			continue
		}
		g := roots[*t.Root]
		if g == nil {
			g = &Group{Schema: t.Root.Schema, Name: t.Root.Name, Columns: t.Columns, Inherit: true}
			roots[*t.Root] = g
			groups = append(groups, g)
		}
		g.CountOnly = g.CountOnly || !slices.Equal(g.Columns, t.Columns)
		g.Want.Merge(d)
	}
	return groups, nil
}

// Table is the table's quoted name.
func (g *Group) Table() string { return pgsession.QuoteIdent(g.Schema, g.Name) }

// Live computes the digest of the rows that the database has now. conn must
// have the settings of package pgsession, with the set's client encoding.
func (g *Group) Live(ctx context.Context, conn *pgx.Conn) (codec.Digest, error) {
	var d codec.Digest
	if _, err := conn.PgConn().CopyTo(ctx, codec.NewRowWriter(io.Discard, &d), g.copySQL()); err != nil {
		return d, fmt.Errorf("reading table %s: %w", g.Table(), err)
	}
	return d, nil
}

func (g *Group) copySQL() string {
	cols := make([]string, len(g.Columns))
	for i, c := range g.Columns {
		cols[i] = pgsession.QuoteIdent(c)
	}
	list := strings.Join(cols, ", ")
	switch {
	case g.Inherit:
		return fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", list, g.Table())
	case g.Filter != "":
		return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s %s) TO STDOUT", list, g.Table(), g.Filter)
	case list == "":
		return fmt.Sprintf("COPY %s TO STDOUT", g.Table())
	}
	return fmt.Sprintf("COPY %s (%s) TO STDOUT", g.Table(), list)
}

// blobChunk is how much of a large object is asked for at a time.
const blobChunk = 1 << 20

// Blob reads one large object of the database into out.
func Blob(ctx context.Context, conn *pgx.Conn, oid uint32, out io.Writer) error {
	for offset := int64(0); ; offset += blobChunk {
		var data []byte
		err := conn.QueryRow(ctx, "SELECT pg_catalog.lo_get($1::pg_catalog.oid, $2::pg_catalog.int8, $3::pg_catalog.int4)",
			oid, offset, blobChunk).Scan(&data)
		if err != nil {
			return err
		}
		if _, err := out.Write(data); err != nil {
			return err
		}
		if len(data) < blobChunk {
			return nil
		}
	}
}

// BlobRow is the row that stands for a large object in the digest of all of
// them: its OID and the sha256 of its content.
func BlobRow(oid uint32, sum []byte) []byte { return fmt.Appendf(nil, "%d\t%x", oid, sum) }

// Blobs computes the digest of all large objects of the database.
func Blobs(ctx context.Context, conn *pgx.Conn) (codec.Digest, error) {
	var d codec.Digest
	rows, err := conn.Query(ctx, "SELECT oid FROM pg_catalog.pg_largeobject_metadata ORDER BY oid")
	if err != nil {
		return d, fmt.Errorf("listing large objects: %w", err)
	}
	oids, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
	if err != nil {
		return d, fmt.Errorf("listing large objects: %w", err)
	}
	for _, oid := range oids {
		h := sha256.New()
		if err := Blob(ctx, conn, oid, h); err != nil {
			return d, fmt.Errorf("reading large object %d: %w", oid, err)
		}
		d.AddRow(BlobRow(oid, h.Sum(nil)))
	}
	return d, nil
}

// Sequence reads the state of a sequence.
func Sequence(ctx context.Context, conn *pgx.Conn, schema, name string) (last int64, called bool, err error) {
	err = conn.QueryRow(ctx, "SELECT last_value, is_called FROM "+pgsession.QuoteIdent(schema, name)).Scan(&last, &called)
	if err != nil {
		err = fmt.Errorf("reading sequence %s: %w", pgsession.QuoteIdent(schema, name), err)
	}
	return last, called, err
}
