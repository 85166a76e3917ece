package delta_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// whole is the range of all pages.
var whole delta.Range

// none is the share of no bucket.
var none = delta.Share{First: 0, Last: -1}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgsession.Connect(t.Context(), oracle.Config(t, url), pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql ...string) {
	t.Helper()
	for _, s := range sql {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// table describes a table of schema public by its columns and those of its key.
func table(t *testing.T, conn *pgx.Conn, name string, key ...string) delta.Table {
	t.Helper()
	d := delta.Table{Schema: "public", Name: name, Geometry: delta.Geometry{Buckets: 1}}
	rows, err := conn.Query(t.Context(), `SELECT a.attname, pg_catalog.format('%I.%I', n.nspname, p.proname)
		FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid JOIN pg_proc p ON p.oid = y.typoutput JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE a.attrelid = $1::text::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, pgsession.QuoteIdent("public", name))
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	var column, output string
	if _, err := pgx.ForEachRow(rows, []any{&column, &output}, func() error {
		d.Columns = append(d.Columns, column)
		outputs[column] = output
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, k := range key {
		d.Key = append(d.Key, delta.Column{Name: k, Output: outputs[k]})
	}
	return d
}

func count(t *testing.T, conn *pgx.Conn, d delta.Table, since delta.Since, r delta.Range, share delta.Share) *delta.Counts {
	t.Helper()
	c := delta.NewCounts(d.Geometry)
	sql := d.SumsSQL(until(t, conn, since), r, share)
	if err := c.Read(t.Context(), conn, sql); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	return c
}

// copyOut returns the rows of a COPY, unescaped.
func copyOut(t *testing.T, conn *pgx.Conn, sql string) (rows [][][]byte) {
	t.Helper()
	var b bytes.Buffer
	if _, err := conn.PgConn().CopyTo(t.Context(), &b, sql); err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	for line := range strings.Lines(b.String()) {
		var row [][]byte
		for _, f := range strings.Split(strings.TrimSuffix(line, "\n"), "\t") {
			row = append(row, unescape(f))
		}
		rows = append(rows, row)
	}
	return rows
}

var unescaper = strings.NewReplacer(`\\`, `\`, `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t", `\v`, "\v")

func unescape(field string) []byte {
	if field == `\N` {
		return nil
	}
	return []byte(unescaper.Replace(field))
}

// parent is what an incremental is told of the snapshot before it.
func parent(t *testing.T, conn *pgx.Conn) delta.Since {
	t.Helper()
	return delta.Since{XID: transaction(t, conn, "xmin"), Set: true}
}

// until is what it is told of the snapshot that it reads.
func until(t *testing.T, conn *pgx.Conn, since delta.Since) delta.Since {
	t.Helper()
	since.Next = transaction(t, conn, "xmax")
	return since
}

// transaction is the low half of a bound of the present snapshot.
func transaction(t *testing.T, conn *pgx.Conn, bound string) uint32 {
	t.Helper()
	var x uint64
	if _, err := fmt.Sscan(value[string](t, conn, "SELECT pg_catalog.pg_snapshot_"+bound+"(pg_catalog.pg_current_snapshot())::text"), &x); err != nil {
		t.Fatal(err)
	}
	return uint32(x)
}
