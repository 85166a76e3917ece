package pgsession_test

import (
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

func TestStandby(t *testing.T) {
	primary := oracle.OwnServer(t, 15, nil)
	standby := oracle.Standby(t, primary)
	url := oracle.Database(t, primary, `CREATE TABLE t AS SELECT generate_series(1, 10) i`)
	writer := connect(t, url)
	exec1(t, writer, `SELECT pg_current_xact_id()`)
	standby.CatchUp(t)
	cfg := oracle.Config(t, standby.URL(t, url))
	found := findings(t, &pgsession.Options{Config: cfg, Deferrable: true})
	if len(found) != 1 || !strings.Contains(found[0].What, "SERIALIZABLE") {
		t.Errorf("findings: %q", found)
	}

	s := open(t, &pgsession.Options{Config: cfg, LockName: "x"})
	exec1(t, writer, `INSERT INTO t VALUES (11)`)
	standby.CatchUp(t)
	w := worker(t, s)
	if got := value[int](t, w.Conn(), `SELECT count(*) FROM public.t`); got != 10 {
		t.Errorf("the worker sees %d rows", got)
	}
	if err := w.Lock(t.Context(), relation(t, writer, "t")); err != nil {
		t.Error(err)
	}
	if err := s.WaitDurable(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Alive(t.Context()); err != nil {
		t.Error(err)
	}
	info := s.Info()
	if !info.Standby || info.LSN == "" || info.Timeline != 1 || info.SystemID == "" || time.Since(info.Time) > time.Minute {
		t.Errorf("info: %+v", info)
	}
	all := strings.Join(s.Warnings(), "\n")
	for _, want := range []string{"max_standby_streaming_delay", "hot_standby_feedback"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %s in %q", want, all)
		}
	}
	s.Close()
	awaitNone(t, standby.URL(t, url))
}
