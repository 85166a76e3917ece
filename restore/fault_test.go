package restore_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// spoilRows is a sink whose objects of rows go through f.
func spoilRows(sink remote.RemoteSink, f func(ctx context.Context, r io.Reader) (io.Reader, error)) *remotetest.Faulty {
	return &remotetest.Faulty{RemoteSink: sink, OnGet: func(ctx context.Context, name string, r io.Reader) (io.Reader, error) {
		if !strings.Contains(name, ".dat") || strings.HasSuffix(name, "/toc.dat") {
			return r, nil
		}
		return f(ctx, r)
	}}
}

// TestSinkFails: a store that fails is no damage, and the error is its own.
func TestSinkFails(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	set := take(t, sink, oracle.Database(t, srv, large), "zstd", smallRanges)
	broken := errors.New("connection reset by the store")
	for what, f := range map[string]func(context.Context, io.Reader) (io.Reader, error){
		"at once": func(context.Context, io.Reader) (io.Reader, error) { return nil, broken },
		"midway": func(_ context.Context, r io.Reader) (io.Reader, error) {
			return remotetest.FailAfter(r, 100, broken), nil
		},
	} {
		faulty, target := spoilRows(sink, f), newName(t, srv)
		_, err := plan(t, faulty, set, target, nil).Apply(t.Context())
		var damage *proof.DamageError
		if !errors.Is(err, broken) || errors.As(err, &damage) || !strings.Contains(err.Error(), set.ID) {
			t.Errorf("%s, restoring: %v", what, err)
		}
		(&spoiled{srv: srv}).gone(t, target)
		if rep, err := (&verify.Verifier{Sink: faulty}).Integrity(t.Context(), set); !errors.Is(err, broken) {
			t.Errorf("%s, Integrity: %+v, %v", what, rep, err)
		}
	}
}

// TestRestoreCancelled: cancelling ends every backend, and the database that
// was begun is dropped.
func TestRestoreCancelled(t *testing.T) {
	t.Parallel()
	srv, sink := oracle.Server(t, 15), folder(t)
	set := take(t, sink, oracle.Database(t, srv, large), "zstd", smallRanges)
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("the machine shuts down")
	hanging := spoilRows(sink, func(ctx context.Context, _ io.Reader) (io.Reader, error) {
		cancel(because)
		return nil, remotetest.Hang(ctx)
	})
	target := newName(t, srv)
	_, err := plan(t, hanging, set, target, nil).Apply(ctx)
	if !errors.Is(err, because) && !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	(&spoiled{srv: srv}).gone(t, target)
	stage := restore.StageName(oracle.Config(t, target).Database)
	oracle.Await(t, "no backend is left", func() bool {
		return value[int](t, srv.URL("postgres"), `SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = $2`,
			stage, pgsession.ApplicationName) == 0
	})
}
