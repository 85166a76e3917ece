package restore_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
)

// hosted is a schema that a target has already, as hosted databases do, with
// what its event triggers call, and a table of those that fired.
const hosted = `
	CREATE SCHEMA hosted; CREATE TABLE hosted.users (id int PRIMARY KEY); INSERT INTO hosted.users VALUES (1);
	CREATE TABLE hosted.fired (name text); GRANT ALL ON SCHEMA hosted TO PUBLIC; GRANT ALL ON hosted.fired, hosted.users TO PUBLIC;
	CREATE FUNCTION hosted.origin() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO hosted.fired VALUES (''origin''); END';
	CREATE FUNCTION hosted."Always"() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO hosted.fired VALUES (''Always''); END';
	CREATE FUNCTION hosted.replica() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO hosted.fired VALUES (''replica''); END';`

const (
	disabledTrigger = `CREATE EVENT TRIGGER disabled ON ddl_command_start EXECUTE FUNCTION hosted.origin(); ALTER EVENT TRIGGER disabled DISABLE;`
	originTrigger   = `CREATE EVENT TRIGGER origin ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION hosted.origin();`
	alwaysTrigger   = `CREATE EVENT TRIGGER "Always" ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION hosted."Always"(); ALTER EVENT TRIGGER "Always" ENABLE ALWAYS;`
	replicaTrigger  = `CREATE EVENT TRIGGER replica ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION hosted.replica(); ALTER EVENT TRIGGER replica ENABLE REPLICA;`
)

// TestEventTriggersOfTarget: they do not fire at what is restored, and the
// result names those that no setting keeps from it.
func TestEventTriggersOfTarget(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		major    int
		triggers string
		user     string
		fired    []string // and named in the notes
	}{
		{15, originTrigger, "", nil},
		{15, replicaTrigger, "", nil},
		{15, alwaysTrigger + replicaTrigger, "", []string{"Always"}},
		{15, originTrigger + alwaysTrigger + replicaTrigger, "", []string{"Always", "replica"}},
		{15, originTrigger + alwaysTrigger + replicaTrigger, "regress_pgcofre_poor_ddl", []string{"Always", "origin"}},
		{17, originTrigger + alwaysTrigger + replicaTrigger, "", nil},
		{17, originTrigger + alwaysTrigger + replicaTrigger, "regress_pgcofre_poor_ddl", []string{"Always", "origin"}},
	} {
		srv, sink := oracle.Server(t, c.major), folder(t)
		set := take(t, sink, oracle.Database(t, srv, hosted, `CREATE TABLE t (id int REFERENCES hosted.users); INSERT INTO t VALUES (1)`), "zstd",
			func(d *backup.Dumper) { d.ExcludeSchemas = []string{"hosted"} })
		target := oracle.Database(t, srv, hosted, disabledTrigger, c.triggers, `GRANT ALL ON SCHEMA public TO PUBLIC`)
		cfg := oracle.Config(t, target)
		opts := &restore.Options{}
		if c.user != "" {
			oracle.Exec(t, srv.URL("postgres"), `DROP ROLE IF EXISTS regress_pgcofre_poor_ddl; CREATE ROLE regress_pgcofre_poor_ddl LOGIN PASSWORD 'poor'`)
			cfg.User, cfg.Password = c.user, "poor"
			opts = &restore.Options{NoOwner: true, NoPrivileges: true}
		}
		p, err := (&restore.Restorer{Sink: sink, Target: cfg}).Plan(t.Context(), set, opts)
		if err != nil {
			t.Fatal(err)
		}
		res, err := p.Apply(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fired := value[[]string](t, target, `SELECT array_agg(DISTINCT name ORDER BY name) FROM hosted.fired`)
		if !slices.Equal(fired, c.fired) {
			t.Errorf("%d, %s: %q fired", c.major, c.triggers, fired)
		}
		var named []string
		for _, note := range res.Notes {
			_, list, _ := strings.Cut(note, "ALTER EVENT TRIGGER ... DISABLE before it: ")
			for name := range strings.SplitSeq(list, ", ") {
				if name != "" {
					named = append(named, strings.Trim(name, `"`))
				}
			}
		}
		if !slices.Equal(named, c.fired) {
			t.Errorf("%d, %s: notes %q", c.major, c.triggers, res.Notes)
		}
	}
}
