package s3_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestResume downloads over connections that break.
func TestResume(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	data := content(9 << 20)
	if _, err := open(t, store, bucket, nil).Put(t.Context(), "x", bytes.NewReader(data), nil); err != nil {
		t.Fatal(err)
	}
	proxy := oracle.Proxy(t, store.Addr)
	proxy.Toxic("limit_data", "downstream", map[string]any{"bytes": 3 << 20})
	through := *store
	through.Addr, through.URL = proxy.Addr, "http://"+proxy.Addr
	sink := open(t, &through, bucket, nil)
	for _, tt := range []struct{ offset, length int64 }{{0, -1}, {100, 8 << 20}, {5 << 20, -1}} {
		rc, err := sink.GetRange(t.Context(), "x", tt.offset, tt.length)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil {
			t.Errorf("from %d: %v", tt.offset, err)
		}
		want := data[tt.offset:]
		if tt.length >= 0 {
			want = want[:tt.length]
		}
		if sha256.Sum256(got) != sha256.Sum256(want) {
			t.Errorf("from %d: %d bytes instead of %d, or others", tt.offset, len(got), len(want))
		}
	}
}

// breaking is a front whose downloads end after so many bytes, and then calls
// what comes between.
func breaking(t testing.TB, store *oracle.Store, bytes int64, between func()) *oracle.Store {
	return front{alter: func(r *http.Response) {
		if r.Request.Method != http.MethodGet || r.Header.Get("Last-Modified") == "" {
			return
		}
		body := r.Body
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(body, bytes), readFunc(func([]byte) (int, error) {
			between()
			return 0, errors.New("this connection breaks")
		})), body}
	}}.before(t, store)
}

func TestReplacedWhileRead(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	honest := open(t, store, bucket, nil)
	for name, change := range map[string]func() error{
		"replaced": func() error {
			_, err := honest.Put(t.Context(), "x", bytes.NewReader(content(2<<20)), nil)
			return err
		},
		"deleted": func() error { return honest.Delete(t.Context(), "x") },
	} {
		if _, err := honest.Put(t.Context(), "x", bytes.NewReader(content(3<<20)), nil); err != nil {
			t.Fatal(err)
		}
		front := breaking(t, store, 1<<20, func() {
			if err := change(); err != nil {
				t.Error(err)
			}
		})
		rc, err := open(t, front, bucket, nil).Get(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		n, err := io.Copy(io.Discard, rc)
		rc.Close()
		if err == nil || n != 1<<20 {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
		if name == "replaced" && !strings.Contains(err.Error(), "replaced while it was read") {
			t.Error(err)
		}
		if name == "deleted" && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestGivesUp downloads from what sends a header and never a byte.
func TestGivesUp(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Length", "3000")
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Range", "bytes 0-2999/3000")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	sink := open(t, &oracle.Store{URL: server.URL, Region: "us-east-1", AccessKey: "key", SecretKey: "secret"}, "bucket", nil)
	rc, err := sink.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	_, err = io.ReadAll(rc)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if n := asked.Load(); n != 6 {
		t.Errorf("asked %d times: %v", n, err)
	}
}
