package restore_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/restore"
)

func TestLex(t *testing.T) {
	for _, c := range []struct {
		sql   string
		names string
	}{
		{`GRANT SELECT ON t TO x`, `grant|select|on|t|to|x`},
		{`A "B ""c"" d" é$1 _x`, `a|B "c" d|é$1|_x`},
		{`a -- b 'c
d`, `a|d`},
		{`a /* b /* c */ d */ e`, `a|e`},
		{`a 'b ''c'' \' d`, `a|d`},
		{`a E'b \' c' e'\\' d`, `a|d`},
		{`a $$ b $$ c $x$ d $$ e $x$ f`, `a|c|f`},
		{`a $1 b`, `a|b`},
		{`a 'open`, `a`},
		{`a "open`, `a|open`},
		{`a /* open`, `a`},
		{`a $x$ open`, `a`},
		{`1e5 x`, `e5|x`},
		{``, ``},
	} {
		texts, names := restore.Lex(c.sql)
		if got := strings.Join(texts, ""); got != c.sql {
			t.Errorf("the tokens of %q make %q", c.sql, got)
		}
		if got := strings.Join(names, "|"); got != c.names {
			t.Errorf("%q has the names %q, want %q", c.sql, got, c.names)
		}
	}
}

// FuzzLex: whatever comes in, the tokens are the text.
func FuzzLex(f *testing.F) {
	f.Add(`CREATE POLICY "p" ON t TO a, b USING (x = $$y$$); -- c`)
	f.Add(`"`)
	f.Add(`E'\`)
	f.Fuzz(func(t *testing.T, sql string) {
		if texts, _ := restore.Lex(sql); strings.Join(texts, "") != sql {
			t.Errorf("%q became %q", sql, texts)
		}
		restore.RewriteRoles(sql, func(name string) string { return name + "x" })
		restore.RewriteDatabase(sql, "db")
		restore.StatementAt(sql, len(sql)/2)
	})
}

func TestRewriteRoles(t *testing.T) {
	roles := map[string]string{"a": "x", "B c": "y z", "select": "w", "with": "v"}
	to := func(name string) string { return cmp.Or(roles[name], name) }
	for _, c := range []struct{ sql, want string }{
		{`GRANT SELECT ON TABLE public.a TO a;`, `GRANT SELECT ON TABLE public.a TO "x";`},
		{`GRANT SELECT(a),UPDATE(b) ON TABLE t TO "B c" WITH GRANT OPTION;`, `GRANT SELECT(a),UPDATE(b) ON TABLE t TO "y z" WITH GRANT OPTION;`},
		{`REVOKE ALL ON TABLE t FROM PUBLIC;`, `REVOKE ALL ON TABLE t FROM PUBLIC;`},
		{`REVOKE ALL ON TABLE "from" FROM a;`, `REVOKE ALL ON TABLE "from" FROM "x";`},
		{`SET SESSION AUTHORIZATION a; GRANT ALL ON t TO other; RESET SESSION AUTHORIZATION;`, `SET SESSION AUTHORIZATION "x"; GRANT ALL ON t TO other; RESET SESSION AUTHORIZATION;`},
		{`ALTER DEFAULT PRIVILEGES FOR ROLE a IN SCHEMA a GRANT SELECT ON TABLES TO a;`, `ALTER DEFAULT PRIVILEGES FOR ROLE "x" IN SCHEMA a GRANT SELECT ON TABLES TO "x";`},
		{`CREATE POLICY a ON a TO a, "B c", PUBLIC USING ((to_char(a) = 'TO a')) WITH CHECK (a);`, `CREATE POLICY a ON a TO "x", "y z", PUBLIC USING ((to_char(a) = 'TO a')) WITH CHECK (a);`},
		{`CREATE POLICY p ON t FOR SELECT TO CURRENT_USER, a;`, `CREATE POLICY p ON t FOR SELECT TO CURRENT_USER, "x";`},
		{`GRANT SELECT ON TABLE t TO "select";`, `GRANT SELECT ON TABLE t TO "w";`},
		{`GRANT SELECT ON TABLE t TO "with" WITH GRANT OPTION;`, `GRANT SELECT ON TABLE t TO "v" WITH GRANT OPTION;`},
		{`CREATE USER MAPPING FOR a SERVER a OPTIONS ("user" 'a');`, `CREATE USER MAPPING FOR "x" SERVER a OPTIONS ("user" 'a');`},
		{`ALTER ROLE a IN DATABASE a SET work_mem TO '1MB';`, `ALTER ROLE "x" IN DATABASE a SET work_mem TO '1MB';`},
		{`GRANT ALL ON SCHEMA a TO a GRANTED BY "B c";`, `GRANT ALL ON SCHEMA a TO "x" GRANTED BY "y z";`},
	} {
		if got := restore.RewriteRoles(c.sql, to); got != c.want {
			t.Errorf("%s\nbecame %s\nwant   %s", c.sql, got, c.want)
		}
	}
}

func TestRewriteDatabase(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{`CREATE DATABASE old WITH TEMPLATE = template0 OWNER = old;`, `CREATE DATABASE "new name" WITH TEMPLATE = template0 OWNER = old;`},
		{`ALTER DATABASE "Old ""x" SET search_path TO 'database', 'old';`, `ALTER DATABASE "new name" SET search_path TO 'database', 'old';`},
		{"ALTER DATABASE old SET a TO 'b';\nALTER ROLE r IN DATABASE old SET c TO 'database old';", "ALTER DATABASE \"new name\" SET a TO 'b';\nALTER ROLE r IN DATABASE \"new name\" SET c TO 'database old';"},
		{`COMMENT ON DATABASE database IS 'DATABASE old';`, `COMMENT ON DATABASE "new name" IS 'DATABASE old';`},
		{`GRANT ALL ON DATABASE old TO "database";`, `GRANT ALL ON DATABASE "new name" TO "database";`},
	} {
		if got := restore.RewriteDatabase(c.sql, "new name"); got != c.want {
			t.Errorf("%s\nbecame %s\nwant   %s", c.sql, got, c.want)
		}
	}
}

func TestStatementAt(t *testing.T) {
	const script = "SET a = 'é;';\nCREATE TABLE t (x;y);\n\n  ALTER TABLE t;"
	for _, c := range []struct {
		find, statement string
	}{
		{"SET", "SET a = 'é;';"},
		{"CREATE", "CREATE TABLE t (x;"},
		{"ALTER", "ALTER TABLE t;"},
	} {
		position := len([]rune(script[:strings.Index(script, c.find)])) + 1
		if got, at := restore.StatementAt(script, position); got != c.statement || at != 1 {
			t.Errorf("at %d there is %q, %d; want %q, 1", position, got, at, c.statement)
		}
	}
}
