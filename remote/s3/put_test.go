package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// uploads counts the multipart uploads of a bucket that were not finished.
func uploads(t testing.TB, store *oracle.Store, bucket string) int {
	t.Helper()
	out, err := newClient(t, store).ListMultipartUploads(t.Context(), &sdk.ListMultipartUploadsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Uploads)
}

// readFunc is a function as a reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestAbort(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	sink := open(t, store, bucket, nil)
	errRead := errors.New("this reader fails")
	during := func(f func()) io.Reader {
		return io.MultiReader(bytes.NewReader(content(17<<20)), readFunc(func([]byte) (int, error) {
			if uploads(t, store, bucket) != 1 {
				t.Error("no upload is under way, so that this test shows nothing")
			}
			f()
			return 0, errRead
		}))
	}
	if _, err := sink.Put(t.Context(), "reader", during(func() {}), nil); !errors.Is(err, errRead) {
		t.Errorf("reader that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := sink.Put(ctx, "context", during(cancel), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("context that is cancelled: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_, err := sink.Put(t.Context(), "panic", during(func() { panic("reader") }), nil)
		t.Errorf("reader that panics: %v", err)
	}()
	if _, err := sink.Put(t.Context(), "exclusive", bytes.NewReader(content(1)), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := sink.PutExclusive(t.Context(), "exclusive", bytes.NewReader(content(17<<20)), nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("exclusive put of what is there: %v", err)
	}
	refusing := front{answer: func(r *http.Request) *http.Response {
		if r.URL.Query().Get("partNumber") == "2" {
			return refusal(http.StatusForbidden, "AccessDenied", "not this part")
		}
		return nil
	}}.before(t, store)
	if _, err := open(t, refusing, bucket, nil).Put(t.Context(), "part", bytes.NewReader(content(40<<20)), nil); err == nil || !strings.Contains(err.Error(), "part 2: ") {
		t.Errorf("part that is refused: %v", err)
	}
	if n := uploads(t, store, bucket); n != 0 {
		t.Errorf("%d uploads stay", n)
	}
}

// TestLostReply completes an upload whose completion was reported to nobody.
func TestLostReply(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	var lost atomic.Int64
	sink := open(t, front{answer: func(r *http.Request) *http.Response {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") {
			return nil
		}
		if lost.Add(1) > 1 { // versitygw remembers, other stores do not
			return refusal(http.StatusNotFound, "NoSuchUpload", "There is no such upload.")
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%v, %v", resp, err)
		} else {
			resp.Body.Close()
		}
		return refusal(http.StatusBadGateway, "BadGateway", "The reply is lost.")
	}}.before(t, store), bucket, nil)
	obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(17<<20)), nil)
	if err != nil || !obj.Checked || lost.Load() < 2 {
		t.Errorf("%+v, %v after %d requests", obj, err, lost.Load())
	}
}

func TestSweep(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	client := newClient(t, store)
	for _, key := range []string{"a/x", "a/b/y", "b", "ab"} {
		if _, err := client.CreateMultipartUpload(t.Context(), &sdk.CreateMultipartUploadInput{Bucket: &bucket, Key: &key}); err != nil {
			t.Fatal(err)
		}
	}
	sink := open(t, store, bucket, &s3.Options{Prefix: "a"})
	for _, tt := range []struct {
		olderThan time.Time
		want      int
	}{{time.Now().Add(-time.Hour), 0}, {time.Now().Add(time.Hour), 2}, {time.Now().Add(time.Hour), 0}} {
		if n, err := sink.Sweep(t.Context(), tt.olderThan); err != nil || n != tt.want {
			t.Errorf("removed %d, %v; want %d", n, err, tt.want)
		}
	}
	if n := uploads(t, store, bucket); n != 2 {
		t.Errorf("%d uploads stay, 2 are not below the prefix", n)
	}
}

