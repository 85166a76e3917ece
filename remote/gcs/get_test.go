package gcs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
)

// cut makes an answer with content break off after n bytes.
func cut(resp *http.Response, n int64) {
	if !download(resp.Request) || resp.StatusCode >= 300 {
		return
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(resp.Body, n), readFunc(func([]byte) (int, error) { return 0, errors.New("cut") })), resp.Body}
}

// readers are sinks that read through a front by each of the store's APIs.
func readers(t *testing.T, f *front, bucket string) map[string]*gcs.Sink {
	t.Helper()
	c, err := storage.NewClient(t.Context(), option.WithoutAuthentication(),
		option.WithEndpoint(f.URL+"/storage/v1/"), option.WithHTTPClient(&http.Client{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	sink, err := gcs.New(c, bucket, nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*gcs.Sink{"JSON": open(t, bucket, gcs.Options{Endpoint: f.URL}), "XML": sink}
}

func TestBrokenDownload(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.after = func(resp *http.Response) error {
		cut(resp, 100_000)
		return nil
	}
	name := bucket(t)
	data := content(1, 350_000)
	mustPut(t, open(t, name, gcs.Options{}), "x", data)
	for api, sink := range readers(t, f, name) {
		before := len(f.requests(download))
		mustHold(t, sink, "x", data)
		asked := f.requests(download)[before:]
		if len(asked) != 4 {
			t.Errorf("%s: %d requests", api, len(asked))
		}
		for i, from := range []string{"", "bytes=100000-", "bytes=200000-", "bytes=300000-"} {
			if got := asked[i].Header.Get("Range"); got != from {
				t.Errorf("%s: request %d is for %q", api, i, got)
			}
			if pinned := asked[i].URL.Query().Get("generation") != ""; pinned != (i > 0) {
				t.Errorf("%s: request %d names a generation: %v", api, i, pinned)
			}
		}
		rc, err := sink.GetRange(t.Context(), "x", 5, 250_000)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(rc); err != nil || !bytes.Equal(got, data[5:250_005]) {
			t.Errorf("%s: a range is %d bytes, %v", api, len(got), err)
		}
		rc.Close()
	}
}

// The store is gone for a while in the middle of a download.
func TestDownloadOutage(t *testing.T) {
	t.Parallel()
	p := oracle.Proxy(t, oracle.GCS(t).Addr)
	name := bucket(t)
	data := content(1, 20<<20)
	mustPut(t, open(t, name, gcs.Options{}), "x", data)
	rc, err := open(t, name, gcs.Options{Endpoint: "http://" + p.Addr}).Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	got := make([]byte, len(data))
	if _, err := io.ReadFull(rc, got[:1000]); err != nil {
		t.Fatal(err)
	}
	p.Down()
	time.AfterFunc(time.Second, p.Up)
	if _, err := io.ReadFull(rc, got[1000:]); err != nil {
		t.Fatal(err)
	}
	if n, err := rc.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if !bytes.Equal(got, data) {
		t.Error("the content is another")
	}
}

func TestReplacedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.after = func(resp *http.Response) error {
		cut(resp, 100_000)
		return nil
	}
	name := bucket(t)
	behind := open(t, name, gcs.Options{})
	for api, sink := range readers(t, f, name) {
		mustPut(t, behind, "x", content(1, 200_000))
		rc, err := sink.Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		mustPut(t, behind, "x", content(2, 200_000))
		got, err := io.ReadAll(rc)
		rc.Close()
		if err == nil || !strings.Contains(err.Error(), "replaced or deleted") || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %d bytes, %v", api, len(got), err)
		}
	}
}

// Connections that break at once are given up, and not asked for in a hurry:
// whether they break before the store answered or after.
func TestBrokenForGood(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	var answered atomic.Bool
	f.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") == "" {
			return false
		}
		if answered.Load() {
			w.Header().Set("Content-Range", "bytes 100000-199999/200000")
			w.Header().Set("Content-Length", "100000")
			w.WriteHeader(http.StatusPartialContent)
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}
	f.after = func(resp *http.Response) error {
		cut(resp, 100_000)
		return nil
	}
	name := bucket(t)
	mustPut(t, open(t, name, gcs.Options{}), "x", content(1, 200_000))
	for _, late := range []bool{false, true} {
		answered.Store(late)
		for api, sink := range readers(t, f, name) {
			sink.Persist(500 * time.Millisecond)
			before := len(f.requests(download))
			got, err := read(t, sink, "x")
			if err == nil || !strings.Contains(err.Error(), "broke again and again") || len(got) != 100_000 {
				t.Errorf("%s, answered %v: got %d bytes, %v", api, late, len(got), err)
			}
			if n := len(f.requests(download)) - before; n < 2 || n > 50 {
				t.Errorf("%s, answered %v: %d requests", api, late, n)
			}
		}
	}
}

// What comes is not what the store said it holds.
func TestWrongDownload(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	var spoil func(resp *http.Response)
	f.after = func(resp *http.Response) error {
		if download(resp.Request) {
			spoil(resp)
		}
		return nil
	}
	name := bucket(t)
	mustPut(t, open(t, name, gcs.Options{}), "x", content(1, 200_000))
	for answer, test := range map[string]struct {
		spoil  func(resp *http.Response)
		length int64
	}{
		"damaged": {func(resp *http.Response) {
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("!"), io.LimitReader(resp.Body, 1<<30)))
			resp.Header.Del("Content-Length")
			resp.ContentLength = -1
		}, -1},
		"short": {func(resp *http.Response) {
			resp.Body = io.NopCloser(io.LimitReader(resp.Body, 1000))
			resp.Header.Del("Content-Length")
			resp.ContentLength = -1
		}, -1},
		"short range": {func(resp *http.Response) {
			resp.Body = io.NopCloser(io.LimitReader(resp.Body, 1000))
			resp.Header.Del("Content-Length")
			resp.ContentLength = -1
		}, 2000},
	} {
		spoil = test.spoil
		for api, sink := range readers(t, f, name) {
			rc, err := sink.GetRange(t.Context(), "x", 0, test.length)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(rc)
			rc.Close()
			if err == nil {
				t.Errorf("%s by %s: %d bytes without an error", answer, api, len(got))
			}
		}
	}
}
