package pgschema_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

const sequences = `
	CREATE SEQUENCE fresh START 5;
	CREATE SEQUENCE "Used 'up'" MAXVALUE 10;
	SELECT nextval('"Used ''up''"'), nextval('"Used ''up''"');
	CREATE TABLE rows (a bigint GENERATED ALWAYS AS IDENTITY);
	INSERT INTO rows DEFAULT VALUES;`

// TestReadSequences: values are those of the moment, not of the snapshot.
func TestReadSequences(t *testing.T) {
	for _, major := range []int{15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			target := oracle.Database(t, oracle.Server(t, major), sequences)
			conn := snapshot(t, target)
			s, err := pgschema.Read(t.Context(), conn, nil)
			if err != nil {
				t.Fatal(err)
			}
			oracle.Exec(t, target, "SELECT nextval('rows_a_seq'), setval('fresh', 9, false)")
			if err := s.ReadSequences(t.Context(), conn); err != nil {
				t.Fatal(err)
			}
			got := make(map[string]string)
			for _, seq := range s.Sequences {
				got[seq.Name] = seq.Entry.Defn.S
			}
			for name, want := range map[string]string{
				"fresh":      "SELECT pg_catalog.setval('public.fresh', 9, false);\n",
				"Used 'up'":  "SELECT pg_catalog.setval('public.\"Used ''up''\"', 2, true);\n",
				"rows_a_seq": "SELECT pg_catalog.setval('public.rows_a_seq', 2, true);\n",
			} {
				if got[name] != want {
					t.Errorf("%s is restored by %q; want %q", name, got[name], want)
				}
			}
		})
	}
}

// TestReadSequencesDenied: what the role may not see is an error that names all
// of it, not a sequence that starts anew.
func TestReadSequencesDenied(t *testing.T) {
	for _, major := range []int{15, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			srv := oracle.Server(t, major)
			oracle.Exec(t, srv.URL("postgres"), "DROP ROLE IF EXISTS regress_pgschema_poor; CREATE ROLE regress_pgschema_poor LOGIN")
			target := oracle.Database(t, srv, sequences, `SELECT lo_create(4711), lo_create(4712); GRANT SELECT ON LARGE OBJECT 4712 TO PUBLIC`)
			cfg, err := pgx.ParseConfig(target)
			if err != nil {
				t.Fatal(err)
			}
			conn := snapshot(t, target)
			if _, err := conn.Exec(t.Context(), "SET ROLE regress_pgschema_poor"); err != nil {
				t.Fatal(err)
			}
			_, err = pgschema.Read(t.Context(), conn, nil)
			var denied *pgsession.DoctorError
			if !errors.As(err, &denied) || len(denied.Findings) != 2 || !strings.Contains(denied.Findings[0].What, `"fresh", `) ||
				!strings.HasSuffix(denied.Findings[1].What, "1 large objects: 4711") ||
				!strings.Contains(denied.Findings[1].Way, "GRANT SELECT ON LARGE OBJECT 4711 TO \"regress_pgschema_poor\"") {
				t.Errorf("Read in %s as a role without privileges: %v; want an error that names sequences and large object", cfg.Database, err)
			}
		})
	}
}
