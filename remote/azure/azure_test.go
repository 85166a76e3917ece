package azure_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"log"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/azure"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// client is the SDK's client of the store behind addr, host:port. It retries
// soon.
func client(t *testing.T, store *oracle.Store, addr string) *azblob.Client {
	t.Helper()
	return clientFor(t, store, "http://"+addr, nil)
}

func clientFor(t *testing.T, store *oracle.Store, base string, transport policy.Transporter) *azblob.Client {
	t.Helper()
	cred, err := azblob.NewSharedKeyCredential(store.AccessKey, store.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	opts := &azblob.ClientOptions{}
	opts.Retry = policy.RetryOptions{MaxRetries: 6, RetryDelay: 5 * time.Millisecond, MaxRetryDelay: time.Second}
	opts.Transport = transport
	c, err := azblob.NewClientWithSharedKeyCredential(base+"/"+store.AccessKey+"/", cred, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// bucket creates a container of the test's own.
func bucket(t *testing.T, store *oracle.Store) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	if _, err := client(t, store, store.Addr).CreateContainer(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
	return name
}

func newSink(t *testing.T, c *azblob.Client, bucket string, opts *azure.Options) *azure.Sink {
	t.Helper()
	s, err := azure.New(c, bucket, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sinkAt returns a sink in a new container, whose client asks addr.
func sinkAt(t *testing.T, store *oracle.Store, addr string, opts *azure.Options) *azure.Sink {
	t.Helper()
	return newSink(t, client(t, store, addr), bucket(t, store), opts)
}

// front is a proxy before the store, which can lie and fail in its name.
type front struct {
	*httptest.Server

	mu     sync.Mutex
	before func(w http.ResponseWriter, r *http.Request) bool
	after  func(*http.Response) error
	seen   []*http.Request
}

// onRequest has f answer requests itself where it says so; nil passes all on.
func (f *front) onRequest(before func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// onAnswer has f change answers of the store, or fail; nil leaves all.
func (f *front) onAnswer(after func(*http.Response) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// sees remembers a request and returns what to do with it and its answer.
func (f *front) sees(r *http.Request) (func(w http.ResponseWriter, r *http.Request) bool, func(*http.Response) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r.Clone(context.Background()))
	return f.before, f.after
}

func newFront(t *testing.T, store *oracle.Store) *front {
	f := &front{}
	f.Server = httptest.NewServer(f.handler(store))
	t.Cleanup(f.Close)
	return f
}

func (f *front) handler(store *oracle.Store) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, after := f.sees(r)
		if before != nil && before(w, r) {
			return
		}
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: store.Addr})
				r.Out.URL.RawPath, r.Out.URL.Path = r.In.URL.RawPath, r.In.URL.Path // as it was signed
			},
			ModifyResponse: after,
			ErrorLog:       log.New(io.Discard, "", 0),
			ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		}
		proxy.ServeHTTP(w, r)
	})
}

// all returns the requests seen.
func (f *front) all() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.seen)
}

// requests returns those seen of a method and a value of the parameter comp.
func (f *front) requests(method, comp string) (found []*http.Request) {
	for _, r := range f.all() {
		if r.Method == method && r.URL.Query().Get("comp") == comp {
			found = append(found, r)
		}
	}
	return found
}

func (f *front) addr() string { return f.Listener.Addr().String() }

