package backup_test

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// chained is a database that is large enough for incrementals on it, what backs
// it up, and a sink with a full backup.
func chained(t *testing.T) (string, *backup.Incremental, *remotetest.Mem) {
	t.Helper()
	url := database(t)
	src := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, url), Name: "app"}}
	sink := remotetest.NewMem()
	incremental(t, sink, src, nil)
	return url, src, sink
}

// promoted fails the test unless the next run is a full backup for that reason.
func promoted(t *testing.T, sink *remotetest.Mem, src *backup.Incremental, opts *backup.Options, want string) {
	t.Helper()
	res, err := backup.Run(t.Context(), sink, src, opts)
	if err != nil {
		t.Fatalf("%s: %v", want, err)
	}
	if res.Kind != manifest.Full || !strings.Contains(res.Promotion, want) {
		t.Errorf("it is %s, as %q, want a full backup: %s", res.Kind, res.Promotion, want)
	}
	if opts == nil || len(opts.Recipients) == 0 {
		intact(t, sink, res.Manifest)
	}
}

// continues fails the test unless the next run builds on a set.
func continues(t *testing.T, sink *remotetest.Mem, src *backup.Incremental, opts *backup.Options, parent string) *manifest.Manifest {
	t.Helper()
	res, err := backup.Run(t.Context(), sink, src, opts)
	if err != nil {
		t.Fatal(err)
	}
	if res.Kind != manifest.Incremental || res.Parents[0].ID != parent {
		t.Fatalf("it is %s on %v, as %q, want an incremental on %s", res.Kind, res.Parents, res.Promotion, parent)
	}
	return res.Manifest
}

func stored(t *testing.T, sink *remotetest.Mem, name string) []byte {
	t.Helper()
	r, err := sink.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func store(t *testing.T, sink *remotetest.Mem, name string, content []byte) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, bytes.NewReader(content), nil); err != nil {
		t.Fatal(err)
	}
}

// forget takes the manifest of the newest set away.
func forget(t *testing.T, sink *remotetest.Mem) {
	t.Helper()
	if err := sink.Delete(t.Context(), newest(t, sink).Path(manifest.Name)); err != nil {
		t.Fatal(err)
	}
}

func newest(t *testing.T, sink *remotetest.Mem) *manifest.Manifest {
	t.Helper()
	inv, err := manifest.Scan(t.Context(), sink, nil)
	if err != nil {
		t.Fatal(err)
	}
	return inv.Sets[len(inv.Sets)-1]
}

// TestPromotionPlanned takes a full backup where one is due.
func TestPromotionPlanned(t *testing.T) {
	t.Parallel()
	_, src, sink := chained(t)
	now := time.Now()
	opts := &backup.Options{Now: func() time.Time { return now }}
	src.FullEvery = time.Hour
	now = now.Add(59 * time.Minute)
	continues(t, sink, src, opts, newest(t, sink).ID)
	now = now.Add(2 * time.Minute)
	promoted(t, sink, src, opts, "a full backup is due every")
	src.FullEvery = -1
	now = now.Add(1000 * time.Hour)
	src.MaxChain = 2
	for range 2 {
		now = now.Add(time.Second)
		continues(t, sink, src, opts, newest(t, sink).ID)
	}
	now = now.Add(time.Second)
	promoted(t, sink, src, opts, "as many as may")
}

// TestPromotionBySize takes a full backup when the incrementals take half of the
// space of theirs.
func TestPromotionBySize(t *testing.T) {
	t.Parallel()
	url, src, sink := chained(t)
	for n := range 10 {
		oracle.Exec(t, url, "UPDATE people SET name = md5(random()::text) || md5(random()::text) WHERE id % 3 = 0")
		res, err := backup.Run(t.Context(), sink, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Kind == manifest.Full {
			if n == 0 || !strings.Contains(res.Promotion, "half of its space") {
				t.Errorf("the incremental after %d is full, as %q", n, res.Promotion)
			}
			return
		}
	}
	t.Error("ten incrementals of a third of the rows each, and no full backup")
}

// TestPromotionParent: what cannot be built upon is followed by a full backup.
func TestPromotionParent(t *testing.T) {
	t.Parallel()
	_, src, sink := chained(t)
	full := newest(t, sink)
	first := continues(t, sink, src, nil, full.ID)
	second := continues(t, sink, src, nil, first.ID)

	src.NoState = true
	promoted(t, sink, src, nil, "NoState")
	src.NoState = false
	promoted(t, sink, src, nil, "no record of its rows")
	forget(t, sink)
	forget(t, sink)
	third := continues(t, sink, src, nil, second.ID)

	src.ExcludeTableData = []string{"tasks"}
	promoted(t, sink, src, nil, "other patterns")
	src.ExcludeTableData = nil
	promoted(t, sink, src, nil, "other patterns")
	forget(t, sink)
	forget(t, sink)

	key := newX25519(t)
	promoted(t, sink, src, &backup.Options{Recipients: []age.Recipient{key.Recipient()}}, "Options.StateKey")
	forget(t, sink)

	// A link that was altered or is missing.
	text := stored(t, sink, first.Path(manifest.Name))
	store(t, sink, first.Path(manifest.Name), append(text, ' '))
	promoted(t, sink, src, nil, first.ID+" is not as it was")
	forget(t, sink)
	if err := sink.Delete(t.Context(), first.Path(manifest.Name)); err != nil {
		t.Fatal(err)
	}
	promoted(t, sink, src, nil, first.ID)
	forget(t, sink)
	store(t, sink, first.Path(manifest.Name), text)
	fourth := continues(t, sink, src, nil, third.ID)

	// A record that is damaged.
	name := fourth.Path("state.json.zst")
	state := stored(t, sink, name)
	store(t, sink, name, bytes.Repeat([]byte{'x'}, len(state)))
	promoted(t, sink, src, nil, "the state of "+fourth.ID)

	// Another database under the same name.
	other := database(t)
	elsewhere := &backup.Incremental{Dumper: backup.Dumper{Config: oracle.Config(t, other), Name: "app"}}
	promoted(t, sink, elsewhere, nil, "another database")
}

// TestIncrementalEncrypted builds on encrypted sets with the key for their
// records, which opens nothing else.
func TestIncrementalEncrypted(t *testing.T) {
	t.Parallel()
	_, src, _ := chained(t)
	sink := remotetest.NewMem()
	key, state := newX25519(t), newX25519(t)
	opts := &backup.Options{Recipients: []age.Recipient{key.Recipient()}, StateKey: state}
	full := incremental(t, sink, src, opts)
	set := continues(t, sink, src, opts, full.ID)
	opts.StateKey = newX25519(t)
	promoted(t, sink, src, opts, "does not open it")
	for _, o := range set.Objects {
		r, err := age.Decrypt(bytes.NewReader(stored(t, sink, set.Path(o.Name))), state)
		if (err == nil) != strings.HasPrefix(o.Name, "state.json") {
			t.Errorf("the key for records opens %s: %v, %v", o.Name, r != nil, err)
		}
	}
}
