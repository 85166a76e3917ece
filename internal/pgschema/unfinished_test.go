package pgschema_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
)

var halfRestored = pgschema.Unfinished{
	Set: "full/20250808T020000Z-k7f3", Safety: "full/20250809T020000Z-aaaa", Since: time.Date(2025, 8, 9, 2, 0, 1, 0, time.UTC),
}

// TestUnfinished: the mark comes off a comment as it was put on, and one that
// somebody edited still marks.
func TestUnfinished(t *testing.T) {
	for _, comment := range []string{"", "one line", "two\nlines", "\n", "ends\n"} {
		marked, err := halfRestored.Mark(comment)
		if err != nil {
			t.Fatal(err)
		}
		if u, rest := pgschema.CutUnfinished(marked); u == nil || *u != halfRestored || rest != comment {
			t.Errorf("%q: %v and %q", comment, u, rest)
		}
		if u, rest := pgschema.CutUnfinished(comment); u != nil || rest != comment {
			t.Errorf("%q is no mark: %v and %q", comment, u, rest)
		}
		for _, edit := range []string{`"full/`, "{"} {
			u, rest := pgschema.CutUnfinished(strings.Replace(marked, edit, "\x1b[1m", 1))
			if u == nil || *u != (pgschema.Unfinished{}) || !strings.Contains(u.String(), "edited") {
				t.Errorf("edited: %v and %q", u, rest)
			}
		}
	}
}

// TestUnfinishedArchive: an archive has the database's comment without the mark.
func TestUnfinishedArchive(t *testing.T) {
	for _, c := range []struct{ comment, want string }{{"", ""}, {"ours", "IS 'ours'"}} {
		target := oracle.Database(t, oracle.Server(t, 0))
		marked, err := halfRestored.Mark(c.comment)
		if err != nil {
			t.Fatal(err)
		}
		oracle.Exec(t, target, "COMMENT ON DATABASE "+oracle.Config(t, target).Database+" IS '"+marked+"'")
		s, err := read(t, target, nil)
		if err != nil {
			t.Fatal(err)
		}
		if s.Unfinished == nil || *s.Unfinished != halfRestored {
			t.Errorf("%q: read %v", c.comment, s.Unfinished)
		}
		got := ""
		for _, e := range s.Entries {
			if e.Desc == "COMMENT" && strings.HasPrefix(e.Tag, "DATABASE ") {
				got = e.Defn.String()
			}
		}
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) || strings.Contains(got, "pgcofre") {
			t.Errorf("%q: the archive has %q", c.comment, got)
		}
	}
}
