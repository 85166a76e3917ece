package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/verify"
)

// tour is one run of the quickstart.
type tour struct {
	*report
	dir    string
	sink   remote.RemoteSink
	set    *manifest.Manifest
	limits int // what the proofs named as not proven
}

// run backs up the database that url names, or the sample where it is empty.
// The backup is kept when it returns nil, or a *verify.FailedError for those
// who want to look into it.
func run(ctx context.Context, r *report, url string) (err error) {
	dir, err := os.MkdirTemp("", "pgcofre-quickstart-")
	if err != nil {
		return err
	}
	defer func() {
		if failed := (*verify.FailedError)(nil); err != nil && !errors.As(err, &failed) {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	sink, err := remote.NewDir(dir)
	if err != nil {
		return err
	}
	t := &tour{report: r, dir: dir, sink: sink}
	if url == "" {
		return t.sample(ctx)
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	return t.yours(ctx, cfg)
}

// sample does everything on a private server.
func (t *tour) sample(ctx context.Context) (err error) {
	srv, err := t.server(ctx, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Stop(context.WithoutCancel(ctx))) }()
	err = t.step("sample", func() error {
		s, err := createSample(ctx, srv.Server)
		if err != nil {
			return err
		}
		t.line("%d tables, %s rows, %s on disk", s.tables, count(s.rows), size(s.size))
		return nil
	})
	if err != nil {
		return err
	}
	start, err := readLedger(ctx, srv.Config(sampleName))
	if err != nil {
		return err
	}
	w, err := startWriter(ctx, srv.Config(sampleName))
	if err != nil {
		return err
	}
	before := w.committed.Load()
	backupErr := t.backup(ctx, srv.Config(sampleName))
	after, err := w.stop()
	if err := errors.Join(backupErr, err); err != nil {
		return err
	}
	if err := t.integrity(ctx); err != nil {
		return err
	}
	restored := srv.Config(restoredName)
	unable, err := t.restore(ctx, srv, restored)
	if err != nil {
		return err
	}
	if unable != "" {
		return errors.New(unable)
	}
	if err := t.compare(ctx, restored); err != nil {
		return err
	}
	if err := t.invariant(ctx, restored, start.points, before, after); err != nil {
		return err
	}
	t.conclude()
	return nil
}

// invariant checks that the copy is of one moment between the counts of
// committed transactions before and after the backup.
func (t *tour) invariant(ctx context.Context, restored *pgx.ConnConfig, points, before, after int64) error {
	return t.step("invariant", func() error {
		copied, err := readLedger(ctx, restored)
		if err != nil {
			return err
		}
		t.line("%s transactions were committed while the backup ran; its snapshot", count(after-before))
		t.line("has the first %s, whole, and all %s points", count(copied.transfers-before), count(copied.points))
		switch {
		case copied.points != points:
			return fmt.Errorf("the copy has %d points, every state of the database had %d", copied.points, points)
		case copied.transfers < before || copied.transfers > after:
			return fmt.Errorf("the copy has %d transactions; there were %d before the backup and %d after it", copied.transfers, before, after)
		}
		return nil
	})
}

// yours backs up a database, which it only reads, and restores the backup into
// a private server.
func (t *tour) yours(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	if err := t.backup(ctx, cfg); err != nil {
		return err
	}
	if err := t.integrity(ctx); err != nil {
		return err
	}
	srv, err := t.server(ctx, t.set.Database.ServerVersion/10000)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.Stop(context.WithoutCancel(ctx))) }()
	restored := srv.Config(restoredName)
	unable, err := t.restore(ctx, srv, restored)
	if err != nil {
		return err
	}
	if unable != "" {
		t.text("\nProven: the integrity of the backup alone. It could not be restored here:\n%s.", unable)
		t.byHand()
		return nil
	}
	if err := t.compare(ctx, restored); err != nil {
		return err
	}
	t.conclude()
	return nil
}
