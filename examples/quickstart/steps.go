package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// readsZstd is the first release whose pg_restore reads zstd.
const readsZstd = 16

// server starts the private server. The caller stops it.
func (t *tour) server(ctx context.Context, major int) (srv *server, err error) {
	err = t.step("server", func() error {
		if srv, err = startServer(ctx, major); err != nil {
			return err
		}
		t.line("PostgreSQL %d, private, gone when this ends", srv.Major())
		if srv.fetched != "" {
			t.line("fetched from Maven Central, because none is installed here")
		}
		return nil
	})
	return srv, err
}

// backup takes the full backup.
func (t *tour) backup(ctx context.Context, cfg *pgx.ConnConfig) error {
	return t.step("backup", func() error {
		var rows int64
		opts := &backup.Options{Progress: func(p backup.Progress) {
			rows = p.Rows
			t.progress(p.Done, p.Total)
		}}
		// Whoever has an older server installed has its pg_restore as well.
		if in, ok := choose(scratch.Installs(), 0); ok && in.Major < readsZstd {
			opts.Compression = "gzip"
		}
		done, err := backup.Run(ctx, t.sink, &backup.Dumper{Config: cfg}, opts)
		if err != nil {
			return err
		}
		t.set = done.Manifest
		t.line("%s rows, %s stored as %s in %d objects", count(rows), size(t.set.RawSize()), size(t.set.StoredSize()), len(t.set.Objects))
		return nil
	})
}

// integrity reads the whole backup back.
func (t *tour) integrity(ctx context.Context) error {
	return t.step("integrity", func() error {
		v := &verify.Verifier{Sink: t.sink, Progress: func(p verify.Progress) { t.progress(p.Done, p.Total) }}
		rep, err := v.Integrity(ctx, t.set)
		if err != nil {
			return err
		}
		t.line("%d objects read back, each with its checksum; %d tables, each with its rows and digest", rep.Objects, rep.Tables)
		t.limited(rep)
		return rep.Err()
	})
}

// restore restores into a database that it creates. unable says what the
// private server lacks for that; it is no failure of the backup.
func (t *tour) restore(ctx context.Context, srv *server, target *pgx.ConnConfig) (unable string, err error) {
	err = t.step("restore", func() error {
		if have, need := srv.Major(), t.set.Database.ServerVersion/10000; have < need {
			unable = fmt.Sprintf("the private server is PostgreSQL %d, the backup is of %d", have, need)
			t.line("not done: %s", unable)
			return nil
		}
		r := &restore.Restorer{Sink: t.sink, Target: target, Progress: func(p restore.Progress) { t.progress(p.Done, p.Total) }}
		plan, err := r.Plan(ctx, t.set, &restore.Options{CreateRoles: true})
		if err != nil {
			return err
		}
		var res *restore.Result
		if missing := plan.Missing(); missing != nil {
			unable = missing.Error()
		} else if res, err = plan.Apply(ctx); err != nil {
			if unable = lacking(err); unable == "" {
				return err
			}
		}
		if unable != "" {
			t.line("not done: %s", unable)
			return nil
		}
		t.line("%d tables, %s rows into a new database", res.Tables, count(res.Rows))
		for _, note := range res.Notes {
			t.line("note: %s", note)
		}
		return nil
	})
	return unable, err
}

// lacking says what a server lacks that refused to create the database, for
// its locale, or an extension, for what it must be preloaded with.
func lacking(err error) string {
	var entry *restore.EntryError
	if errors.As(err, &entry) && (entry.Desc == "DATABASE" || entry.Desc == "EXTENSION") {
		return fmt.Sprintf("the private server refuses the %s %s: %v", strings.ToLower(entry.Desc), entry.Name, entry.Err)
	}
	return ""
}

// compare holds the restored database against the backup.
func (t *tour) compare(ctx context.Context, restored *pgx.ConnConfig) error {
	return t.step("compare", func() error {
		v := &verify.Verifier{Sink: t.sink, Progress: func(p verify.Progress) { t.progress(p.Done, p.Total) }}
		rep, err := v.Compare(ctx, t.set, restored, nil)
		if err != nil {
			return err
		}
		equal := "equal to the backup"
		if !rep.OK() {
			equal = "DIFFERENT from the backup"
		}
		t.line("%d tables with %s rows, %d sequences, %d definitions: %s", rep.Tables, count(rep.Rows), rep.Sequences, rep.Entries, equal)
		t.limited(rep)
		return rep.Err()
	})
}

// limited prints what a proof names as not proven.
func (t *tour) limited(rep *verify.Report) {
	t.limits += len(rep.Limits)
	for _, limit := range rep.Limits {
		t.line("not proven: %s", limit)
	}
}

// conclude says what it all came to.
func (t *tour) conclude() {
	but := ""
	if t.limits > 0 {
		but = ", but for what is named above"
	}
	t.text("\nProven: the restored database is the snapshot, row for row%s. It took %.1f s in all.", but, time.Since(t.started).Seconds())
	t.byHand()
}

// restoredBy is a release whose pg_restore surely reads the backup: that of the
// server, whose large objects an older one may not know, and one with zstd.
func (t *tour) restoredBy() int {
	release := t.set.Database.ServerVersion / 10000
	if _, ok := t.set.Object("globals.sql.zst"); ok {
		release = max(release, readsZstd)
	}
	return release
}

// byHand says where the backup is and how to restore it without this library.
func (t *tour) byHand() {
	unpack, globals := "gzip", "globals.sql.gz"
	if _, ok := t.set.Object(globals); !ok {
		unpack, globals = "zstd", "globals.sql.zst"
	}
	t.text(`
The backup stays until you remove it. PostgreSQL's own tools restore it, with
pg_restore %d or newer:
  cd %s
  %s -dc %s    # its roles: create those that you lack
  createdb --template=template0 restored
  pg_restore --no-owner --jobs=%d --dbname=restored .`,
		t.restoredBy(), filepath.Join(t.dir, filepath.FromSlash(t.set.ID)), unpack, globals, max(2, runtime.NumCPU()))
}
