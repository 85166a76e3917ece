package backup_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// named is a sink that says its name.
type named struct {
	remote.RemoteSink
	name string
}

func (n named) String() string { return n.name }

// content is all that a sink holds but records of runs.
func content(t *testing.T, sink remote.RemoteSink) map[string]string {
	t.Helper()
	all := map[string]string{}
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if isRecord(obj.Name) {
			continue
		}
		r, err := sink.Get(t.Context(), obj.Name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			t.Fatal(err)
		}
		all[obj.Name] = string(b)
	}
	return all
}

// onPuts fails the attempts to store an object of the set of which fail says so.
func onPuts(fail func(n int64, name string) error) *remotetest.Faulty {
	var n atomic.Int64
	return &remotetest.Faulty{RemoteSink: remotetest.NewMem(), OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if strings.HasPrefix(name, "state/") {
			return r, fail(0, name)
		}
		if err := fail(n.Add(1), name); err != nil {
			return remotetest.FailAfter(r, 3, err), nil
		}
		return r, nil
	}}
}

// Whatever one sink does, the others hold the same set, and what a sink does
// not hold whole is not listed there.
func TestCopies(t *testing.T) {
	never := func(int64, string) error { return nil }
	for name, test := range map[string]struct {
		first, second func(n int64, name string) error
		min           int
		committed     []bool
		err           string
	}{
		"both":                      {never, never, 2, []bool{true, true}, ""},
		"the second hiccups":        {never, failOn(2, 2, errReply), 2, []bool{true, true}, ""},
		"the second dies midway":    {never, failOn(2, 1000, errReply), 1, []bool{true, false}, ""},
		"the first dies midway":     {failOn(2, 1000, errReply), never, 1, []bool{false, true}, ""},
		"the second's disk is full": {never, failOn(3, 1000, syscall.ENOSPC), 0, []bool{true, false}, ""},
		"one where two were wanted": {never, failOn(2, 1000, errReply), 2, []bool{true, false}, "in 1 of 2 sinks, 2 were wanted: two: "},
		"the second is read-only":   {never, failOn(0, 1000, fs.ErrPermission), 1, []bool{true, false}, ""},
		"the second takes no manifest": {never, func(_ int64, name string) error {
			if isManifest(name) {
				return errReply
			}
			return nil
		}, 1, []bool{true, false}, ""},
		"both die":                       {failOn(2, 1000, errReply), failOn(3, 1000, errReply), 1, nil, "reply was lost"},
		"read-only where two are wanted": {never, failOn(0, 1000, fs.ErrPermission), 2, nil, "1 of 2 sinks can be used, 2 are wanted: two: the sink cannot be written to"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sinks := []remote.RemoteSink{onPuts(test.first).RemoteSink, onPuts(test.second).RemoteSink}
				faulty := []*remotetest.Faulty{onPuts(test.first), onPuts(test.second)}
				for i := range faulty {
					faulty[i].RemoteSink = sinks[i]
				}
				res, err := backup.Run(t.Context(), named{faulty[0], "one"}, objectsSource{name: "app", objects: 4}, &backup.Options{
					Copies: []remote.RemoteSink{named{faulty[1], "two"}}, MinCopies: test.min,
				})
				if (err != nil) != (test.err != "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("error %v, want %q", err, test.err)
				}
				if test.committed == nil {
					if res != nil {
						t.Errorf("a set: %+v", res)
					}
					leavesNothing(t, sinks[0])
					leavesNothing(t, sinks[1])
					return
				}
				var first map[string]string
				warnings := 0
				for i, committed := range test.committed {
					if got := res.Copies[i].Err == nil; got != committed || res.Copies[i].Sink != []string{"one", "two"}[i] {
						t.Errorf("copy %d: %+v", i, res.Copies[i])
					}
					inv, err := manifest.Scan(t.Context(), sinks[i], nil)
					if err != nil || (len(inv.Sets) == 1) != committed || len(inv.Damaged) > 0 {
						t.Errorf("sink %d: %d sets, damaged %v, %v", i, len(inv.Sets), inv.Damaged, err)
					}
					if !committed {
						warnings++
						continue
					}
					if all := content(t, sinks[i]); first == nil {
						first = all
					} else if fmt.Sprint(all) != fmt.Sprint(first) {
						t.Errorf("sink %d holds %v, the other %v", i, all, first)
					}
					if len(first) != 5 {
						t.Errorf("sink %d holds %v", i, first)
					}
				}
				if len(res.Warnings) != warnings {
					t.Errorf("warnings %q", res.Warnings)
				}
			})
		})
	}
}

// failOn fails the attempts from one number to another; number 0 is the first
// thing that a run stores.
func failOn(from, to int64, err error) func(int64, string) error {
	return func(n int64, _ string) error {
		if from <= n && n <= to {
			return err
		}
		return nil
	}
}

