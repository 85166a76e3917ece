package azure_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestBrokenDownload goes on where connections were cut.
func TestBrokenDownload(t *testing.T) {
	store := oracle.Azure(t)
	proxy := oracle.Proxy(t, store.Addr)
	s := sinkAt(t, store, proxy.Addr, nil)
	want := content(1, 3<<20+1)
	mustPut(t, s, "x", want)
	proxy.Toxic("limit_data", "downstream", map[string]any{"bytes": 300 << 10})
	mustHold(t, s, "x", want)
	rc, err := s.GetRange(t.Context(), "x", 100, 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	got, err := io.ReadAll(rc)
	if err != nil || !bytes.Equal(got, want[100:100+2<<20]) {
		t.Errorf("a range read gives %d bytes, %v", len(got), err)
	}
}

// TestDownloadOutage takes the store away in the middle of a download.
func TestDownloadOutage(t *testing.T) {
	store := oracle.Azure(t)
	proxy := oracle.Proxy(t, store.Addr)
	s := sinkAt(t, store, proxy.Addr, nil)
	want := content(1, 20<<20)
	mustPut(t, s, "x", want)
	for _, back := range []bool{true, false} {
		rc, err := s.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		defer rc.Close()
		got := make([]byte, 1<<20)
		if _, err := io.ReadFull(rc, got); err != nil {
			t.Fatal(err)
		}
		proxy.Down()
		var up sync.WaitGroup
		if back {
			up.Go(proxy.Up)
		}
		rest, err := io.ReadAll(rc)
		up.Wait()
		if back && (err != nil || !bytes.Equal(append(got, rest...), want)) {
			t.Errorf("after an outage: %d bytes, %v", len(got)+len(rest), err)
		}
		if !back && (err == nil || !strings.Contains(err.Error(), "cannot be reached")) {
			t.Errorf("a store that stays away: %v", err)
		}
	}
	proxy.Up()
}

// TestReplacedMeanwhile replaces and deletes an object between the pieces of a
// download.
func TestReplacedMeanwhile(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), nil)
	for name, change := range map[string]func(){
		"replaced": func() { mustPut(t, s, "x", content(2, 3<<20)) },
		"deleted": func() {
			if err := s.Delete(t.Context(), "x"); err != nil {
				t.Error(err)
			}
		},
	} {
		mustPut(t, s, "x", content(1, 3<<20))
		f.onAnswer(func(resp *http.Response) error {
			if resp.Request.Method == http.MethodGet && resp.StatusCode/100 == 2 {
				resp.Body = cut(resp.Body, 1<<20)
			}
			return nil
		})
		rc, err := s.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(rc, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		change()
		got, err := io.ReadAll(rc)
		if err == nil || !strings.Contains(err.Error(), "replaced or deleted") || len(got) >= 3<<20 {
			t.Errorf("%s: the rest of the download is %d bytes, %v", name, len(got), err)
		}
		if err := rc.Close(); err != nil {
			t.Error(err)
		}
		if _, err := rc.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s: read after Close: %v", name, err)
		}
		f.onAnswer(nil)
	}
}

// TestBrokenForGood gives up a download that makes no progress.
func TestBrokenForGood(t *testing.T) {
	t.Parallel()
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), nil)
	f.onRequest(func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", "1000")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	rc, err := s.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	if _, err := io.ReadAll(rc); err == nil || !strings.Contains(err.Error(), "broke 7 times at byte 0") {
		t.Errorf("the download ends with %v", err)
	}
}

// TestWrongRange has the store send other bytes than it was asked for.
func TestWrongRange(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), nil)
	mustPut(t, s, "x", content(1, 1000))
	for _, after := range []func(h http.Header){
		func(h http.Header) { h.Del("Content-Range") },
		func(h http.Header) { h.Set("Content-Range", "bytes 10-19/1000") },
	} {
		f.onAnswer(func(resp *http.Response) error { after(resp.Header); return nil })
		if rc, err := s.GetRange(t.Context(), "x", 100, 10); err == nil {
			t.Error("a wrong range is taken")
			rc.Close()
		}
	}
	f.onAnswer(func(resp *http.Response) error {
		resp.Header.Set("Content-Length", strconv.Itoa(1000))
		return nil
	})
	if rc, err := s.GetRange(t.Context(), "x", 100, 10); err == nil {
		t.Error("a range too long is taken")
		rc.Close()
	}
}

// cut ends a body with an error after n bytes.
func cut(body io.ReadCloser, n int64) io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(body, n), readFunc(func([]byte) (int, error) { return 0, errors.New("cut") })), body}
}
