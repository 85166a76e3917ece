package azure_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/azure"
)

// everything calls each operation, and returns the errors by name.
func everything(t *testing.T, s *azure.Sink) map[string]error {
	t.Helper()
	errs := map[string]error{"delete": s.Delete(t.Context(), "x")}
	_, errs["put"] = s.Put(t.Context(), "x", strings.NewReader("x"), nil)
	_, errs["put in blocks"] = s.Put(t.Context(), "y", strings.NewReader(strings.Repeat("y", 100<<10)), nil)
	_, errs["exclusive put"] = s.PutExclusive(t.Context(), "z", strings.NewReader("z"), nil)
	_, errs["stat"] = s.Stat(t.Context(), "x")
	_, errs["get"] = s.Get(t.Context(), "x")
	_, errs["range"] = s.GetRange(t.Context(), "x", 5, 5)
	for _, err := range s.List(t.Context(), "") {
		errs["list"] = err
	}
	for _, err := range s.ListLevel(t.Context(), "") {
		errs["list of a level"] = err
	}
	return errs
}

// TestMissingContainer must not look like a missing object.
func TestMissingContainer(t *testing.T) {
	store := oracle.Azure(t)
	for op, err := range everything(t, newSink(t, client(t, store, store.Addr), "missing", &azure.Options{PartSize: 64 << 10})) {
		if !errors.Is(err, remote.ErrNoStore) || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `the container "missing" does not exist`) {
			t.Errorf("%s: %v", op, err)
		}
		var response *azcore.ResponseError
		if !errors.As(err, &response) || response.ErrorCode != "ContainerNotFound" {
			t.Errorf("%s: the SDK's error is not in the chain", op)
		}
	}
}

// TestRefused uses credentials that the store refuses, and checks that no error
// shows them.
func TestRefused(t *testing.T) {
	store := oracle.Azure(t)
	name := bucket(t, store)
	endpoint := store.URL + "/" + store.AccessKey
	wrongKey := base64.StdEncoding.EncodeToString([]byte("not the key of this account"))
	for _, test := range []struct {
		name string
		set  map[string]string
		want string
	}{
		{"wrong key", map[string]string{"AZURE_STORAGE_ACCOUNT": store.AccessKey, "AZURE_STORAGE_KEY": wrongKey}, "key is wrong"},
		{"expired SAS", map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(t, store, -time.Minute, allowed)}, "has expired"},
		{"SAS for nothing of use", map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(t, store, time.Hour, sas.AccountPermissions{Tag: true})}, "lacks the permission"},
	} {
		t.Run(test.name, func(t *testing.T) {
			environment(t, test.set)
			s, err := azure.Open(t.Context(), name, &azure.Options{Endpoint: endpoint, PartSize: 64 << 10})
			if err != nil {
				t.Fatal(err)
			}
			for op, err := range everything(t, s) {
				if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v", op, err)
				}
				hidden(t, err, test.set)
			}
		})
	}
}

// TestReadOnly restores with a token that may read alone.
func TestReadOnly(t *testing.T) {
	store := oracle.Azure(t)
	name := bucket(t, store)
	mustPut(t, newSink(t, client(t, store, store.Addr), name, nil), "x", content(1, 1000))
	environment(t, map[string]string{"AZURE_STORAGE_SAS_TOKEN": token(t, store, time.Hour, sas.AccountPermissions{Read: true, List: true})})
	s, err := azure.Open(t.Context(), name, &azure.Options{Endpoint: store.URL + "/" + store.AccessKey, PartSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range everything(t, s) {
		if writes := strings.Contains(op, "put") || op == "delete"; writes != errors.Is(err, fs.ErrPermission) || !writes && err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	mustHold(t, s, "x", content(1, 1000))
}

// hidden checks that an error shows no part of the credentials, however far
// one looks into it.
func hidden(t *testing.T, err error, credentials map[string]string) {
	t.Helper()
	secrets := []string{credentials["AZURE_STORAGE_KEY"]}
	if q, err := url.ParseQuery(credentials["AZURE_STORAGE_SAS_TOKEN"]); err == nil {
		secrets = append(secrets, q.Get("sig"), url.QueryEscape(q.Get("sig")))
	}
	var look func(err error)
	look = func(err error) {
		for _, secret := range secrets {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("%T shows a secret: %v", err, err)
			}
		}
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if next := e.Unwrap(); next != nil {
				look(next)
			}
		case interface{ Unwrap() []error }:
			for _, next := range e.Unwrap() {
				look(next)
			}
		}
	}
	if err != nil {
		look(err)
	}
}

// TestUnreachable asks where no one answers, with a SAS token in the URL.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	const secret = "c2VjcmV0LXNpZ25hdHVyZQ%3D%3D"
	set := map[string]string{"AZURE_STORAGE_SAS_TOKEN": "sv=2024&sig=" + secret}
	opts := &azblob.ClientOptions{}
	opts.Retry.MaxRetries = -1
	c, err := azblob.NewClientWithNoCredential("http://"+listener.Addr().String()+"/account1/?"+set["AZURE_STORAGE_SAS_TOKEN"], opts)
	if err != nil {
		t.Fatal(err)
	}
	for op, err := range everything(t, newSink(t, c, "backups", &azure.Options{PartSize: 64 << 10})) {
		var request *url.Error
		var dial *net.OpError
		if !errors.As(err, &request) || !errors.As(err, &dial) || !strings.Contains(err.Error(), listener.Addr().String()+" cannot be reached") {
			t.Errorf("%s: %v", op, err)
		}
		hidden(t, err, set)
	}
}