// refuse answers as the service does.
func refuse(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("x-ms-request-id", "req-1")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>m</Message><AuthenticationErrorDetail>%s</AuthenticationErrorDetail></Error>`, code, detail)
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
	rc, err := s.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(rc)
	if err := errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d bytes that are not the %d stored", name, len(got), len(want))
	}
}

func names(t *testing.T, s *azure.Sink, prefix string) []string {
	t.Helper()
	return listed(t, s.List(t.Context(), prefix))
}

func level(t *testing.T, s *azure.Sink, prefix string) []string {
	t.Helper()
	return listed(t, s.ListLevel(t.Context(), prefix))
}

func listed(t *testing.T, objects iter.Seq2[remote.Object, error]) (names []string) {
	t.Helper()
	for obj, err := range objects {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, obj.Name)
	}
	return names
}

func TestSink(t *testing.T) {
	t.Parallel()
	store := oracle.Azure(t)
	for name, opts := range map[string]*azure.Options{
		"default": nil,
		"blocks":  {PartSize: 256 << 10, InFlight: 2}, // what is one request elsewhere are many
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := remotetest.TestSink(t.Context(), sinkAt(t, store, store.Addr, opts), remotetest.LargeObject(10<<20)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	store := oracle.Azure(t)
	got, err := remotetest.Probe(t.Context(), sinkAt(t, store, store.Addr, &azure.Options{Prefix: "a/b"}))
	if err != nil {
		t.Fatal(err)
	}
	if got.ClockAhead.Abs() > time.Minute {
		t.Errorf("the clock of a store on this machine is %s ahead", got.ClockAhead)
	}
	got.ClockAhead = 0
	if want := (remotetest.Capabilities{Ranges: true, Stat: true, Exclusive: true, Levels: true, Versions: true, Checked: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestPrefix keeps two sinks in one container apart, and blobs that are no
// objects out of listings.
func TestPrefix(t *testing.T) {
	store := oracle.Azure(t)
	c, bucket := client(t, store, store.Addr), bucket(t, store)
	whole, a := newSink(t, c, bucket, nil), newSink(t, c, bucket, &azure.Options{Prefix: "a/b"})
	if got, want := a.String(), "azblob://"+bucket+"/a/b"; got != want {
		t.Errorf("String is %s, want %s", got, want)
	}
	mustPut(t, whole, "a/bc", []byte("beside"))
	mustPut(t, a, "x/y", []byte("inside"))
	mustHold(t, whole, "a/b/x/y", []byte("inside"))
	for _, foreign := range []string{"a/b/", "a/b/.hidden/x", "a/b/x//y", "a/b/../z", "a/b/folder/"} {
		if _, err := c.UploadBuffer(t.Context(), bucket, foreign, []byte("x"), nil); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, a, ""); !slices.Equal(got, []string{"x/y"}) {
		t.Errorf("the sink lists %q", got)
	}
	if got := level(t, a, ""); !slices.Equal(got, []string{"folder/", "x/"}) { // a folder says nothing of what is in it
		t.Errorf("the level lists %q", got)
	}
	if _, err := a.Stat(t.Context(), strings.Repeat("n", remote.MaxName-3)); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a name too long with its prefix: %v", err)
	}
}

// TestManyPages lists more than the store gives at a time.
func TestManyPages(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	f.onRequest(func(_ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query(); q.Get("comp") == "list" {
			q.Set("maxresults", "3")
			r.URL.RawQuery = q.Encode()
		}
		return false
	})
	// The parameter is part of what a key signs, so read without one.
	c, name := client(t, store, store.Addr), bucket(t, store)
	if _, err := c.ServiceClient().NewContainerClient(name).SetAccessPolicy(t.Context(), publicAccess); err != nil {
		t.Fatal(err)
	}
	var want, folders []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("d%d/x", i), fmt.Sprintf("d%d/y", i))
		folders = append(folders, fmt.Sprintf("d%d/", i))
	}
	for _, obj := range want {
		mustPut(t, newSink(t, c, name, nil), obj, []byte(obj))
	}
	anonymous, err := azblob.NewClientWithNoCredential(f.URL+"/"+store.AccessKey+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSink(t, anonymous, name, nil)
	if got := names(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	if got := level(t, s, ""); !slices.Equal(got, folders) {
		t.Errorf("level lists %q", got)
	}
	if n := len(f.requests(http.MethodGet, "list")); n < 8 {
		t.Errorf("%d requests were enough", n)
	}
}

// TestListingOrder has a store list in another order, as an account with a
// hierarchical namespace does, and one folder twice.
func TestListingOrder(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), nil)
	for _, name := range []string{"a-b", "a/b", "b/c"} {
		mustPut(t, s, name, nil)
	}
	var replace *strings.Replacer
	f.onAnswer(func(resp *http.Response) error {
		body, err := io.ReadAll(resp.Body)
		resp.Body = streaming.NopCloser(strings.NewReader(replace.Replace(string(body))))
		return err
	})
	replace = strings.NewReplacer("<Name>a-b</Name>", "<Name>a/b</Name>", "<Name>a/b</Name>", "<Name>a-b</Name>")
	var last error
	for _, err := range s.List(t.Context(), "") {
		last = err
	}
	if last == nil || !strings.Contains(last.Error(), "hierarchical namespace") {
		t.Errorf("a listing out of order ends with %v", last)
	}
	replace = strings.NewReplacer("<Name>b/</Name>", "<Name>a/</Name>")
	if got := level(t, s, ""); !slices.Equal(got, []string{"a-b", "a/"}) {
		t.Errorf("a folder given twice is listed as %q", got)
	}
}

// TestSecure asks over TLS, with an authority of the test's own, and with a
// customer key. Azurite refuses such keys, so that the proxy keeps them back.
func TestSecure(t *testing.T) {
	store := oracle.Azure(t)
	f := &front{before: func(_ http.ResponseWriter, r *http.Request) bool {
		for _, header := range []string{"key", "key-sha256", "algorithm"} {
			r.Header.Del("x-ms-encryption-" + header)
		}
		return false
	}}
	f.Server = httptest.NewUnstartedServer(f.handler(store))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.StartTLS()
	t.Cleanup(f.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	name := bucket(t, store)
	environment(t, map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(t, store, time.Hour, allowed)})
	opts := &azure.Options{Endpoint: f.URL + "/" + store.AccessKey, CAFile: ca, PartSize: 64 << 10, CustomerKey: content(1, 32)}
	s, err := azure.Open(t.Context(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string]int{"small": 100, "large": 200 << 10} {
		mustPut(t, s, name, content(3, size))
		mustHold(t, s, name, content(3, size))
		if _, err := s.Stat(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.all()); n < 8 {
		t.Errorf("%d requests were seen", n)
	}
	for _, r := range f.all() {
		if r.Header.Get("x-ms-encryption-key-sha256") == "" || r.Header.Get("x-ms-encryption-algorithm") != "AES256" {
			t.Errorf("%s %s goes without the customer key", r.Method, r.URL.Path)
		}
	}

	opts.CAFile = ""
	if s, err = azure.Open(t.Context(), name, opts); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := s.Stat(t.Context(), "small"); err == nil || !strings.Contains(err.Error(), "ca_file") {
		t.Errorf("a certificate that is not trusted: %v", err)
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("a certificate that is not trusted was tried for %s", d)
	}
}

// environment sets the variables that Open reads, and clears the others.
func environment(t *testing.T, set map[string]string) {
	t.Helper()
	for _, name := range []string{"CONNECTION_STRING", "ACCOUNT", "KEY", "SAS_TOKEN"} {
		name = "AZURE_STORAGE_" + name
		t.Setenv(name, set[name])
	}
}

// allowed are all the permissions that a sink needs.
var allowed = sas.AccountPermissions{Read: true, Write: true, Delete: true, List: true, Create: true, Add: true}

// token is a SAS token for the store's account, which ends in so long.
func token(t *testing.T, store *oracle.Store, ends time.Duration, allowed sas.AccountPermissions) string {
	t.Helper()
	u, err := client(t, store, store.Addr).ServiceClient().GetSASURL(
		sas.AccountResourceTypes{Service: true, Container: true, Object: true}, allowed, time.Now().Add(ends), &service.GetSASURLOptions{StartTime: new(time.Now().Add(-time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(u, "?")
	return query
}