// TestPrefix has two sinks in one bucket.
func TestPrefix(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	for _, prefix := range []string{"a b", "a b/c+d", "a"} {
		sink := open(t, store, bucket, &s3.Options{Prefix: prefix})
		for _, name := range []string{"x", "y/z"} {
			if _, err := sink.Put(t.Context(), name, strings.NewReader(prefix), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	sink := open(t, store, bucket, &s3.Options{Prefix: "a b"})
	var names []string
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, obj.Name)
	}
	if got := strings.Join(names, " "); got != "c+d/x c+d/y/z x y/z" {
		t.Errorf("listed: %s", got)
	}
	_, err := remotetest.Probe(t.Context(), sink)
	if err != nil {
		t.Error(err)
	}
	if got, want := sink.String(), "s3://"+bucket+"/a b"; got != want {
		t.Errorf("%q is not %q", got, want)
	}
}

// heap is how much memory is in use, after what is free was given back.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // pools give up in two steps
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestSmallObjectsTakeLittle holds many Puts open that read little.
func TestSmallObjectsTakeLittle(t *testing.T) {
	store := oracle.S3(t)
	sink := open(t, store, newBucket(t, store, false), nil)
	const puts = 100
	before := heap()
	var waiting, done sync.WaitGroup
	release := make(chan struct{})
	waiting.Add(puts)
	for i := range puts {
		r := io.MultiReader(bytes.NewReader(content(1000)), readFunc(func([]byte) (int, error) {
			waiting.Done()
			<-release
			return 0, io.EOF
		}))
		done.Go(func() {
			if _, err := sink.Put(t.Context(), fmt.Sprint("x", i), r, nil); err != nil {
				t.Error(err)
			}
		})
	}
	waiting.Wait()
	if used := int64(heap()) - int64(before); used > puts*512<<10 {
		t.Errorf("%d puts of 1000 bytes take %d bytes", puts, used)
	}
	close(release)
	done.Wait()
}

// TestMemory stores several large objects at a time, to a store that takes
// parts slowly.
func TestMemory(t *testing.T) {
	const puts, inFlight, partSize, parts = 4, 2, 5 << 20, 5
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	var together, most atomic.Int64
	slow := front{answer: func(r *http.Request) *http.Response {
		if !r.URL.Query().Has("partNumber") {
			return nil
		}
		n := together.Add(1)
		defer together.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		_, _ = io.Copy(io.Discard, r.Body)
		// The first parts stay until one comes that found no slot free.
		for start := time.Now(); most.Load() <= inFlight && time.Since(start) < 10*time.Second; {
			time.Sleep(time.Millisecond)
		}
		return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{"Etag": {`"x"`}}, Body: http.NoBody}
	}}.before(t, store)
	sink := open(t, slow, bucket, &s3.Options{PartSize: partSize, InFlight: inFlight})
	before := heap()
	var peak atomic.Uint64
	var done sync.WaitGroup
	for i := range puts {
		source := rand.NewChaCha8([32]byte{})
		r := readFunc(func(p []byte) (int, error) {
			if rand.N(20) == 0 {
				if now := heap(); now > peak.Load() {
					peak.Store(now)
				}
			}
			return source.Read(p)
		})
		done.Go(func() {
			// The parts never came to the store, which refuses to complete.
			if _, err := sink.Put(t.Context(), fmt.Sprint("x", i), io.LimitReader(r, parts*partSize), nil); err == nil {
				t.Error("the front took no part")
			}
		})
	}
	done.Wait()
	if n := most.Load(); n <= inFlight || n > puts+inFlight {
		t.Errorf("%d parts were on their way at a time", n)
	}
	const limit = (puts+inFlight)*partSize + 8<<20
	if used := int64(peak.Load()) - int64(before); used > limit || used < partSize {
		t.Errorf("%d bytes were used, at most %d were expected", used, limit)
	}
}

// TestLockstep has many Puts read what one writer gives to all of them in turn,
// with one part in flight: none may wait for what another holds.
func TestLockstep(t *testing.T) {
	store := oracle.S3(t)
	sink := open(t, store, newBucket(t, store, false), &s3.Options{PartSize: 5 << 20, InFlight: 1})
	var writers []io.Writer
	var closers []io.Closer
	var done sync.WaitGroup
	for i := range 4 {
		r, w := io.Pipe()
		writers, closers = append(writers, w), append(closers, w)
		done.Go(func() {
			_, err := sink.Put(t.Context(), fmt.Sprint("x", i), r, nil)
			if err != nil {
				t.Error(err)
			}
			r.CloseWithError(errors.Join(err, io.EOF))
		})
	}
	if _, err := io.Copy(io.MultiWriter(writers...), bytes.NewReader(content(12<<20))); err != nil {
		t.Error(err)
	}
	for _, c := range closers {
		c.Close()
	}
	done.Wait()
}

