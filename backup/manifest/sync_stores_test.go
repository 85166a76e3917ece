package manifest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// What a listing says beyond the set itself is neither read nor written.
func TestSyncHostileListing(t *testing.T) {
	from, to := remotetest.NewMem(), remotetest.NewMem()
	a, b := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil)
	storeAll(t, from, a, b)
	storeAll(t, to, a)
	put(t, to, a.ID+"/1.dat", []byte("short"))
	put(t, to, "state/secret", []byte("secret"))
	lies := func(sink remote.RemoteSink) remote.RemoteSink {
		names := func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
			if set := folder(name); set != a.ID && set != b.ID {
				t.Errorf("%q is touched", name)
			}
			return r, nil
		}
		return &remotetest.Faulty{RemoteSink: sink, OnGet: names, OnPut: names,
			OnDelete: func(ctx context.Context, name string) error { _, err := names(ctx, name, nil); return err },
			OnList: func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
				return func(yield func(remote.Object, error) bool) {
					names := []string{prefix, prefix + "..", prefix + "../../state/secret", prefix + "\x00", prefix + "full/" + strings.Repeat("x", 5000) + "/"}
					if folder(prefix+"x") != "" { // elsewhere Scan refuses what does not begin so
						names = append(names, "", "/", "..", "state/secret", b.ID+"/1.dat")
					}
					for _, name := range names {
						if !yield(remote.Object{Name: name, Size: -1}, nil) {
							return
						}
					}
					for obj, err := range objects {
						for range 2 {
							if !yield(obj, err) {
								return
							}
						}
					}
				}
			}}
	}
	mustSync(t, lies(from), lies(to), &manifest.SyncOptions{Delete: true})
	sameSets(t, to, []*made{a, b})

	// A manifest that the destination does not list goes first all the same.
	hidden := remotetest.NewMem()
	makeSet(t, manifest.Full, "app", start, map[string][]byte{"1.dat": []byte("others"), "toc.dat": nil}, nil).store(t, hidden, "")
	mustSync(t, from, &remotetest.Faulty{RemoteSink: watch(t, hidden), OnList: withoutManifest(a.ID)}, nil)
	sameSets(t, hidden, []*made{a, b})

	// A destination that says it has what it has not gets no manifest for it.
	empty := remotetest.NewMem()
	boast := &remotetest.Faulty{RemoteSink: watch(t, empty), OnList: func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
		return func(yield func(remote.Object, error) bool) {
			for _, o := range a.Objects {
				if name := a.ID + "/" + o.Name; strings.HasPrefix(name, prefix) && !yield(remote.Object{Name: name, Size: o.Size}, nil) {
					return
				}
			}
		}
	}}
	if _, err := manifest.Sync(t.Context(), from, boast, nil); err == nil {
		t.Error("all is well though b was never listed")
	}
	if listed, err := whole(t.Context(), empty, a.ID); !listed || err != nil {
		t.Errorf("a: %v, %v", listed, err)
	}
}

// withoutManifest leaves out the manifest of a set where its folder is listed.
func withoutManifest(id string) func(context.Context, string, iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
	return func(_ context.Context, prefix string, objects iter.Seq2[remote.Object, error]) iter.Seq2[remote.Object, error] {
		return func(yield func(remote.Object, error) bool) {
			for obj, err := range objects {
				hidden := prefix == id+"/" && obj.Name == id+"/"+manifest.Name
				if !hidden && !yield(obj, err) {
					return
				}
			}
		}
	}
}

// A store that says that all is well must have read what it was given.
func TestSyncUnreadPut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, mem := remotetest.NewMem(), remotetest.NewMem()
		s := makeFull(t, "app", 0, nil)
		s.store(t, from, "")
		to := &remotetest.Faulty{RemoteSink: mem,
			OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
				if name == s.ID+"/1.dat" {
					return bytes.NewReader(make([]byte, len(s.files["1.dat"]))), nil
				}
				return r, nil
			},
			AfterPut: func(_ context.Context, _ string, obj remote.Object, err error) (remote.Object, error) {
				obj.Checked = true
				return obj, err
			},
		}
		if res, err := manifest.Sync(t.Context(), from, to, nil); err == nil {
			t.Error(res)
		}
		sameSets(t, mem, nil)
	})
}