// TestAnswers has the store answer what Azurite never does.
func TestAnswers(t *testing.T) {
	store := oracle.Azure(t)
	f := newFront(t, store)
	s := sinkAt(t, store, f.addr(), &azure.Options{PartSize: 64 << 10})
	for _, test := range []struct {
		status       int
		code, detail string
		date         time.Duration
		is           error
		want         string
	}{
		{status: 403, code: "AuthenticationFailed", detail: "The MAC signature found in the HTTP request 's3cr3t' is not the same", is: fs.ErrPermission, want: "key or the SAS token is wrong"},
		{status: 403, code: "AuthenticationFailed", detail: "Request date header too old: 'Mon, 01 Jan 2024'", is: fs.ErrPermission, want: "clock may be off"},
		{status: 403, code: "AuthenticationFailed", date: -time.Hour, is: fs.ErrPermission, want: "differs from the store's by 1h0m"},
		{status: 403, code: "AuthenticationFailed", detail: "Signature not valid in the specified time frame", is: fs.ErrPermission, want: "SAS token has expired"},
		{status: 403, code: "AuthorizationFailure", is: fs.ErrPermission, want: "network rules"},
		{status: 403, code: "AuthorizationPermissionMismatch", is: fs.ErrPermission, want: "Storage Blob Data Contributor"},
		{status: 401, code: "InvalidAuthenticationInfo", is: fs.ErrPermission, want: "expired"},
		{status: 403, code: "KeyBasedAuthenticationNotPermitted", is: fs.ErrPermission, want: "refused"},
		{status: 409, code: "BlobImmutableDueToPolicy", is: fs.ErrPermission, want: "locked until"},
		{status: 409, code: "BlobArchived", want: "Archive tier"},
		{status: 409, code: "BlobUsesCustomerSpecifiedEncryption", want: "customer key"},
		{status: 400, code: "InvalidBlobOrBlock", want: "another program"},
		{status: 503, code: "ServerBusy", want: "busy"},
		{status: 404, code: "ResourceNotFound", want: "404 ResourceNotFound (request req-1)"},
	} {
		f.onRequest(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Date", time.Now().Add(test.date).UTC().Format(http.TimeFormat))
			refuse(w, test.status, test.code, test.detail)
			return true
		})
		_, err := s.Get(t.Context(), "x")
		var response *azcore.ResponseError
		var wrapped *remote.Error
		if !errors.As(err, &response) || response.ErrorCode != test.code || !errors.As(err, &wrapped) || wrapped.Op != "get" {
			t.Errorf("%s: the chain lacks an error: %v", test.code, err)
		}
		if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the text is %v", test.code, err)
		}
		for _, is := range []error{fs.ErrPermission, fs.ErrNotExist, fs.ErrExist} {
			if errors.Is(err, is) != (is == test.is) {
				t.Errorf("%s: being %v is %v", test.code, is, errors.Is(err, is))
			}
		}
	}
}

// TestForeignError passes the error of a reader that is itself a sink of
// Azure's, as in a copy from one to another.
func TestForeignError(t *testing.T) {
	store := oracle.Azure(t)
	s := sinkAt(t, store, store.Addr, nil)
	foreign := &azcore.ResponseError{ErrorCode: "ConditionNotMet", StatusCode: http.StatusForbidden}
	r := readFunc(func([]byte) (int, error) { return 0, foreign })
	for _, put := range []func(context.Context, string, io.Reader, *remote.PutOptions) (remote.Object, error){s.Put, s.PutExclusive} {
		_, err := put(t.Context(), "x", r, nil)
		if !errors.Is(err, foreign) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrExist) {
			t.Errorf("the reader's error is taken for the store's: %v", err)
		}
	}
}
