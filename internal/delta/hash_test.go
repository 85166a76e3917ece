package delta_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// types are columns of keys, and SQL for the value in row i of 500.
var types = []struct{ name, sql, value string }{
	{"smallint", "int2", "(i * 131 - 32768)::int2"},
	{"integer", "int4", "(CASE WHEN i % 2 = 0 THEN i ELSE -i END) * 4000001"},
	{"bigint", "int8", "(CASE WHEN i % 2 = 0 THEN 1 ELSE -1 END) * (i::int8 << (i % 54))"},
	{"an integer's domain", "whole", "i - 200"},
	{"uuid", "uuid", "md5(i::text)::uuid"},
	{"a uuid's domain", "id", "md5(i::text)::uuid"},
	{"text", "text", `repeat(odd(i), 1 + i % 5) || i`},
	{"varchar", "varchar(90)", `odd(i) || i`},
	{"a text's domain", "label", `odd(i) || i`},
	{"char", "char(40)", `odd(i) || i`},
	{"name", "name", `(odd(i) || i)::name`},
	{"text without case", "text COLLATE loose", `odd(i) || i`},
	{"numeric", "numeric", "i / 7.0 * (10::numeric ^ (i % 40 - 20))"},
	{"numeric with a scale", "numeric(30,9)", "i / 7.0"},
	{"double precision", "float8", "i / 7.0::float8 * (10::float8 ^ (i % 300))"},
	{"boolean and byte", `"char"`, "(i % 128)::\"char\""},
	{"bytea", "bytea", "decode(md5(i::text), 'hex') || '\\x5c00'"},
	{"timestamptz", "timestamptz", "'epoch'::timestamptz + i * interval '37 days 11:22:33.000444'"},
	{"timestamp", "timestamp", "'-infinity'::timestamp"},
	{"date", "date", "'2000-01-01'::date - i"},
	{"interval", "interval", "i * interval '1 mon 3 days 00:00:00.5'"},
	{"enum", "mood", "CASE i % 3 WHEN 0 THEN 'sad, \\\"' WHEN 1 THEN 'ok' ELSE '' END::mood"},
	{"composite", "pair", "ROW(i, odd(i))::pair"},
	{"array", "text[]", "ARRAY[odd(i), NULL, i::text]"},
	{"a domain over an array", "list", "ARRAY[i, i + 1]"},
	{"range", "int8range", "int8range(i, i * 2 + 1)"},
	{"inet", "inet", "'10.0.0.0'::inet + i * 7"},
	{"bit", "varbit", "i::bit(17)::varbit"},
	{"jsonb", "jsonb", "jsonb_build_object('k', i, 'é', odd(i))"},
	{"oid", "oid", "i::oid"},
	{"a type of the user's", "ext.citext", "(odd(i) || i)::ext.citext"},
}

// prepare makes what types needs. odd returns text that is hard to write.
var prepare = []string{
	`CREATE SCHEMA ext`,
	`CREATE EXTENSION citext SCHEMA ext`,
	`CREATE DOMAIN whole AS int4 CHECK (VALUE < 1000000)`,
	`CREATE DOMAIN id AS uuid`,
	`CREATE DOMAIN label AS varchar(200)`,
	`CREATE DOMAIN list AS int8[]`,
	`CREATE TYPE mood AS ENUM ('sad, \"', 'ok', '')`,
	`CREATE TYPE pair AS (a int4, b text)`,
	`CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)`,
	`CREATE FUNCTION odd(i int4) RETURNS text IMMUTABLE LANGUAGE sql AS
		$$ SELECT (ARRAY['', 'a', E'tab\t', E'line\n', E'back\\slash', 'com,ma "quoted"', E'\r\x0b\f\b', '(é à ü)', '日本語', '👍', ' ', ''''])[1 + i % 12] $$`,
}

// TestHashIsTheServers: what Go computes of COPY's text is what a server does,
// for every type and every major.
func TestHashIsTheServers(t *testing.T) {
	for _, major := range oracle.Majors {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			srv := oracle.Server(t, major)
			conn := connect(t, oracle.Database(t, srv))
			exec(t, conn, "SET search_path = public, pg_catalog")
			for _, sql := range prepare {
				if _, err := conn.Exec(t.Context(), sql); err != nil && !strings.Contains(sql, "COLLATION") {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			loose := value[bool](t, conn, `SELECT count(*) > 0 FROM pg_collation WHERE collname = 'loose'`)
			if err := delta.CheckHash(t.Context(), conn); err != nil {
				t.Error(err)
			}
			for i, c := range types {
				if strings.Contains(c.sql, "loose") && !loose {
					continue // a server without ICU
				}
				name := fmt.Sprintf("t%d", i)
				exec(t, conn, "SET search_path = public, pg_catalog",
					fmt.Sprintf(`CREATE TABLE %s ("Key's" %s NOT NULL, u uuid NOT NULL, n int8 NOT NULL, content text)`, name, c.sql),
					fmt.Sprintf(`INSERT INTO %s SELECT %s, md5(i::text)::uuid, -i, NULLIF(odd(i), 'a') FROM generate_series(1, 500) i`, name, c.value),
					"SET search_path = ''")
				compareHashes(t, conn, c.name, table(t, conn, name, "Key's"))
				compareHashes(t, conn, c.name+" with others", table(t, conn, name, "n", "Key's", "u"))
			}
		})
	}
}

