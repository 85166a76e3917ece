package gcs_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
)

// calls is every operation of a sink.
func calls(sink *gcs.Sink) map[string]func(ctx context.Context) error {
	list := func(list func(context.Context, string) func(func(remote.Object, error) bool)) func(ctx context.Context) error {
		return func(ctx context.Context) (err error) {
			for _, err = range list(ctx, "") {
			}
			return err
		}
	}
	return map[string]func(ctx context.Context) error{
		"put": func(ctx context.Context) error {
			_, err := sink.Put(ctx, "x", strings.NewReader("x"), nil)
			return err
		},
		"put in parts": func(ctx context.Context) error {
			_, err := sink.Put(ctx, "x", bytes.NewReader(content(1, 9<<20)), nil)
			return err
		},
		"put exclusively": func(ctx context.Context) error {
			_, err := sink.PutExclusive(ctx, "new", strings.NewReader("x"), nil)
			return err
		},
		"get":       func(ctx context.Context) error { _, err := sink.Get(ctx, "x"); return err },
		"get range": func(ctx context.Context) error { _, err := sink.GetRange(ctx, "x", 0, 1); return err },
		"get none":  func(ctx context.Context) error { _, err := sink.GetRange(ctx, "x", 0, 0); return err },
		"stat":      func(ctx context.Context) error { _, err := sink.Stat(ctx, "x"); return err },
		"delete":    func(ctx context.Context) error { return sink.Delete(ctx, "x") },
		"list":      list(func(ctx context.Context, p string) func(func(remote.Object, error) bool) { return sink.List(ctx, p) }),
		"level": list(func(ctx context.Context, p string) func(func(remote.Object, error) bool) {
			return sink.ListLevel(ctx, p)
		}),
	}
}

// each runs every operation and checks that its error says op and sink.
func each(t *testing.T, sink *gcs.Sink, check func(t *testing.T, err error)) {
	t.Helper()
	for name, call := range calls(sink) {
		t.Run(name, func(t *testing.T) {
			err := call(t.Context())
			var e *remote.Error
			if !errors.As(err, &e) || e.Sink != sink.String() || !strings.HasPrefix(name, e.Op) && name != "level" {
				t.Fatalf("got %v", err)
			}
			check(t, err)
		})
	}
}

func TestMissingBucket(t *testing.T) {
	t.Parallel()
	each(t, open(t, "no-such-bucket", gcs.Options{}), func(t *testing.T, err error) {
		if !strings.Contains(err.Error(), `there is no bucket "no-such-bucket"`) || errors.Is(err, fs.ErrNotExist) || !errors.Is(err, storage.ErrBucketNotExist) || !errors.Is(err, remote.ErrNoStore) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]string{
		401: "HTTP 401: Invalid Credentials: the credentials are wrong or expired",
		403: "HTTP 403: Invalid Credentials",
	} {
		f := newFront(t)
		f.before = func(w http.ResponseWriter, r *http.Request) bool { refuse(w, code, "Invalid Credentials"); return true }
		each(t, open(t, "b", gcs.Options{Endpoint: f.URL}), func(t *testing.T, err error) {
			var answer *googleapi.Error
			if !errors.Is(err, fs.ErrPermission) || !errors.As(err, &answer) || answer.Code != code {
				t.Errorf("got %v", err)
			}
			// The API for reads may have no message.
			if !strings.HasSuffix(err.Error(), want) && !strings.Contains(err.Error(), fmt.Sprintf("HTTP %d", code)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What passes is waited for.
func TestBusy(t *testing.T) {
	t.Parallel()
	for _, code := range []int{429, 503} {
		f := newFront(t)
		var mu sync.Mutex
		answered := map[string]int{}
		f.before = func(w http.ResponseWriter, r *http.Request) bool {
			mu.Lock()
			defer mu.Unlock()
			key := r.Method + r.URL.String() + r.Header.Get("Content-Range")
			answered[key]++
			busy := answered[key] == 1
			if busy {
				refuse(w, code, "slow down")
			}
			return busy
		}
		sink := open(t, bucket(t), gcs.Options{Endpoint: f.URL})
		data := content(1, 9<<20)
		mustPut(t, sink, "x", data)
		mustPut(t, sink, "y", data[:100])
		mustHold(t, sink, "x", data)
		mustList(t, sink, "x", "y")
		if _, err := sink.Stat(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		if err := sink.Delete(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		mustList(t, sink, "y")
	}
}

// Nobody listens.
func TestDeadEndpoint(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	sink := open(t, "b", gcs.Options{Endpoint: "http://" + l.Addr().String()})
	sink.Persist(100 * time.Millisecond)
	start := time.Now()
	each(t, sink, func(t *testing.T, err error) {
		if !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), l.Addr().String()) || strings.Contains(err.Error(), "?") {
			t.Errorf("got %v", err)
		}
	})
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
}

// secure is the store behind TLS and tokens, and what a client needs for it.
type secure struct {
	*front
	token           func(w http.ResponseWriter) // answers for the token server
	caFile, keyFile string
	authorized      atomic.Int64 // requests with the token
}

func newSecure(t *testing.T) *secure {
	t.Helper()
	s := &secure{front: &front{}}
	s.token = func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"the-token","token_type":"Bearer","expires_in":3600}`)
	}
	s.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/token" {
			s.token(w)
			return true
		}
		if r.Header.Get("Authorization") != "Bearer the-token" {
			refuse(w, 401, "Invalid Credentials")
			return true
		}
		s.authorized.Add(1)
		return false
	}
	s.serve(t)
	s.StartTLS()

	dir := t.TempDir()
	s.caFile, s.keyFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "key.json")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "backup@p.iam.gserviceaccount.com", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": s.URL + "/token",
	})
	if err := errors.Join(err, os.WriteFile(s.caFile, cert, 0o600), os.WriteFile(s.keyFile, account, 0o600)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCredentials(t *testing.T) {
	s := newSecure(t)
	t.Setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:1") // an endpoint given goes before
	opts := gcs.Options{Endpoint: s.URL, CAFile: s.caFile, CredentialsFile: s.keyFile}
	sink := open(t, bucket(t), opts)
	data := content(1, 9<<20)
	mustPut(t, sink, "x", data)
	mustHold(t, sink, "x", data)
	if s.authorized.Load() == 0 {
		t.Error("no request had the token")
	}

	// The environment's usual variable does as well.
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", s.keyFile)
	opts.CredentialsFile = ""
	mustPut(t, open(t, bucket(t), opts), "x", data[:10])

	// An emulator on plain http is sent none.
	f := newFront(t)
	mustPut(t, open(t, bucket(t), gcs.Options{Endpoint: f.URL}), "x", data[:10])
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(f.URL, "http://"))
	byEnv, err := gcs.Open(t.Context(), bucket(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, byEnv, "x", data[:10])
	if n := len(f.requests(func(r *http.Request) bool { return r.Header.Get("Authorization") != "" })); n > 0 {
		t.Errorf("%d requests with credentials", n)
	}
	if n := len(f.requests(upload)); n != 2 {
		t.Errorf("%d uploads through the proxy", n)
	}
}

func TestUnknownAuthority(t *testing.T) {
	t.Parallel()
	s := newSecure(t)
	sink := open(t, "b", gcs.Options{Endpoint: s.URL, CredentialsFile: s.keyFile})
	each(t, sink, func(t *testing.T, err error) {
		if !errors.As(err, new(x509.UnknownAuthorityError)) || !strings.Contains(err.Error(), "ca_file") {
			t.Errorf("got %v", err)
		}
	})
}

// The token server refuses, and says too much.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`{"error":"invalid_grant","error_description":"Invalid JWT: SECRET"}`: "HTTP 400 invalid_grant: they were revoked or have expired, or this machine's clock is off",
		`SECRET`:                    "HTTP 400",
		`{"error":"SECRET"}`:        "HTTP 400",
		`{"error":"invalid_scope"}`: "HTTP 400 invalid_scope",
	} {
		s := newSecure(t)
		s.token = func(w http.ResponseWriter) {
			w.WriteHeader(400)
			fmt.Fprint(w, answer)
		}
		sink := open(t, "b", gcs.Options{Endpoint: s.URL, CAFile: s.caFile, CredentialsFile: s.keyFile})
		each(t, sink, func(t *testing.T, err error) {
			if !errors.Is(err, fs.ErrPermission) || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for want, opts := range map[string]gcs.Options{
		"the endpoint must be":                 {Endpoint: "ftp://host"},
		"and nothing more":                     {Endpoint: "https://host/path"},
		"https://host":                         {Endpoint: "https://user:secret@host"},
		"CA file: open " + dir:                 {CAFile: dir + "/none"},
		"holds no certificate":                 {CAFile: file("ca", "-")},
		"credentials file: open " + dir:        {CredentialsFile: dir + "/none"},
		"is not the JSON of a service account": {CredentialsFile: file("creds", "secret")},
		`of type "secret-less", cannot`:        {CredentialsFile: file("odd", `{"type":"secret-less","x":"secret "}`)},
		`prefix: invalid argument: the name "`: {Prefix: "a/"},
		"a part of -1 bytes":                   {PartSize: -1},
		"-2 parts in flight":                   {InFlight: -2},
		"a lock needs":                         {Lock: &gcs.Lock{Mode: "Locked"}},
		`or "Unlocked"`:                        {Lock: &gcs.Lock{Mode: "locked", Until: time.Now}},
	} {
		_, err := gcs.Open(t.Context(), "b", &opts)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(strings.ReplaceAll(err.Error(), "secret-less", ""), "secret") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	for _, name := range []string{"", "a/b", "a b", "gs://b"} {
		if _, err := gcs.New(client(t), name, nil); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("bucket %q: %v", name, err)
		}
	}
	if _, err := gcs.New(client(t), "b", &gcs.Options{CAFile: "x"}); err == nil {
		t.Error("New takes what is for Open")
	}
	if _, err := gcs.New(nil, "b", nil); err == nil {
		t.Error("New takes no client")
	}
}
