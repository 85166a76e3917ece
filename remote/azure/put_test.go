package azure_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/azure"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

var publicAccess = &container.SetAccessPolicyOptions{Access: new(container.PublicAccessTypeContainer)}

// TestChecked sees that the store's checksums are asked for and believed only
// where they agree.
func TestChecked(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10})
	wrong, wrongMD5 := base64.StdEncoding.EncodeToString(make([]byte, 8)), base64.StdEncoding.EncodeToString(make([]byte, 16))
	for _, test := range []struct {
		name    string
		size    int
		after   func(*http.Response)
		checked bool
		fails   string
	}{
		{name: "empty", size: 0, checked: true},
		{name: "small", size: 1000, checked: true},
		{name: "one block", size: 64 << 10, checked: true},
		{name: "blocks", size: 300<<10 + 1, checked: true},
		{name: "small, none answered", size: 1000, after: func(r *http.Response) { r.Header.Del("Content-MD5") }},
		{name: "small, only echo", size: 1000, after: func(r *http.Response) {
			r.Header.Set("x-ms-content-crc64", r.Request.Header.Get("x-ms-content-crc64"))
			r.Header.Del("Content-MD5")
		}},
		{name: "blocks, one without", size: 300 << 10, after: func(r *http.Response) {
			if strings.HasSuffix(blockID(r.Request), "2") {
				r.Header.Del("x-ms-content-crc64")
			}
		}},
		{name: "small, wrong", size: 1000, fails: "MD5", after: func(r *http.Response) { r.Header.Set("Content-MD5", wrongMD5) }},
		{name: "blocks, one wrong", size: 300 << 10, fails: "CRC64", after: func(r *http.Response) {
			if strings.HasSuffix(blockID(r.Request), "3") {
				r.Header.Set("x-ms-content-crc64", wrong)
			}
		}},
		{name: "blocks, wrong size", size: 300 << 10, fails: "holds", after: func(r *http.Response) {
			if r.Request.Method == http.MethodHead {
				r.Header.Set("Content-Length", "299999")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f.onAnswer(func(r *http.Response) error {
				if test.after != nil {
					test.after(r)
				}
				return nil
			})
			name := strings.NewReplacer(" ", "", ",", "-").Replace(test.name)
			obj, err := s.Put(t.Context(), name, bytes.NewReader(content(1, test.size)), nil)
			f.onAnswer(nil)
			if test.fails == "" {
				if err != nil {
					t.Fatal(err)
				}
				if obj.Checked != test.checked {
					t.Errorf("Checked is %v", obj.Checked)
				}
				mustHold(t, s, name, content(1, test.size))
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.fails) {
				t.Errorf("put gives %v", err)
			}
			if _, err := s.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what the store holds wrongly is still there: %v", err)
			}
		})
	}
}

// blockID is the identifier in a request that stages a block.
func blockID(r *http.Request) string {
	id, _ := base64.StdEncoding.DecodeString(r.URL.Query().Get("blockid"))
	return string(id)
}

// TestDamagedOnTheWay changes a byte between us and the store.
func TestDamagedOnTheWay(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10})
	f.onRequest(func(_ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query().Get("comp"); r.Method == http.MethodPut && (q == "" || q == "block") {
			data, _ := io.ReadAll(r.Body)
			data[len(data)/2] ^= 1
			r.Body = io.NopCloser(bytes.NewReader(data))
		}
		return false
	})
	for _, test := range []struct {
		name string
		size int
		want string
	}{
		{"small", 1000, "400 Crc64Mismatch"}, // by the store
		{"large", 200 << 10, "CRC64: the store's checksum"},
	} {
		_, err := s.Put(t.Context(), test.name, bytes.NewReader(content(1, test.size)), nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: a changed byte gives %v", test.name, err)
		}
	}
	if got := names(t, s, ""); got != nil {
		t.Errorf("%q are there", got)
	}
}

// TestFailedPut leaves nothing visible, and what was there where something was.
// The store keeps the blocks to itself, out of the way of the next Put.
func TestFailedPut(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10, InFlight: 1})
	former := content(1, 100<<10)
	mustPut(t, s, "there", former)
	errReader := errors.New("this reader fails")
	for _, name := range []string{"there", "new"} {
		r := remotetest.FailAfter(bytes.NewReader(content(2, 1<<20)), 500<<10, errReader)
		if _, err := s.Put(t.Context(), name, r, nil); !errors.Is(err, errReader) {
			t.Errorf("put of %s gives %v", name, err)
		}
		// The store dies for good in the middle.
		f.onRequest(func(_ http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(blockID(r), "5") {
				panic(http.ErrAbortHandler)
			}
			return false
		})
		if _, err := s.Put(t.Context(), name, bytes.NewReader(content(2, 1<<20)), nil); err == nil || !strings.Contains(err.Error(), f.addr()) {
			t.Errorf("put of %s to a store that dies gives %v", name, err)
		}
		f.onRequest(nil)
	}
	if n := len(f.requests(http.MethodPut, "block")); n < 20 {
		t.Errorf("only %d blocks were sent", n)
	}
	if got := names(t, s, ""); !slices.Equal(got, []string{"there"}) {
		t.Errorf("%q are there", got)
	}
	mustHold(t, s, "there", former)
	for _, name := range []string{"there", "new"} {
		mustPut(t, s, name, content(3, 200<<10))
		mustHold(t, s, name, content(3, 200<<10))
	}
}

