package retention_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/retention"
)

var update = flag.Bool("update", false, "write the golden files anew")

// year is a sink in which a schedule runs for a year, by a clock of its own.
type year struct {
	t    *testing.T
	sink *remotetest.Mem
	now  time.Time
	full *made // the newest good one
	last *made // that the next incremental builds on
}

func (y *year) take(kind manifest.Kind, source string, change ...func(*manifest.Manifest)) *made {
	return makeSet(y.t, kind, source, y.now, change...).store(y.t, y.sink, "")
}

// documented runs what cron starts by the documented schedule in an hour.
func (y *year) documented() {
	date, hour := y.now.Day(), y.now.Hour()
	sunday := y.now.Weekday() == time.Sunday
	switch {
	case sunday && hour == 2 && y.now.YearDay()%91 > 7: // one Sunday in 13 the backup is suspect
		y.full = y.take(manifest.Full, "app")
		y.last = y.full
	case sunday && hour == 2:
		y.take(manifest.Full, "app", suspect)
	case hour == 3:
		y.take(manifest.Storage, "files")
	case y.now.Weekday() == time.Monday && hour == 5 && y.full != nil && y.now.Month() != time.August: // nobody tests in August
		if err := tested(y.t, y.full, y.now, true).Put(y.t.Context(), y.sink, nil); err != nil {
			y.t.Fatal(err)
		}
	case !sunday && hour == 6 && y.last != nil:
		y.last = y.take(manifest.Incremental, "app", child(y.last))
	case date == 1 && hour == 1:
		y.take(manifest.Configs, "settings")
	}
}

// hourly takes, in an hour, what a full set a day and one incremental every six
// hours make.
func (y *year) hourly() {
	switch {
	case y.now.Hour() == 2:
		y.full = y.take(manifest.Full, "app")
	case y.now.Hour()%6 == 0 && y.full != nil:
		y.take(manifest.Incremental, "app", child(y.full))
	}
}

// kept is a line of a golden file.
func (y *year) kept() string {
	line := y.now.Format(time.DateOnly)
	inv := scan(y.t, y.sink)
	for _, kind := range manifest.Kinds() {
		layout := "0102"
		if kind == manifest.Incremental {
			layout = "0102T15"
		}
		line += fmt.Sprintf(" | %s", kind)
		for _, m := range inv.Sets {
			if m.Kind == kind {
				line += " " + m.Start.Format(layout)
			}
		}
	}
	return fmt.Sprintf("%s | proofs %d\n", line, len(inv.Proofs))
}

// TestYear runs two schedules for a year, with a cleanup every day at 4. What
// is then there is in a golden file, and is whole.
func TestYear(t *testing.T) {
	zone, err := time.LoadLocation("America/Sao_Paulo")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		run    func(*year)
		policy retention.RetentionPolicy
	}{
		{"documented", (*year).documented, retention.Documented()},
		{"generations", (*year).hourly, retention.RetentionPolicy{
			Full:        retention.Rule{Daily: 7, Weekly: 4, Monthly: 12, Yearly: 3},
			Incremental: retention.Rule{Hourly: 6},
			Location:    zone,
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			y := &year{t: t, sink: remotetest.NewMem(), now: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}
			y.sink.Now = func() time.Time { return y.now }
			var got strings.Builder
			for ; y.now.Year() == 2025; y.now = y.now.Add(time.Hour) {
				tc.run(y)
				if y.now.Hour() != 4 {
					continue
				}
				if _, err := retention.Clean(t.Context(), y.sink, tc.policy, y.now, nil); err != nil {
					t.Fatal(err)
				}
				if err := checkWhole(t.Context(), y.sink, nil); err != nil {
					t.Fatal(err)
				}
				got.WriteString(y.kept())
			}
			golden := filepath.Join("testdata", tc.name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, got.String(), string(want))
		})
	}
}

// compareLines shows the first line that differs.
func compareLines(t *testing.T, got, want string) {
	t.Helper()
	a, b := strings.SplitAfter(got, "\n"), strings.SplitAfter(want, "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) {
			t.Errorf("there are %d days, want %d", len(a), len(b))
			return
		}
		if a[i] != b[i] {
			t.Errorf("kept are\n%swant\n%s", a[i], b[i])
			return
		}
	}
}
