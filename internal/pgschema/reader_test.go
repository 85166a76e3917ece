package pgschema_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// TestReadAsOrdinaryRole: the catalogs can be read without being superuser;
// what the server hides then is warned of, what cannot be backed up is refused
// all the same.
func TestReadAsOrdinaryRole(t *testing.T) {
	i := slices.IndexFunc(oracle.Databases, func(b oracle.Builder) bool { return b.Name == "otherkinds" })
	for _, major := range []int{oracle.Majors[0], 0} { // the oldest, the newest
		target := oracle.Databases[i].Build(t, oracle.Server(t, major))
		s, err := readAs(t, target, "regress_pgcofre_reader")
		if err != nil {
			t.Fatal(err)
		}
		want := `user mapping for regress_pgcofre_owner on server Server 1: has no options, or only a superuser sees them`
		if !slices.Contains(s.Warnings, want) {
			t.Errorf("warnings %q lack %q", s.Warnings, want)
		}
		oracle.Exec(t, target, `CREATE SUBSCRIPTION regress_pgschema_sub CONNECTION 'dbname=none' PUBLICATION p WITH (connect = false, slot_name = NONE)`)
		_, err = readAs(t, target, "regress_pgcofre_reader")
		oracle.Exec(t, target, `DROP SUBSCRIPTION regress_pgschema_sub`)
		refused := (*pgschema.UnsupportedError)(nil)
		if !errors.As(err, &refused) || !slices.Equal(refused.Objects, []string{"SUBSCRIPTION regress_pgschema_sub"}) {
			t.Errorf("with a subscription: %v", err)
		}
	}
}

func readAs(t *testing.T, target, role string) (*pgschema.Schema, error) {
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
	if _, err := conn.Exec(t.Context(), "SET ROLE "+pgsession.QuoteIdent(role)+"; BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"); err != nil {
		t.Fatal(err)
	}
	return pgschema.Read(t.Context(), conn, nil)
}
