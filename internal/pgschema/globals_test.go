package pgschema_test

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// aside matches the lines of a script that are not statements.
var aside = regexp.MustCompile(`(?m)^(--.*|\\(un)?restrict .*|)\n`)

// oldMatters match what pg_dumpall says before 16 and no longer does: a
// grantor that the server did not check, a folder inside the data directory.
var oldMatters = regexp.MustCompile(`(?m) GRANTED BY \w+(;)$|pg_tblspc/\d+`)

// TestGlobalsSameAsPgDumpall: the statements are those of pg_dumpall
// --globals-only, in the same order.
func TestGlobalsSameAsPgDumpall(t *testing.T) {
	for _, tools := range oracle.Clients() {
		t.Run(strconv.Itoa(tools.Major), func(t *testing.T) {
			t.Parallel()
			srv := oracle.OwnServer(t, tools.Major, nil)
			target := srv.URL("postgres")
			oracle.Roles(t, srv)
			oracle.Exec(t, target, `
				CREATE ROLE admin LOGIN PASSWORD 'x' VALID UNTIL '2030-01-01 00:00:00+00' CONNECTION LIMIT 3 CREATEROLE;
				COMMENT ON ROLE admin IS E'a''b\\c';
				GRANT regress_pgcofre_owner TO admin WITH ADMIN OPTION;
				SET ROLE admin;
				GRANT regress_pgcofre_owner TO regress_pgcofre_reader;
				RESET ROLE;
				GRANT pg_read_all_data TO regress_pgcofre_reader;
				ALTER ROLE admin SET search_path = 'a b', "$user", '';
				ALTER ROLE admin SET application_name = E'q\\''w';
				SET allow_in_place_tablespaces = on;`)
			if tools.Major >= 15 {
				oracle.Exec(t, target, `
					GRANT SET ON PARAMETER work_mem TO admin;
					GRANT ALTER SYSTEM ON PARAMETER log_min_messages TO admin WITH GRANT OPTION;`)
			}
			if tools.Major >= 16 {
				oracle.Exec(t, target, `GRANT regress_pgcofre_writer TO admin WITH INHERIT FALSE, SET FALSE`)
			}
			const tablespace = `CREATE TABLESPACE "odd place" LOCATION '' WITH (random_page_cost = 2)`
			oracle.Exec(t, target, "SET allow_in_place_tablespaces = on", tablespace,
				`GRANT CREATE ON TABLESPACE "odd place" TO admin; COMMENT ON TABLESPACE "odd place" IS 'inside'`)

			program := filepath.Join(filepath.Dir(tools.PgDump), "pg_dumpall")
			want, _ := oracle.Run(t, program, "--globals-only", "--dbname="+target)
			if tools.Major < 16 {
				want = oldMatters.ReplaceAllString(want, "$1")
			}
			sameText(t, aside.ReplaceAllString(globals(t, target, "postgres"), ""), aside.ReplaceAllString(want, ""))
		})
	}
}

// TestGlobalsWithoutPasswords: a role that may not read pg_authid gets
// everything but the passwords.
func TestGlobalsWithoutPasswords(t *testing.T) {
	srv := oracle.Server(t, 0)
	oracle.Roles(t, srv)
	oracle.Exec(t, srv.URL("postgres"), `CREATE ROLE regress_pgschema_secret PASSWORD 'x'`)
	all := globals(t, srv.URL("postgres"), "postgres")
	if !strings.Contains(all, "ALTER ROLE regress_pgschema_secret WITH") || !strings.Contains(all, " PASSWORD 'SCRAM-SHA-256$") {
		t.Errorf("a superuser's globals lack the role or its password:\n%s", all)
	}
	hidden := regexp.MustCompile(` PASSWORD '[^']*'`).ReplaceAllString(all, "")
	sameText(t, globals(t, srv.URL("postgres"), "regress_pgcofre_reader"), hidden)
}

func globals(t *testing.T, target, role string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgsession.Connect(t.Context(), cfg, pgsession.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "SET ROLE "+pgsession.QuoteIdent(role)); err != nil {
		t.Fatal(err)
	}
	sql, err := pgschema.Globals(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	return sql
}