// A sink that stays dead holds the run up no longer than its Put does, and is
// not asked again for every object.
func TestDeadCopyIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		dead := onPuts(func(n int64, _ string) error {
			if n == 0 {
				return nil
			}
			asked.Add(1)
			time.Sleep(time.Minute)
			return errReply
		})
		mem := remotetest.NewMem()
		start := time.Now()
		res, err := backup.Run(t.Context(), mem, objectsSource{name: "app", objects: 50}, &backup.Options{Copies: []remote.RemoteSink{dead}})
		if err != nil || res.Committed() != 1 {
			t.Fatal(res, err)
		}
		if asked.Load() > 4 || time.Since(start) > 5*time.Minute {
			t.Errorf("asked %d times, it took %v", asked.Load(), time.Since(start))
		}
	})
}

// A sink that hangs, wherever, is given up once the others waited long enough,
// and one that is slow is not.
func TestHungCopyIsDropped(t *testing.T) {
	hang := func(part string) func(context.Context, string, io.Reader) (io.Reader, error) {
		return func(ctx context.Context, name string, r io.Reader) (io.Reader, error) {
			if strings.Contains(name, part) {
				return nil, remotetest.Hang(ctx)
			}
			return r, nil
		}
	}
	for name, test := range map[string]struct {
		sink    remotetest.Faulty
		dropped bool
	}{
		"before it begins": {remotetest.Faulty{OnPut: hang("state/")}, true},
		"in an object":     {remotetest.Faulty{OnPut: hang("/1.dat")}, true},
		"in the manifest":  {remotetest.Faulty{OnPut: hang("/manifest.json")}, true},
		"reading back":     {remotetest.Faulty{OnGet: hang("/1.dat")}, true},
		"when it has all": {remotetest.Faulty{AfterPut: func(ctx context.Context, name string, obj remote.Object, err error) (remote.Object, error) {
			if strings.Contains(name, "/1.dat") {
				return obj, remotetest.Hang(ctx)
			}
			return obj, err
		}}, true},
		"slow, but alive": {remotetest.Faulty{OnPut: func(ctx context.Context, _ string, r io.Reader) (io.Reader, error) {
			time.Sleep(4 * time.Minute)
			return r, nil
		}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mem := remotetest.NewMem()
				test.sink.RemoteSink = remotetest.NewMem()
				start := time.Now()
				res, err := backup.Run(t.Context(), mem, objectsSource{name: "app", objects: 3}, &backup.Options{
					Copies: []remote.RemoteSink{&test.sink},
				})
				if err != nil {
					t.Fatal(err)
				}
				if got := res.Copies[1].Err != nil; got != test.dropped || res.Copies[0].Err != nil {
					t.Errorf("copies %+v", res.Copies)
				}
				if took := time.Since(start); test.dropped && took > 7*time.Minute {
					t.Errorf("it took %v", took)
				}
				if inv, err := manifest.Scan(t.Context(), test.sink.RemoteSink, nil); err != nil || (len(inv.Sets) == 0) != test.dropped {
					t.Errorf("the copy lists %d sets, %v", len(inv.Sets), err)
				}
			})
		})
	}
}

// Every object is encrypted but the manifest, with a file key of its own, to
// all recipients; state.json alone to the state key as well.
func TestRecipients(t *testing.T) {
	x1, x2, state := newX25519(t), newX25519(t), newX25519(t)
	pq1, pq2, pqState := newHybrid(t), newHybrid(t), newHybrid(t)
	for name, test := range map[string]struct {
		recipients []age.Recipient
		opens      []age.Identity
		state      age.Identity
	}{
		"X25519":       {[]age.Recipient{x1.Recipient(), x2.Recipient()}, []age.Identity{x1, x2}, state},
		"post-quantum": {[]age.Recipient{pq1.Recipient(), pq2.Recipient()}, []age.Identity{pq1, pq2}, pqState},
	} {
		t.Run(name, func(t *testing.T) {
			mem := remotetest.NewMem()
			set, err := backup.Run(t.Context(), mem, stateSource{objectsSource{name: "app", objects: 2}},
				&backup.Options{Recipients: test.recipients, StateKey: test.state})
			if err != nil {
				t.Fatal(err)
			}
			all := content(t, mem)
			if len(all) != 4 || all[set.Path("0.dat.zst.age")] == all[set.Path("1.dat.zst.age")] {
				t.Errorf("the sink holds %d objects", len(all))
			}
			for name, stored := range all {
				if name == set.Path(manifest.Name) {
					continue
				}
				if !strings.HasSuffix(name, ".zst.age") || !strings.HasPrefix(stored, "age-encryption.org/v1\n") {
					t.Errorf("%s begins with %.40q", name, stored)
				}
				for _, id := range append(slices.Clone(test.opens), test.state) {
					_, err := age.Decrypt(strings.NewReader(stored), id)
					want := id != test.state || strings.Contains(name, "/state.json")
					if (err == nil) != want {
						t.Errorf("%s opened by %T: %v", name, id, err)
					}
				}
			}
		})
	}
}

