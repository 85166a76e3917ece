package restore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// TestHalfRestored: a backup of a database that a restore in place left
// incomplete is suspect, and whoever restores it elsewhere does not get the
// mark. The next restore works, and its rollback leads back to what was
// incomplete, and says so.
func TestHalfRestored(t *testing.T) {
	t.Parallel()
	const comment = "the shop's\npgcofre is its backup\n"
	srv, tools := oracle.Server(t, 15), client(t, 15)
	sink, target := folder(t), oracle.Database(t, srv, shop)
	oracle.Exec(t, target, "COMMENT ON DATABASE "+oracle.Config(t, target).Database+" IS '"+strings.ReplaceAll(comment, "'", "''")+"'")
	set := take(t, sink, target, "zstd")
	before := content(t, tools, target, "--create")
	ctx, cancel := context.WithCancel(t.Context())
	r := &restore.Restorer{Sink: sink, Target: oracle.Config(t, target), Progress: func(p restore.Progress) {
		if p.Phase == "privileges" {
			cancel()
		}
	}}
	p, err := r.Plan(t.Context(), set, inPlace())
	if err != nil {
		t.Fatal(err)
	}
	var half *restore.ReplaceError
	if _, err := p.Apply(ctx); !errors.As(err, &half) || !half.Changed {
		t.Fatalf("it was not ended: %v", err)
	}

	suspect := backUpHalf(t, sink, target, set.ID, half.Safety)
	elsewhere := bringBack(t, sink, suspect, srv)
	if got := value[string](t, elsewhere, databaseComment); got != comment {
		t.Errorf("the comment elsewhere is %q", got)
	}
	take(t, sink, elsewhere, "zstd")

	res := replace(t, sink, set, target)
	if m := find(t, sink, res.Safety); !m.Good() || m.Purpose != manifest.Safety {
		t.Errorf("the safety backup: %q, %s", m.Suspect, m.Purpose)
	}
	if got := value[string](t, target, databaseComment); got != comment {
		t.Errorf("the comment is %q", got)
	}
	take(t, sink, target, "zstd")

	back := rollBack(t, sink, res.Safety, target)
	if !slices.ContainsFunc(back.Notes, func(s string) bool { return strings.Contains(s, "incomplete") }) {
		t.Errorf("notes of the rollback: %q", back.Notes)
	}
	backUpHalf(t, sink, target, set.ID, half.Safety)
	rollBack(t, sink, half.Safety, target)
	if diff := oracle.Difference(before, content(t, tools, target, "--create")); diff != "" {
		t.Errorf("rolled back to the first safety backup: %s", diff)
	}
	take(t, sink, target, "zstd")
}

const databaseComment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"

// backUpHalf backs up a database that is incomplete.
func backUpHalf(t *testing.T, sink remote.RemoteSink, target, restored, safety string) *manifest.Manifest {
	t.Helper()
	res, err := backup.Run(t.Context(), sink, &backup.Dumper{Config: oracle.Config(t, target)}, nil)
	var suspect *backup.SuspectError
	if !errors.As(err, &suspect) || len(suspect.Reasons) != 1 {
		t.Fatalf("it is not suspect: %v", err)
	}
	for _, want := range []string{"half restored", restored, "roll back to safety backup " + safety} {
		if !strings.Contains(suspect.Reasons[0], want) {
			t.Errorf("the reason does not say %q: %s", want, suspect.Reasons[0])
		}
	}
	intact(t, sink, res.Manifest)
	if inv, err := manifest.Scan(t.Context(), sink, nil); err != nil || inv.Latest().ID == res.ID {
		t.Errorf("it is the newest to restore: %v", err)
	}
	return res.Manifest
}
