package backup_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// during is a sink that calls f in the middle of the first objects of rows,
// while the copying backend is at work.
func during(n int, f func()) *remotetest.Faulty {
	var mu sync.Mutex
	return &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if !strings.Contains(name, ".dat.zst") {
			return r, nil
		}
		return io.MultiReader(io.LimitReader(r, 1), call(func() {
			mu.Lock()
			defer mu.Unlock()
			if n--; n >= 0 {
				f()
			}
		}), r), nil
	}}
}

// call is an empty reader that calls itself when it is read.
type call func()

func (c call) Read([]byte) (int, error) { c(); return 0, io.EOF }

// terminate ends backends of the backup in the database, the leader or the
// others.
func terminate(t *testing.T, conn *pgx.Conn, leader bool) {
	t.Helper()
	which := `NOT`
	if leader {
		which = ``
	}
	_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity a
		WHERE datname = current_database() AND application_name = $1 AND `+which+` EXISTS (
			SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory')`, pgsession.ApplicationName)
	if err != nil {
		t.Error(err)
	}
}

// TestWorkerTerminated: what a lost connection was copying is copied again.
func TestWorkerTerminated(t *testing.T) {
	t.Parallel()
	url := database(t)
	conn := connect(t, url)
	sink := during(2, func() { terminate(t, conn, false) })
	var last backup.Progress
	set, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url), RangeSize: 64 << 10}, &backup.Options{
		Progress: func(p backup.Progress) {
			if p.Done < last.Done || p.Raw < last.Raw || p.Rows < last.Rows || p.Total < last.Total || p.Elapsed < last.Elapsed {
				t.Errorf("progress goes back from %+v to %+v", last, p)
			}
			last = p
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if last.Phase != "done" || last.Done != last.Total || last.Total == 0 || last.Rows != 21000 || last.Left != 0 {
		t.Errorf("progress ends with %+v", last)
	}
	contents := intact(t, sink, set.Manifest)
	for _, table := range contents.Tables {
		if want := map[string]int64{"people": 20000, "tasks": 1000}[table.Name]; table.Rows != want {
			t.Errorf("table %s has %d rows of %d", table.Name, table.Rows, want)
		}
	}
	if len(contents.Tables[0].Objects) < 2 {
		t.Error("the table is one object: nothing is tested with it")
	}
	awaitNoBackend(t, url)
}

// TestLeaderTerminated: without the snapshot, there is no set.
func TestLeaderTerminated(t *testing.T) {
	t.Parallel()
	url := database(t)
	conn := connect(t, url)
	sink := during(1, func() { terminate(t, conn, true) })
	_, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, url)}, nil)
	if !errors.Is(err, pgsession.ErrLost) {
		t.Errorf("Run: %v", err)
	}
	leavesNothing(t, sink)
	awaitNoBackend(t, url)
}

// TestCancelled: cancelling ends every backend and leaves nothing.
func TestCancelled(t *testing.T) {
	t.Parallel()
	url := database(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("the machine shuts down")
	sink := during(1, func() { cancel(because) })
	_, err := backup.Run(ctx, sink, &backup.Dumper{Config: oracle.Config(t, url)}, nil)
	if !errors.Is(err, because) {
		t.Errorf("Run: %v", err)
	}
	leavesNothing(t, sink)
	awaitNoBackend(t, url)
}

// TestBusy: of two runs of one database, one is refused.
func TestBusy(t *testing.T) {
	t.Parallel()
	url := database(t)
	src := &backup.Dumper{Config: oracle.Config(t, url)}
	var second error
	other := remotetest.NewMem()
	sink := during(1, func() { _, second = backup.Run(t.Context(), other, src, nil) })
	set, err := backup.Run(t.Context(), sink, src, nil)
	if err != nil {
		t.Fatal(err)
	}
	intact(t, sink, set.Manifest)
	if !errors.Is(second, backup.ErrBusy) {
		t.Errorf("the second run: %v", second)
	}
	leavesNothing(t, other)
}
