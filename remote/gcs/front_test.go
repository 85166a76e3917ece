package gcs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
)

// front is a proxy before the store, which can lie and fail in its name.
type front struct {
	*httptest.Server
	// before answers a request itself and says so; nil passes all on.
	before func(w http.ResponseWriter, r *http.Request) bool
	// after changes an answer of the store, or loses it by an error; nil leaves
	// all.
	after func(*http.Response) error

	mu   sync.Mutex
	seen []*http.Request
}

// newFront starts one; set its fields before the first request.
func newFront(t *testing.T) *front {
	f := &front{}
	f.serve(t)
	f.Start()
	return f
}

// serve makes the server, which is still to be started.
func (f *front) serve(t *testing.T) {
	store := &url.URL{Scheme: "http", Host: oracle.GCS(t).Addr}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(store)
			r.Out.Host = r.In.Host // where the store sends the client of an upload
			r.SetXForwarded()
		},
		FlushInterval: -1, // so that an answer breaks off where it is cut
		ErrorLog:      log.New(io.Discard, "", 0),
		ModifyResponse: func(resp *http.Response) error {
			if f.after == nil {
				return nil
			}
			return f.after(resp)
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.seen = append(f.seen, r.Clone(context.Background()))
		f.mu.Unlock()
		if f.before == nil || !f.before(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	f.Config.ErrorLog = proxy.ErrorLog
	t.Cleanup(f.Close)
}

// requests returns those seen that are such.
func (f *front) requests(such func(*http.Request) bool) (found []*http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.seen {
		if such(r) {
			found = append(found, r)
		}
	}
	return found
}

// upload tells whether a request carries an object, or a part of it.
func upload(r *http.Request) bool {
	q := r.URL.Query()
	return q.Get("uploadType") == "multipart" || part(r)
}

func part(r *http.Request) bool { return r.URL.Query().Has("upload_id") }

// download tells whether a request asks for content, by either API.
func download(r *http.Request) bool {
	return r.Method == "GET" && (r.URL.Query().Get("alt") == "media" || !strings.HasPrefix(r.URL.Path, "/storage/v1/"))
}

// refuse answers as the service does.
func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{"code": status, "message": message}})
}

// edit changes the store's description of an object.
func edit(resp *http.Response, change func(object map[string]any)) error {
	var object map[string]any
	err := json.NewDecoder(resp.Body).Decode(&object)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	change(object)
	text, err := json.Marshal(object)
	resp.Body = io.NopCloser(bytes.NewReader(text))
	resp.ContentLength = int64(len(text))
	resp.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return err
}

// body reads a request's body, which stays there.
func body(r *http.Request) []byte {
	data, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(data))
	return data
}

// content returns n bytes that seed determines.
func content(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = mathrand.NewChaCha8([32]byte{seed}).Read(b) // never fails
	return b
}

func mustPut(t *testing.T, s remote.RemoteSink, name string, data []byte) remote.Object {
	t.Helper()
	obj, err := s.Put(t.Context(), name, bytes.NewReader(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func mustHold(t *testing.T, s remote.RemoteSink, name string, want []byte) {
	t.Helper()
	got, err := read(t, s, name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d bytes that are not the %d stored", name, len(got), len(want))
	}
}

func read(t *testing.T, s remote.RemoteSink, name string) ([]byte, error) {
	t.Helper()
	rc, err := s.Get(t.Context(), name)
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	return io.ReadAll(rc)
}

func mustList(t *testing.T, s remote.RemoteSink, want ...string) {
	t.Helper()
	var got []string
	for obj, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, obj.Name)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("there are %q, want %q", got, want)
	}
}

// readFunc is a function as a reader.
type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }
