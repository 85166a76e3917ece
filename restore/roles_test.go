package restore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// owned is a database whose objects name roles in every place.
const owned = `
	CREATE TABLE t (id int PRIMARY KEY, owner name);
	INSERT INTO t VALUES (1, 'x');
	ALTER TABLE t OWNER TO regress_pgcofre_gone_a;
	GRANT SELECT, INSERT ON t TO "regress_pgcofre_gone B" WITH GRANT OPTION;
	ALTER TABLE t ENABLE ROW LEVEL SECURITY;
	CREATE POLICY p ON t TO "regress_pgcofre_gone B" USING (owner = current_user);
	ALTER DEFAULT PRIVILEGES FOR ROLE regress_pgcofre_gone_a GRANT SELECT ON TABLES TO "regress_pgcofre_gone B"`

// TestRoles restores to a server whose roles are not those of the backup.
func TestRoles(t *testing.T) {
	t.Parallel()
	there, here := oracle.Server(t, 15), oracle.Server(t, 18)
	create := `CREATE ROLE regress_pgcofre_gone_a; CREATE ROLE "regress_pgcofre_gone B"`
	drop := `DROP ROLE IF EXISTS regress_pgcofre_gone_a, "regress_pgcofre_gone B"`
	oracle.Exec(t, there.URL("postgres"), drop, create)
	sink := folder(t)
	set := take(t, sink, oracle.Database(t, there, owned), "zstd")
	names := []string{"regress_pgcofre_gone B", "regress_pgcofre_gone_a"}

	t.Run("missing", func(t *testing.T) {
		target := newName(t, here)
		p := plan(t, sink, set, target, nil)
		if !slices.Equal(p.MissingRoles, names) {
			t.Errorf("missing roles: %q", p.MissingRoles)
		}
		var missing *restore.MissingError
		if _, err := p.Apply(t.Context()); !errors.As(err, &missing) || !strings.Contains(err.Error(), names[0]) || !strings.Contains(err.Error(), "globals.sql") {
			t.Errorf("Apply: %v", err)
		}
		(&spoiled{srv: here}).gone(t, target)
	})
	t.Run("left out", func(t *testing.T) {
		target := newName(t, here)
		p := plan(t, sink, set, target, &restore.Options{NoOwner: true, NoPrivileges: true})
		if !slices.Equal(p.MissingRoles, names[:1]) {
			t.Errorf("missing roles: %q; the policy still names one", p.MissingRoles)
		}
	})
	t.Run("no member", func(t *testing.T) {
		oracle.Exec(t, here.URL("postgres"), `DROP ROLE IF EXISTS regress_pgcofre_guest; CREATE ROLE regress_pgcofre_guest LOGIN PASSWORD 'g' CREATEDB`)
		target := oracle.Config(t, newName(t, here))
		target.User, target.Password = "regress_pgcofre_guest", "g"
		p, err := (&restore.Restorer{Sink: sink, Target: target}).Plan(t.Context(), set, &restore.Options{
			Roles: map[string]string{names[1]: "pg_monitor", "typing_error": "postgres"},
		})
		if err != nil {
			t.Fatal(err)
		}
		notes := strings.Join(p.Notes, "\n")
		if !strings.Contains(notes, "what belongs to pg_monitor, postgres will fail") || !strings.Contains(notes, `no role "typing_error"`) {
			t.Errorf("notes: %s", notes)
		}
		if p, err = (&restore.Restorer{Sink: sink, Target: target}).Plan(t.Context(), set, &restore.Options{NoOwner: true}); err != nil || len(p.Notes) > 0 {
			t.Errorf("without owners: %v, notes %q", err, p.Notes)
		}
		oracle.Exec(t, here.URL("postgres"), `DROP ROLE regress_pgcofre_guest`)
	})
	t.Run("mapped", func(t *testing.T) {
		target, to := newName(t, here), map[string]string{names[0]: "regress_pgcofre_mapped", names[1]: "postgres"}
		oracle.Exec(t, here.URL("postgres"), `CREATE ROLE regress_pgcofre_mapped`)
		if _, err := plan(t, sink, set, target, &restore.Options{Roles: to}).Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, sink, set, target, &verify.CompareOptions{Roles: to})
		if !value[bool](t, target, `SELECT has_table_privilege('regress_pgcofre_mapped', 't', 'INSERT WITH GRANT OPTION')
			AND (SELECT polroles = ARRAY['regress_pgcofre_mapped'::regrole::oid] FROM pg_policy)
			AND (SELECT defaclrole = 'postgres'::regrole FROM pg_default_acl)
			AND (SELECT relowner = 'postgres'::regrole FROM pg_class WHERE relname = 't')`) {
			t.Error("the roles were not mapped everywhere")
		}
		oracle.Exec(t, target, `DROP OWNED BY regress_pgcofre_mapped`)
		oracle.Exec(t, here.URL("postgres"), `DROP ROLE regress_pgcofre_mapped`)
	})
	t.Run("created", func(t *testing.T) {
		target := newName(t, here)
		p := plan(t, sink, set, target, &restore.Options{CreateRoles: true})
		var text strings.Builder
		if err := p.WriteText(&text); err != nil || !strings.Contains(text.String(), "Roles that it creates") {
			t.Errorf("%v, plan:\n%s", err, &text)
		}
		if _, err := p.Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, sink, set, target, nil)
		if n := value[int](t, target, `SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1) AND NOT rolcanlogin`, names); n != 2 {
			t.Errorf("%d roles were created", n)
		}
	})
	t.Run("no owner", func(t *testing.T) {
		target := newName(t, here)
		if _, err := plan(t, sink, set, target, &restore.Options{NoOwner: true, NoPrivileges: true}).Apply(t.Context()); err != nil {
			t.Fatal(err)
		}
		same(t, sink, set, target, &verify.CompareOptions{NoOwner: true, NoPrivileges: true})
		if !value[bool](t, target, `SELECT relacl IS NULL AND relowner = 'postgres'::regrole FROM pg_class WHERE relname = 't'`) {
			t.Error("owner or privileges were restored")
		}
	})
	oracle.Exec(t, here.URL("postgres"), drop)
}