func TestHashInOtherEncodings(t *testing.T) {
	admin := connect(t, oracle.Database(t, oracle.Server(t, 0)))
	for encoding, text := range map[string]string{"LATIN1": "chr(160) || 'ação' || i", "EUC_JP": "'日本語' || i", "SQL_ASCII": "'日本語' || i", "UTF8": "chr(133) || 'à日本語' || i"} {
		name := "delta_" + strings.ToLower(encoding)
		exec(t, admin, fmt.Sprintf(`CREATE DATABASE %s TEMPLATE template0 ENCODING '%s' LC_COLLATE 'C' LC_CTYPE 'C'`, name, encoding))
		conn := connect(t, oracle.WithDatabase(t, admin.Config().ConnString(), name))
		if err := delta.CheckHash(t.Context(), conn); err != nil {
			t.Errorf("%s: %v", encoding, err)
		}
		exec(t, conn, `SET client_encoding = 'UTF8'`, `CREATE TABLE public.t (k text)`,
			`INSERT INTO public.t SELECT `+text+` FROM pg_catalog.generate_series(1, 300) i`,
			`SELECT pg_catalog.set_config('client_encoding', pg_catalog.current_setting('server_encoding'), false)`)
		compareHashes(t, conn, encoding, table(t, conn, "t", "k"))
		conn.Close(t.Context())
		exec(t, admin, `DROP DATABASE `+name)
	}
}

// compareHashes computes from the COPY text of a table what a server counts.
func compareHashes(t *testing.T, conn *pgx.Conn, name string, d delta.Table) {
	t.Helper()
	d.Geometry = delta.Choose(2000, d.Key, -1<<40, 1<<41)
	if err := d.Geometry.Check(len(d.Key)); err != nil {
		t.Error(err)
	}
	share := delta.Share{First: d.Geometry.Buckets / 3, Last: d.Geometry.Buckets / 2}
	got := count(t, conn, d, delta.Since{}, whole, share)
	want := delta.NewCounts(d.Geometry)
	for _, row := range copyOut(t, conn, "COPY "+pgsession.QuoteIdent(d.Schema, d.Name)+" TO STDOUT") {
		var key [][]byte
		for _, c := range d.Key {
			key = append(key, row[slices.Index(d.Columns, c.Name)])
		}
		bucket, hash, err := d.Geometry.Key(key)
		if err != nil {
			t.Fatalf("%s: %q: %v", name, key, err)
		}
		want.Kept[bucket].Rows++
		want.Kept[bucket].Keys += hash
		want.Kept[bucket].Versions = got.Kept[bucket].Versions
		if bucket >= share.First && bucket <= share.Last {
			want.Content += delta.Hash(0, delta.RecordText(row))
			want.ContentRows++
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: the server counts %v, we %v", name, got, want)
	}
}

// TestHashOfAnyLength: every length takes its own way through the function.
func TestHashOfAnyLength(t *testing.T) {
	conn := connect(t, oracle.Database(t, oracle.Server(t, 0)))
	r := rand.New(rand.NewPCG(5, 1))
	for n := range 100 {
		field := make([]byte, n)
		for i := range field {
			field[i] = byte(1 + r.IntN(127))
		}
		seed := r.Uint64() * uint64(n%2)
		want := value[int64](t, conn, `SELECT pg_catalog.hashtextextended($1::text COLLATE pg_catalog."C", $2)`, string(field), int64(seed))
		if got := delta.Hash(seed, field); got != uint64(want) {
			t.Errorf("the hash of %q with seed %d is %d, the server's %d", field, seed, got, uint64(want))
		}
	}
}

// TestRefusedHash: a role that may not hash is told so.
func TestRefusedHash(t *testing.T) {
	url := oracle.Database(t, oracle.Server(t, 0))
	admin := connect(t, url)
	exec(t, admin, `CREATE ROLE delta_poor LOGIN PASSWORD 'secret'`, `REVOKE EXECUTE ON FUNCTION pg_catalog.hashtextextended FROM PUBLIC`)
	t.Cleanup(func() {
		if _, err := admin.Exec(context.Background(), `DROP OWNED BY delta_poor; DROP ROLE delta_poor`); err != nil {
			t.Error(err)
		}
	})
	cfg := oracle.Config(t, url)
	cfg.User, cfg.Password = "delta_poor", "secret"
	conn, err := pgsession.Connect(t.Context(), cfg, pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var refused *delta.HashError
	if err := delta.CheckHash(t.Context(), conn); !errors.As(err, &refused) || !strings.Contains(err.Error(), "hashtextextended") {
		t.Errorf("CheckHash: %v", err)
	}
	exec(t, admin, `GRANT EXECUTE ON FUNCTION pg_catalog.hashtextextended TO delta_poor`)
	if err := delta.CheckHash(t.Context(), conn); err != nil {
		t.Error(err)
	}
}

// TestKeysThatAreNone: what was read from a set must not pass for a key.
func TestKeysThatAreNone(t *testing.T) {
	g := delta.Geometry{Buckets: 4, Kinds: []string{delta.Integer, delta.UUID}}
	id := []byte("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
	if _, _, err := g.Key([][]byte{[]byte("-1"), id}); err != nil {
		t.Error(err)
	}
	for _, key := range [][][]byte{
		{}, {[]byte("1")}, {[]byte("1"), id, id}, {nil, id}, {[]byte("1"), nil},
		{[]byte("one"), id}, {[]byte("9223372036854775808"), id}, {[]byte("1"), id[1:]}, {[]byte("1"), []byte("g" + string(id[1:]))},
	} {
		if _, _, err := g.Key(key); err == nil {
			t.Errorf("%q is a key", key)
		}
	}
}
