package gcs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
)

// sizes are those of objects in one request, and in parts of 1 MiB.
var sizes = map[string]int{"one request": 1000, "parts": 3<<20 + 5}

func TestChecked(t *testing.T) {
	t.Parallel()
	sink := open(t, bucket(t), gcs.Options{PartSize: 1 << 20})
	for _, size := range []int{0, 1, 64 << 10, 1<<20 - 1, 1 << 20, 1<<20 + 1, 2 << 20, 2<<20 + 1} {
		data := content(1, size)
		if obj := mustPut(t, sink, fmt.Sprint(size), data); !obj.Checked {
			t.Errorf("an object of %d bytes is not checked", size)
		}
		mustHold(t, sink, fmt.Sprint(size), data)
	}
}

// What the store describes is not what was sent.
func TestAnswer(t *testing.T) {
	for name, size := range sizes {
		for _, test := range []struct {
			answer string
			change func(object map[string]any)
			err    string
		}{
			{"another sum", func(o map[string]any) { o["crc32c"] = "AAAAAQ==" }, "CRC32C 00000001 instead of"},
			{"another size", func(o map[string]any) { o["size"] = "7" }, "holds 7 bytes of the "},
			{"no sum", func(o map[string]any) { delete(o, "crc32c") }, ""},
		} {
			t.Run(name+"/"+test.answer, func(t *testing.T) {
				t.Parallel()
				f := newFront(t)
				f.after = func(resp *http.Response) error {
					if !upload(resp.Request) {
						return nil
					}
					return edit(resp, test.change)
				}
				sink := open(t, bucket(t), gcs.Options{Endpoint: f.URL, PartSize: 1 << 20})
				obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(1, size)), nil)
				if test.err == "" {
					if err != nil || obj.Checked {
						t.Errorf("got checked %v, %v", obj.Checked, err)
					}
					mustList(t, sink, "x")
					return
				}
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v", err)
				}
				mustList(t, sink)
			})
		}
	}
}

// The sum that the store returns is of what it got, not of what it was told.
func TestDamagedOnTheWay(t *testing.T) {
	for name, size := range sizes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t)
			f.before = func(_ http.ResponseWriter, r *http.Request) bool {
				if upload(r) {
					data := body(r)
					if len(data) > 600 {
						data[600] ^= 1
					}
				}
				return false
			}
			sink := open(t, bucket(t), gcs.Options{Endpoint: f.URL, PartSize: 1 << 20})
			_, err := sink.Put(t.Context(), "x", bytes.NewReader(content(1, size)), nil)
			if err == nil || !strings.Contains(err.Error(), "CRC32C") {
				t.Errorf("got %v", err)
			}
			mustList(t, sink)
		})
	}
}

// The store stored the object, and its answer was lost.
func TestLostAnswer(t *testing.T) {
	put := (*gcs.Sink).Put
	for name, test := range map[string]struct {
		put func(*gcs.Sink, context.Context, string, io.Reader, *remote.PutOptions) (remote.Object, error)
		gcs.Options
	}{
		"put":       {put: put},
		"exclusive": {put: (*gcs.Sink).PutExclusive},
		"locked":    {put: put, Options: gcs.Options{Lock: &gcs.Lock{Until: func() time.Time { return time.Now().Add(time.Hour) }}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t)
			var lost atomic.Bool
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				// The emulator does not keep what is locked.
				locked := test.Lock != nil && upload(r) && lost.Load()
				if locked {
					refuse(w, 403, "Object is subject to object retention and cannot be replaced.")
				}
				return locked
			}
			f.after = func(resp *http.Response) error {
				if upload(resp.Request) && !lost.Swap(true) {
					return errors.New("lost")
				}
				return nil
			}
			test.Endpoint = f.URL
			sink := open(t, bucket(t), test.Options)
			data := content(1, 1000)
			obj, err := test.put(sink, t.Context(), "x", bytes.NewReader(data), nil)
			if err != nil || !obj.Checked || obj.Size != 1000 {
				t.Fatalf("got %+v, %v", obj, err)
			}
			if n := len(f.requests(upload)); n != 2 {
				t.Errorf("%d uploads", n)
			}
			mustHold(t, sink, "x", data)
			if name == "put" {
				return
			}
			if _, err := test.put(sink, t.Context(), "x", bytes.NewReader(data), nil); !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrPermission) {
				t.Errorf("another Put: %v", err)
			}
		})
	}
}