// TestTogether stores one name many times at a time, in blocks: what is there
// is always the content of one Put.
func TestTogether(t *testing.T) {
	store := oracle.Azure(t)
	s := sinkAt(t, store, store.Addr, &azure.Options{PartSize: 64 << 10})
	var stored atomic.Int32
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_, err := s.Put(t.Context(), "x", bytes.NewReader(content(byte(i), 500<<10)), nil)
			if err == nil {
				stored.Add(1)
			} else if !strings.Contains(err.Error(), "another Put of the same name") {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if stored.Load() == 0 {
		t.Fatal("all failed")
	}
	rc, err := s.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if bytes.Equal(got, content(byte(i), 500<<10)) {
			return
		}
	}
	t.Errorf("what is there, %d bytes, is the content of no Put", len(got))
}

// TestLostAnswer has the store do what it is asked, and the answer lost: asked
// again, an exclusive Put must know its own object.
func TestLostAnswer(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10})
	for name, size := range map[string]int{"empty": 0, "small": 1000, "large": 200 << 10} {
		var lost sync.Once
		f.onAnswer(func(resp *http.Response) (err error) {
			if resp.Request.Method == http.MethodPut && resp.Request.URL.Query().Get("comp") != "block" {
				lost.Do(func() { err = errors.New("lost") })
			}
			return err
		})
		obj, err := s.PutExclusive(t.Context(), name, bytes.NewReader(content(1, size)), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if stat, err := s.Stat(t.Context(), name); err != nil || stat.Version != obj.Version || obj.Size != int64(size) {
			t.Errorf("%s: put answers %+v, Stat %+v, %v", name, obj, stat, err)
		}
		f.onAnswer(nil)
		mustHold(t, s, name, content(1, size))
		if _, err := s.PutExclusive(t.Context(), name, bytes.NewReader(content(2, size)), nil); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: the second exclusive Put gives %v", name, err)
		}
		mustHold(t, s, name, content(1, size))
	}
}

// TestBusy has the store refuse with 503 for a while.
func TestBusy(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10})
	var mu sync.Mutex
	tries := map[string]int{}
	f.onRequest(func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		what := r.Method + r.URL.RawQuery
		if tries[what]++; tries[what] > 2 {
			return false
		}
		refuse(w, http.StatusServiceUnavailable, "ServerBusy", "")
		return true
	})
	if obj := mustPut(t, s, "x", content(1, 500<<10)); !obj.Checked {
		t.Error("not checked")
	}
	mustHold(t, s, "x", content(1, 500<<10))
}

// TestHeaders looks at what goes along with objects; Azurite keeps the tier
// and ignores the rest.
func TestHeaders(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	until := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	c, bucket := client(t, store, f.addr()), bucket(t, store)
	s := newSink(t, c, bucket, &azure.Options{
		PartSize: 64 << 10, Tier: blob.AccessTierCool, EncryptionScope: "scope1",
		Lock: &azure.Lock{Mode: blob.ImmutabilityPolicySettingLocked, Until: func() time.Time { return until.In(time.FixedZone("x", 3600)) }},
	})
	for name, size := range map[string]int{"small": 100, "large": 200 << 10} {
		if _, err := s.Put(t.Context(), name, bytes.NewReader(content(1, size)), &remote.PutOptions{ContentType: "application/x-test"}); err != nil {
			t.Fatal(err)
		}
		props, err := c.ServiceClient().NewContainerClient(bucket).NewBlobClient(name).GetProperties(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if *props.AccessTier != "Cool" || *props.ContentType != "application/x-test" || len(props.Metadata) != 0 {
			t.Errorf("%s: tier %s, type %s, metadata %v", name, *props.AccessTier, *props.ContentType, props.Metadata)
		}
	}
	for _, r := range append(f.requests(http.MethodPut, ""), f.requests(http.MethodPut, "blocklist")...) {
		for header, want := range map[string]string{
			"x-ms-access-tier":                    "Cool",
			"x-ms-encryption-scope":               "scope1",
			"x-ms-immutability-policy-mode":       "Locked",
			"x-ms-immutability-policy-until-date": until.Format(http.TimeFormat),
		} {
			if got := r.Header.Get(header); got != want {
				t.Errorf("%s is %q, want %q", header, got, want)
			}
		}
	}
	for _, r := range f.requests(http.MethodPut, "block") {
		if got := r.Header.Get("x-ms-encryption-scope"); got != "scope1" {
			t.Errorf("a block's scope is %q", got)
		}
	}
}

// TestRequests counts what an object costs.
func TestRequests(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10})
	for _, test := range []struct{ size, requests int }{
		{0, 1}, {1000, 1}, {64<<10 - 1, 1},
		{64 << 10, 3}, {64<<10 + 1, 4}, {128 << 10, 4}, // blocks, their list, the size
	} {
		before := len(f.all())
		mustPut(t, s, "x", content(1, test.size))
		if n := len(f.all()) - before; n != test.requests {
			t.Errorf("%d bytes take %d requests, want %d", test.size, n, test.requests)
		}
	}
}

