package retention_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/retention"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// TestYearRestores backs a real database up every week of a year, cleaned by
// generations. Whatever stays is intact, and sets picked at random restore,
// each to what the database was then.
func TestYearRestores(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 0)
	url := oracle.Database(t, srv, "CREATE TABLE semanas (id int PRIMARY KEY, texto text)")
	random := rand.New(rand.NewPCG(20250808, 8))
	policy := retention.RetentionPolicy{Full: retention.Rule{Weekly: 3, Monthly: 6, Yearly: 1}}
	sink := remotetest.NewMem()
	now := start
	sink.Now = func() time.Time { return now }
	v := &verify.Verifier{Sink: sink}
	restores := rounds(4, 20)
	for week := range 52 {
		now = start.AddDate(0, 0, 7*week).Add(2 * time.Hour)
		oracle.Exec(t, url, fmt.Sprintf("INSERT INTO semanas SELECT i, 'semana %d' FROM generate_series(%d, %d) i", week, 10*week, 10*week+9))
		if _, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url)}, &backup.Options{Now: sink.Now}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Hour)
		res, err := retention.Clean(t.Context(), sink, policy, now, nil)
		if err != nil {
			t.Fatal(err)
		}
		kept := res.Plan.Kept()
		if got := scan(t, sink).Sets; short(got) != short(kept) || len(got) < min(week+1, 3) || len(got) > 10 {
			t.Fatalf("in week %d there are %s, and kept %s", week, short(got), short(kept))
		}
		for _, m := range kept {
			rep, err := v.Integrity(t.Context(), m)
			if err == nil {
				err = rep.Err()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if left := 52 - week; random.IntN(left) < restores {
			restores--
			m := kept[random.IntN(len(kept))]
			restored(t, v, srv, m, 10*(1+int(m.Start.Sub(start)/(7*day))))
		}
	}
}

// restored brings a set back and compares all rows with it.
func restored(t *testing.T, v *verify.Verifier, srv *scratch.Server, m *manifest.Manifest, rows int) {
	t.Helper()
	name := fmt.Sprintf("retention_%d", m.Start.Unix())
	target := srv.URL(name)
	defer oracle.Exec(t, srv.URL("postgres"), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	plan, err := (&restore.Restorer{Sink: v.Sink, Target: oracle.Config(t, target)}).Plan(t.Context(), m, nil)
	if err == nil {
		_, err = plan.Apply(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	rep, err := v.Compare(t.Context(), m, oracle.Config(t, target), nil)
	if err == nil {
		err = rep.Err()
	}
	if err != nil || rep.Rows != int64(rows) {
		t.Errorf("%s has %d rows, want %d: %v", m.ID, rep.Rows, rows, err)
	}
}