// A store that takes a part twice, as the emulator does, is found out.
func TestPartTwice(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	var lost atomic.Bool
	f.after = func(resp *http.Response) error {
		if part(resp.Request) && !lost.Swap(true) {
			return errors.New("lost")
		}
		return nil
	}
	sink := open(t, bucket(t), gcs.Options{Endpoint: f.URL, PartSize: 1 << 20})
	_, err := sink.Put(t.Context(), "x", bytes.NewReader(content(1, 5<<19)), nil)
	if err == nil || !strings.Contains(err.Error(), "holds 3670016 bytes of the 2621440 sent") {
		t.Errorf("got %v", err)
	}
	mustList(t, sink)
}

// The store refuses the second part.
func TestFailedPart(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"refused": func(w http.ResponseWriter) { refuse(w, 403, "no more of that") },
		"broken":  func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t)
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				bad := strings.HasPrefix(r.Header.Get("Content-Range"), "bytes 1048576-")
				if bad {
					fail(w)
				}
				return bad
			}
			sink := open(t, bucket(t), gcs.Options{Endpoint: f.URL, PartSize: 1 << 20})
			sink.Persist(200 * time.Millisecond)
			former := content(1, 1000)
			mustPut(t, sink, "there", former)
			for _, put := range []func(context.Context, string, io.Reader, *remote.PutOptions) (remote.Object, error){sink.Put, sink.PutExclusive} {
				for _, object := range []string{"there", "new"} {
					_, err := put(t.Context(), object, bytes.NewReader(content(2, 4<<20)), nil)
					if err == nil || name == "refused" && !errors.Is(err, fs.ErrPermission) {
						t.Errorf("got %v", err)
					}
					if strings.Contains(err.Error(), "upload_id") {
						t.Errorf("the error lets others go on with the upload: %v", err)
					}
				}
			}
			mustHold(t, sink, "there", former)
			mustList(t, sink, "there")
		})
	}
}