func newX25519(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func rsaKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newHybrid(t *testing.T) *age.HybridIdentity {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// stateSource writes a state.json as well.
type stateSource struct{ objectsSource }

func (s stateSource) Backup(ctx context.Context, w *backup.Writer) error {
	if err := s.objectsSource.Backup(ctx, w); err != nil {
		return err
	}
	_, err := w.Put(ctx, "state.json", func(out io.Writer) error {
		_, err := io.WriteString(out, "{}")
		return err
	})
	return err
}

// Keys that cannot be used are refused before a sink is touched.
func TestKeysRefused(t *testing.T) {
	x, pq := newX25519(t), newHybrid(t)
	scrypt, err := age.NewScryptIdentity("secret")
	if err != nil {
		t.Fatal(err)
	}
	for want, opts := range map[string]backup.Options{
		"Recipients: ":                       {Recipients: []age.Recipient{x.Recipient(), pq.Recipient()}},
		"StateKey without Recipients":        {StateKey: x},
		"StateKey is a *age.ScryptIdentity":  {Recipients: []age.Recipient{x.Recipient()}, StateKey: scrypt},
		"StateKey: ":                         {Recipients: []age.Recipient{x.Recipient()}, StateKey: pq},
		"Seal: manifest: a seal needs":       {Seal: rsaKey(t)},
		"MinCopies is 2, but there are only": {MinCopies: 2},
		"Rate is negative":                   {Rate: -1},
	} {
		mem := remotetest.NewMem()
		_, err := backup.Run(t.Context(), mem, objectsSource{name: "app", objects: 1}, &opts)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		leavesNothing(t, mem)
	}
}

// With a seal, what lies in the sink under another's seal, or none, is no
// history: a forged set must not be a parent, nor what is usual.
func TestSealedHistory(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	mem := remotetest.NewMem()
	src := objectsSource{name: "app", objects: 1}
	for range 2 {
		if _, err := backup.Run(t.Context(), mem, src, nil); err != nil {
			t.Fatal(err)
		}
		set, err := backup.Run(t.Context(), mem, src, &backup.Options{Seal: private})
		if err != nil {
			t.Fatal(err)
		}
		if err := manifest.CheckSeal(t.Context(), mem, set.Manifest, []ed25519.PublicKey{public}); err != nil {
			t.Error(err)
		}
	}
	seen := &historySource{objectsSource: src}
	if _, err := backup.Run(t.Context(), mem, seen, &backup.Options{Seal: private}); err != nil {
		t.Fatal(err)
	}
	if len(seen.history.Sets) != 2 || len(seen.history.Damaged) != 2 {
		t.Errorf("history: %d sets, %d damaged", len(seen.history.Sets), len(seen.history.Damaged))
	}
}

type historySource struct {
	objectsSource
	history *manifest.Inventory
}

func (s *historySource) Backup(ctx context.Context, w *backup.Writer) error {
	s.history = w.History()
	return s.objectsSource.Backup(ctx, w)
}

// The rate holds for all objects together, and for reading them back.
func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, size, objects = 100_000, 300_000, 3
		start := time.Now()
		_, err := backup.Run(t.Context(), remotetest.NewMem(), bytesSource{size, objects}, &backup.Options{Compression: "none", Rate: rate})
		if err != nil {
			t.Fatal(err)
		}
		want := 2 * objects * size / rate * time.Second
		if took := time.Since(start); took < want*9/10 || took > want*11/10 {
			t.Errorf("it took %v, want %v", took, want)
		}
	})
}

// bytesSource writes so many objects of so many bytes.
type bytesSource struct{ size, objects int }

func (bytesSource) SourceName() string { return "bytes" }

func (s bytesSource) Backup(ctx context.Context, w *backup.Writer) error {
	if err := w.Begin(manifest.Storage); err != nil {
		return err
	}
	for i := range s.objects {
		_, err := w.Put(ctx, fmt.Sprint(i), func(out io.Writer) error {
			_, err := out.Write(bytes.Repeat([]byte{'x'}, s.size))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// What the store says it checked is not read back; what it does not is.
func TestReadBackWhereUnchecked(t *testing.T) {
	var read []string
	sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem(),
		AfterPut: func(_ context.Context, name string, obj remote.Object, err error) (remote.Object, error) {
			obj.Checked = strings.HasSuffix(name, "/1.dat.zst")
			return obj, err
		},
		OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			read = append(read, name[strings.LastIndex(name, "/")+1:])
			return r, nil
		},
	}
	if _, err := backup.Run(t.Context(), sink, objectsSource{name: "app", objects: 2}, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(read, []string{"0.dat.zst", manifest.Name}) {
		t.Errorf("read back: %v", read)
	}
}

// A sink that cannot be written to is refused before the source is asked.
func TestReadOnlySinkRefused(t *testing.T) {
	sink := onPuts(failOn(0, 1000, fs.ErrPermission))
	src := &historySource{objectsSource: objectsSource{name: "app", objects: 1}}
	_, err := backup.Run(t.Context(), sink, src, nil)
	if !errors.Is(err, fs.ErrPermission) || src.history != nil {
		t.Errorf("error %v, the source was asked: %v", err, src.history != nil)
	}
}