func TestPartSizes(t *testing.T) {
	store := oracle.S3(t)
	sink, err := s3.New(newClient(t, store), "bucket", nil)
	if err != nil {
		t.Fatal(err)
	}
	total, last := int64(0), 0
	for n := 1; n <= 10_000; n++ {
		size := sink.PartSize(n)
		if n <= 9000 && size != 8<<20 || size < last || size > 16*8<<20 {
			t.Fatalf("part %d has %d bytes behind one of %d", n, size, last)
		}
		total, last = total+int64(size), size
	}
	if total>>30 < 128 {
		t.Errorf("the largest object has %d GiB", total>>30)
	}
}

func TestLock(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, true)
	client := newClient(t, store)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	// As AWS S3, refuse a locked object without its MD5.
	strict := front{answer: func(r *http.Request) *http.Response {
		if r.Method == http.MethodPut && r.Header.Get("Content-Md5") == "" {
			return refusal(http.StatusBadRequest, "InvalidRequest", "Content-MD5 is required")
		}
		return nil
	}}.before(t, store)
	for _, mode := range []string{"GOVERNANCE", "COMPLIANCE"} {
		sink := open(t, strict, bucket, &s3.Options{Lock: &s3.Lock{Mode: mode, Until: func() time.Time { return until }}})
		for _, size := range []int{1000, 9 << 20} {
			obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(size)), nil)
			if err != nil || !obj.Checked {
				t.Fatalf("%+v, %v", obj, err)
			}
			head, err := client.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: &bucket, Key: new("x")})
			if err != nil {
				t.Fatal(err)
			}
			if string(head.ObjectLockMode) != mode || head.ObjectLockRetainUntilDate == nil || !head.ObjectLockRetainUntilDate.Equal(until) {
				t.Errorf("%d bytes are locked %s until %v", size, head.ObjectLockMode, head.ObjectLockRetainUntilDate)
			}
			if _, err := client.DeleteObject(t.Context(), &sdk.DeleteObjectInput{Bucket: &bucket, Key: new("x"), VersionId: head.VersionId}); err == nil {
				t.Errorf("the locked version of %d bytes can be deleted", size)
			}
			// Delete hides it, and the version is still there.
			if err := sink.Delete(t.Context(), "x"); err != nil {
				t.Error(err)
			}
			if _, err := sink.Stat(t.Context(), "x"); err == nil {
				t.Error("the object is not hidden")
			}
			if _, err := client.GetObject(t.Context(), &sdk.GetObjectInput{Bucket: &bucket, Key: new("x"), VersionId: head.VersionId}); err != nil {
				t.Errorf("the locked version of %d bytes is gone: %v", size, err)
			}
		}
	}
	plain := open(t, store, newBucket(t, store, false), &s3.Options{Lock: &s3.Lock{Mode: "GOVERNANCE", Until: func() time.Time { return until }}})
	if _, err := plain.Put(t.Context(), "x", strings.NewReader("x"), nil); err == nil {
		t.Error("a bucket without object lock takes an object with one")
	}
}

// TestHeaders looks at what is asked for beside the bytes; the store of the
// tests knows one class, and no keys.
func TestHeaders(t *testing.T) {
	store := oracle.S3(t)
	var mu sync.Mutex
	var seen []http.Header
	watched := front{answer: func(r *http.Request) *http.Response {
		if r.Method == http.MethodPut && !r.URL.Query().Has("partNumber") || r.URL.Query().Has("uploads") {
			mu.Lock()
			seen = append(seen, r.Header.Clone())
			mu.Unlock()
		}
		return nil
	}}.before(t, store)
	sink := open(t, watched, newBucket(t, store, false), &s3.Options{StorageClass: "STANDARD_IA", SSE: "aws:kms", KMSKeyID: "some-key"})
	for _, size := range []int{1000, 9 << 20} {
		// The store may refuse the encryption: what counts is that it was asked.
		_, _ = sink.Put(t.Context(), "x", bytes.NewReader(content(size)), &remote.PutOptions{ContentType: "application/zstd"})
	}
	if len(seen) != 2 {
		t.Fatalf("%d requests", len(seen))
	}
	for _, h := range seen {
		for name, want := range map[string]string{
			"X-Amz-Storage-Class":                         "STANDARD_IA",
			"X-Amz-Server-Side-Encryption":                "aws:kms",
			"X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "some-key",
			"Content-Type":                                "application/zstd",
			"X-Amz-Sdk-Checksum-Algorithm":                "",
			"X-Amz-Trailer":                               "",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %q instead of %q", name, got, want)
			}
		}
	}
}
