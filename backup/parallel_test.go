//go:build !race

package backup_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/bench/workload"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestJobsPay (not with the race detector, which takes the time that it
// measures): where the network is what takes time, eight jobs upload at least
// four times as fast as one.
func TestJobsPay(t *testing.T) {
	srv := oracle.Server(t, 0)
	all := clouds(t)[:1]
	if os.Getenv("PGCOFRE_LONG") != "" {
		all = clouds(t)
	}
	source := oracle.Database(t, srv)
	if err := workload.Build(t.Context(), connect(t, source), workload.Sizes{Large: 21}); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			p := oracle.Proxy(t, c.addr)
			p.Toxic("latency", "downstream", map[string]any{"latency": 40})
			p.Toxic("bandwidth", "upstream", map[string]any{"rate": 100})
			took := map[int]time.Duration{}
			for _, jobs := range []int{1, 8} {
				start := time.Now()
				res, err := backup.Run(t.Context(), c.sink(t, p.Addr, fmt.Sprint(jobs)), &backup.Dumper{
					Config: oracle.Config(t, source), Jobs: jobs, RangeSize: 392 << 10,
				}, nil)
				if err != nil {
					t.Fatal(err)
				}
				took[jobs] = time.Since(start)
				if n := len(res.Objects); n < 60 {
					t.Errorf("only %d objects, too few for so many at a time", n)
				}
			}
			ratio := took[1].Seconds() / took[8].Seconds()
			t.Logf("1 job: %v, 8 jobs: %v, %.1f times as fast", took[1].Round(time.Millisecond), took[8].Round(time.Millisecond), ratio)
			if ratio < 4 {
				t.Error("that is less than 4 times")
			}
		})
	}
}
