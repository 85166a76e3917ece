package restore_test

import (
	"errors"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/restore"
)

// TestPrerequisites restores a part whose tables refer to what was excluded,
// and the target has already, as hosted databases do.
func TestPrerequisites(t *testing.T) {
	t.Parallel()
	const auth = `
		CREATE SCHEMA auth; CREATE TABLE auth.users (id serial PRIMARY KEY);
		CREATE FUNCTION auth.uid() RETURNS int LANGUAGE sql AS 'SELECT 1'; INSERT INTO auth.users VALUES (1);`
	srv, sink := oracle.Server(t, 15), folder(t)
	source := oracle.Database(t, srv, auth, `CREATE TABLE profiles (id int REFERENCES auth.users); INSERT INTO profiles VALUES (1)`)
	set := take(t, sink, source, "zstd", func(d *backup.Dumper) { d.ExcludeSchemas = []string{"auth"} })
	target := oracle.Database(t, srv, auth)
	p := plan(t, sink, set, target, nil)
	if len(p.Prerequisites) == 0 || len(p.Excluded) == 0 || len(p.Notes) == 0 {
		t.Errorf("the plan does not say what must be there: %+v", p)
	}
	if _, err := p.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	same(t, sink, set, target, nil)

	// What is in the way of the set's own objects is refused as ever.
	target = oracle.Database(t, srv, auth, `CREATE VIEW mine AS SELECT 1`)
	var notEmpty *restore.NotEmptyError
	if _, err := (&restore.Restorer{Sink: sink, Target: oracle.Config(t, target)}).Plan(t.Context(), set, nil); !errors.As(err, &notEmpty) || len(notEmpty.Holds) != 1 {
		t.Errorf("Plan: %v", err)
	}
	// Without them, the restore fails by their name.
	target = newName(t, srv)
	var entry *restore.EntryError
	if _, err := plan(t, sink, set, target, nil).Apply(t.Context()); !errors.As(err, &entry) || entry.Desc != "FK CONSTRAINT" {
		t.Errorf("Apply: %v", err)
	}
	(&spoiled{srv: srv}).gone(t, target)
}
