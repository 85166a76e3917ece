package oracle

import (
	"context"
	"testing"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// Unsupported is one object of a kind that a backup cannot reproduce, and must
// therefore name and refuse.
type Unsupported struct {
	Kind   string // as pg_dump's archives call it
	Schema string // of the object; "" for those in none
	Object string // its name
	SQL    string // creates it in an empty database

	undo string // what must go before the database can
}

// Build creates a database with the object in it and returns its URL. It is
// dropped when the test ends.
func (u Unsupported) Build(t testing.TB, srv *scratch.Server) string {
	t.Helper()
	target := Database(t, srv, u.SQL)
	if u.undo != "" {
		t.Cleanup(func() { execute(context.Background(), t, target, u.undo) })
	}
	return target
}

// Refused are the kinds of objects beyond those of [Databases].
var Refused = []Unsupported{
	{Kind: "CAST", Object: "CAST (integer AS public.refused)", SQL: `
		CREATE TYPE public.refused AS ENUM ('a');
		CREATE FUNCTION public.to_refused(int) RETURNS public.refused LANGUAGE sql IMMUTABLE AS $$ SELECT 'a'::public.refused $$;
		CREATE CAST (int AS public.refused) WITH FUNCTION public.to_refused(int)`},
	{Kind: "OPERATOR", Schema: "public", Object: "<~>", SQL: `CREATE OPERATOR public.<~> (FUNCTION = int4pl, LEFTARG = int, RIGHTARG = int)`},
	{Kind: "OPERATOR FAMILY", Schema: "public", Object: "refused", SQL: `CREATE OPERATOR FAMILY public.refused USING btree`},
	{Kind: "OPERATOR CLASS", Schema: "public", Object: "refused", SQL: `
		CREATE OPERATOR CLASS public.refused FOR TYPE int USING btree AS
		OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int)`},
	{Kind: "COLLATION", Schema: "public", Object: "refused", SQL: `CREATE COLLATION public.refused FROM "C"`},
	{Kind: "CONVERSION", Schema: "public", Object: "refused", SQL: `CREATE CONVERSION public.refused FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8`},
	{Kind: "TEXT SEARCH CONFIGURATION", Schema: "public", Object: "refused", SQL: `CREATE TEXT SEARCH CONFIGURATION public.refused (COPY = simple)`},
	{Kind: "TEXT SEARCH DICTIONARY", Schema: "public", Object: "refused", SQL: `CREATE TEXT SEARCH DICTIONARY public.refused (TEMPLATE = simple)`},
	{Kind: "TEXT SEARCH PARSER", Schema: "public", Object: "refused", SQL: `
		CREATE TEXT SEARCH PARSER public.refused (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype)`},
	{Kind: "TEXT SEARCH TEMPLATE", Schema: "public", Object: "refused", SQL: `CREATE TEXT SEARCH TEMPLATE public.refused (LEXIZE = dsimple_lexize)`},
	{Kind: "FOREIGN DATA WRAPPER", Object: "refused", SQL: `CREATE FOREIGN DATA WRAPPER refused`},
	{Kind: "SERVER", Object: "refused", SQL: `CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER refused FOREIGN DATA WRAPPER wrapper`},
	{Kind: "USER MAPPING", Object: "postgres", SQL: `
		CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER refused FOREIGN DATA WRAPPER wrapper;
		CREATE USER MAPPING FOR postgres SERVER refused`},
	{Kind: "FOREIGN TABLE", Schema: "public", Object: "refused", SQL: `
		CREATE FOREIGN DATA WRAPPER wrapper; CREATE SERVER server FOREIGN DATA WRAPPER wrapper;
		CREATE FOREIGN TABLE public.refused (a int) SERVER server`},
	{Kind: "SUBSCRIPTION", Object: "refused", SQL: `CREATE SUBSCRIPTION refused CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)`,
		undo: `ALTER SUBSCRIPTION refused SET (slot_name = NONE); DROP SUBSCRIPTION refused`},
	{Kind: "PROCEDURAL LANGUAGE", Object: "refused", SQL: `CREATE LANGUAGE refused HANDLER plpgsql_call_handler`},
	{Kind: "ACCESS METHOD", Object: "refused", SQL: `CREATE ACCESS METHOD refused TYPE TABLE HANDLER heap_tableam_handler`},
	{Kind: "TRANSFORM", Object: "TRANSFORM FOR integer LANGUAGE sql", SQL: `
		CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal), TO SQL WITH FUNCTION int4recv(internal))`},
	{Kind: "TYPE", Schema: "public", Object: "refused", SQL: `
		CREATE TYPE public.refused;
		CREATE FUNCTION public.refused_in(cstring) RETURNS public.refused LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
		CREATE FUNCTION public.refused_out(public.refused) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
		CREATE TYPE public.refused (INPUT = public.refused_in, OUTPUT = public.refused_out, LIKE = int4)`},
	{Kind: "SHELL TYPE", Schema: "public", Object: "refused", SQL: `CREATE TYPE public.refused`},
}