// A destination that does not prove what it holds is read; one that lies once
// is tried again, and one that always does gets no manifest.
func TestSyncReadsBack(t *testing.T) {
	for name, test := range map[string]struct {
		checked bool
		spoil   func(try int, r io.Reader) io.Reader
		fails   bool
		reads   bool
	}{
		"true":           {false, nil, false, true},
		"checked":        {true, nil, false, false},
		"once":           {false, func(try int, r io.Reader) io.Reader { return flipFirst(try == 1, r) }, false, true},
		"always":         {false, func(_ int, r io.Reader) io.Reader { return flipFirst(true, r) }, true, true},
		"cuts":           {false, func(_ int, r io.Reader) io.Reader { return io.LimitReader(r, 3) }, true, false},
		"cuts and reads": {false, func(_ int, r io.Reader) io.Reader { b, _ := io.ReadAll(r); return strings.NewReader(string(b[:3])) }, true, false},
	} {
		for _, object := range []string{"1.dat", manifest.SealName, manifest.Name} {
			t.Run(name+" "+object, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					from, mem := remotetest.NewMem(), remotetest.NewMem()
					_, key := newKey(t)
					s := makeFull(t, "app", 0, nil).seal(t, key)
					s.store(t, from, "")
					var tries, reads int
					to := &remotetest.Faulty{RemoteSink: watch(t, mem),
						OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
							if name == s.ID+"/"+object && test.spoil != nil {
								tries++
								return test.spoil(tries, r), nil
							}
							return r, nil
						},
						AfterPut: func(_ context.Context, _ string, obj remote.Object, err error) (remote.Object, error) {
							obj.Checked = test.checked
							return obj, err
						},
						OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
							if name == s.ID+"/"+object {
								reads++
							}
							return r, nil
						},
					}
					_, err := manifest.Sync(t.Context(), from, to, nil)
					if (err != nil) != test.fails || (reads > 0) != test.reads {
						t.Errorf("error %v, read %d times", err, reads)
					}
					if test.fails {
						sameSets(t, mem, nil)
					} else {
						sameSets(t, mem, []*made{s})
					}
				})
			})
		}
	}
}

func flipFirst(flip bool, r io.Reader) io.Reader {
	if flip {
		return remotetest.FlipBit(r, 0)
	}
	return r
}

// What may pass is tried again, with growing pauses; what will not is not.
func TestSyncRetries(t *testing.T) {
	for name, test := range map[string]struct {
		err   error
		tries int
		took  time.Duration
	}{
		"lost":    {errors.New("connection lost"), 4, 6200 * time.Millisecond},
		"refused": {fmt.Errorf("store: %w", fs.ErrPermission), 1, 0},
		"invalid": {fmt.Errorf("store: %w", fs.ErrInvalid), 1, 0},
		"full":    {&fs.PathError{Op: "write", Path: "a", Err: syscall.ENOSPC}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from, to := remotetest.NewMem(), remotetest.NewMem()
				a, b := makeFull(t, "app", 0, nil), makeFull(t, "app", 1, nil)
				storeAll(t, from, a, b)
				tries := 0
				broken := &remotetest.Faulty{RemoteSink: to, OnPut: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
					if name != a.ID+"/1.dat" {
						return r, nil
					}
					tries++
					return nil, test.err
				}}
				begun := time.Now()
				if _, err := manifest.Sync(t.Context(), from, broken, nil); !errors.Is(err, test.err) {
					t.Error(err)
				}
				if took := time.Since(begun); tries != test.tries || took != test.took {
					t.Errorf("tried %d times in %v", tries, took)
				}
				sameSets(t, to, []*made{b})
			})
		})
	}
}