// TestManyBlocks counts what the parts of the largest object sum up to, for the
// smallest parts, those by default and the largest.
func TestManyBlocks(t *testing.T) {
	for _, part := range []int{64 << 10, 8 << 20, 128 << 20} {
		opts := azure.Options{PartSize: part}
		var sum int64
		for n := range blockblob.MaxBlocks {
			size := opts.PartSizeOf(n)
			if int64(size) > blockblob.MaxStageBlockBytes {
				t.Fatalf("block %d has %d bytes", n, size)
			}
			sum += int64(size)
		}
		if want := int64(part) * 310_000; sum != want {
			t.Errorf("the largest object has %d bytes, want %d", sum, want)
		}
	}
}

// live is how much memory is in use, in bytes.
func live() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestMemory bounds what 16 Puts at a time hold.
func TestMemory(t *testing.T) {
	store := oracle.Azure(t)
	const puts, part, inFlight, parts = 16, 1 << 20, 4, 6
	s := sinkAt(t, store, store.Addr, &azure.Options{PartSize: part, InFlight: inFlight})
	data := content(1, 256<<10)
	before := live()
	var peak, reads atomic.Int64
	var wg sync.WaitGroup
	for i := range puts {
		wg.Go(func() {
			left := parts * part
			r := readFunc(func(p []byte) (int, error) {
				if left == 0 {
					return 0, io.EOF
				}
				n := copy(p[:min(len(p), left)], data)
				left -= n
				if reads.Add(1)%32 == 0 {
					peak.Store(max(peak.Load(), live()-before))
				}
				return n, nil
			})
			if _, err := s.Put(t.Context(), fmt.Sprint(i), r, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// Of each Put one part, those in flight, what the last ones grew from, and
	// the connections' buffers.
	if limit := int64((puts+inFlight)*part + puts*512<<10); peak.Load() > limit || peak.Load() < puts*part/2 {
		t.Errorf("%d MiB were in use at a time, want at most %d", peak.Load()>>20, limit>>20)
	}
}

// TestSmallMemory opens many small objects at a time.
func TestSmallMemory(t *testing.T) {
	store := oracle.Azure(t)
	s := sinkAt(t, store, store.Addr, nil)
	before := live()
	const puts = 16
	var ready, wg sync.WaitGroup
	ready.Add(puts)
	release := make(chan struct{})
	for i := range puts {
		wg.Go(func() {
			r := io.MultiReader(strings.NewReader("small"), readFunc(func([]byte) (int, error) {
				ready.Done()
				<-release
				return 0, io.EOF
			}))
			if _, err := s.Put(t.Context(), fmt.Sprint(i), r, nil); err != nil {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	if used := live() - before; used > puts*128<<10 {
		t.Errorf("%d small objects hold %d KiB", puts, used>>10)
	}
	close(release)
	wg.Wait()
}

// TestLockstep writes two sinks whose readers wait for each other, with one
// block in flight and more Puts than that.
func TestLockstep(t *testing.T) {
	store := oracle.Azure(t)
	a := sinkAt(t, store, store.Addr, &azure.Options{PartSize: 64 << 10, InFlight: 1})
	b := sinkAt(t, store, store.Addr, &azure.Options{PartSize: 64 << 10, InFlight: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 4 {
		ra, wa := io.Pipe()
		rb, wb := io.Pipe()
		wg.Go(func() {
			_, err := io.Copy(io.MultiWriter(wa, wb), bytes.NewReader(content(byte(i), 1<<20)))
			wa.CloseWithError(err)
			wb.CloseWithError(err)
		})
		for s, r := range map[*azure.Sink]*io.PipeReader{a: ra, b: rb} {
			wg.Go(func() {
				_, err := s.Put(ctx, fmt.Sprint(i), r, nil)
				if err != nil {
					t.Error(err)
				}
				r.CloseWithError(err)
			})
		}
	}
	wg.Wait()
}

// readFunc is a function as a reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