// The store does not answer, and the caller gives up.
func TestCancel(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	arrived := make(chan struct{}, 100)
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		body(r) // only then is the client's hanging up noticed
		arrived <- struct{}{}
		<-r.Context().Done()
		return true
	}
	sink := open(t, bucket(t), gcs.Options{Endpoint: f.URL})
	for name, call := range map[string]func(ctx context.Context) error{
		"small": func(ctx context.Context) error {
			_, err := sink.Put(ctx, "x", strings.NewReader("x"), nil)
			return err
		},
		"large": func(ctx context.Context) error {
			_, err := sink.Put(ctx, "x", bytes.NewReader(content(1, 9<<20)), nil)
			return err
		},
		"get":    func(ctx context.Context) error { _, err := sink.Get(ctx, "x"); return err },
		"stat":   func(ctx context.Context) error { _, err := sink.Stat(ctx, "x"); return err },
		"delete": func(ctx context.Context) error { return sink.Delete(ctx, "x") },
		"list": func(ctx context.Context) (err error) {
			for _, err = range sink.List(ctx, "") {
			}
			return err
		},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is configured is sent.
func TestSent(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	var mu sync.Mutex
	var sent []map[string]any
	var keys []string
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/upload/") && !part(r) {
			text := body(r)
			var object map[string]any
			if err := json.NewDecoder(bytes.NewReader(text[max(0, bytes.IndexByte(text, '{')):])).Decode(&object); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, object)
			keys = append(keys, r.URL.Query().Get("kmsKeyName"))
		}
		return false
	}
	until := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
	const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
	name := bucket(t)
	sink := open(t, name, gcs.Options{
		Endpoint: f.URL, PartSize: 1 << 20, StorageClass: "NEARLINE", KMSKey: key,
		Lock: &gcs.Lock{Mode: "Locked", Until: func() time.Time { return until }},
	})
	for object, size := range sizes {
		if _, err := sink.Put(t.Context(), object, bytes.NewReader(content(1, size)), &remote.PutOptions{ContentType: "text/csv"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(sent) != 2 {
		t.Fatalf("%d objects", len(sent))
	}
	for i, object := range sent {
		lock, _ := object["retention"].(map[string]any)
		if object["storageClass"] != "NEARLINE" || object["contentType"] != "text/csv" || keys[i] != key ||
			lock["mode"] != "Locked" || lock["retainUntilTime"] != until.Format(time.RFC3339) {
			t.Errorf("sent %v, key %q", object, keys[i])
		}
	}
	// The emulator forgets the retention of what comes in parts.
	attrs, err := client(t).Bucket(name).Object("one request").Attrs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if attrs.StorageClass != "NEARLINE" || attrs.Retention == nil || !attrs.Retention.RetainUntil.Equal(until) {
		t.Errorf("the store has %+v", attrs)
	}
}

// Sixteen large objects at a time hold a part each, of the sizes that are left.
func TestMemory(t *testing.T) {
	const puts, largest, most = 16, 64 << 20, 64<<20 + 16*(1<<20) + 16<<20 // parts, heads, the rest
	if used := hold(t, puts, 1<<20+1); used > most || used < largest/2 {
		t.Errorf("%d large objects hold %d MiB", puts, used>>20)
	}
	if used := hold(t, puts, 1000); used > puts*128<<10 {
		t.Errorf("%d small objects hold %d KiB", puts, used>>10)
	}
}

// hold says how much memory is in use, in bytes, when as many Puts have read so
// much.
func hold(t *testing.T, puts, size int) int64 {
	sink := open(t, bucket(t), gcs.Options{})
	data := content(1, size)
	before := live()
	var ready, done sync.WaitGroup
	release := make(chan struct{})
	ready.Add(puts)
	for i := range puts {
		done.Go(func() {
			r := io.MultiReader(bytes.NewReader(data), readFunc(func([]byte) (int, error) {
				ready.Done()
				<-release
				return 0, io.EOF
			}))
			if _, err := sink.Put(t.Context(), fmt.Sprint(i), r, nil); err != nil {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	used := live() - before
	close(release)
	done.Wait()
	return used
}

// live is what the heap holds, in bytes.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Two sinks are fed in lockstep by more Puts than there are parts.
func TestLockstep(t *testing.T) {
	t.Parallel()
	opts := gcs.Options{PartSize: 1 << 20, InFlight: 1}
	a, b := open(t, bucket(t), opts), open(t, bucket(t), opts)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all sync.WaitGroup
	for i := range 4 {
		ra, wa := io.Pipe()
		rb, wb := io.Pipe()
		all.Go(func() {
			_, err := io.Copy(io.MultiWriter(wa, wb), bytes.NewReader(content(byte(i), 5<<19)))
			wa.CloseWithError(err)
			wb.CloseWithError(err)
		})
		for sink, r := range map[*gcs.Sink]*io.PipeReader{a: ra, b: rb} {
			all.Go(func() {
				_, err := sink.Put(ctx, fmt.Sprint(i), r, nil)
				if err != nil {
					t.Error(err)
				}
				r.CloseWithError(err)
			})
		}
	}
	all.Wait()
}

// The store is gone for a while in the middle of an upload.
func TestOutage(t *testing.T) {
	t.Parallel()
	p := oracle.Proxy(t, oracle.GCS(t).Addr)
	sink := open(t, bucket(t), gcs.Options{Endpoint: "http://" + p.Addr, PartSize: 256 << 10})
	data := content(1, 3<<20)
	// Between two parts, as the emulator takes one twice whose answer was lost.
	const at = 2<<20 + 1000
	r := io.MultiReader(
		bytes.NewReader(data[:at]),
		readFunc(func([]byte) (int, error) {
			p.Down()
			time.AfterFunc(time.Second, p.Up)
			return 0, io.EOF
		}),
		bytes.NewReader(data[at:]))
	if _, err := sink.Put(t.Context(), "x", r, nil); err != nil {
		t.Fatal(err)
	}
	mustHold(t, sink, "x", data)
}
