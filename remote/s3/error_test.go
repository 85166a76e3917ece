package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// calls makes one call of each method.
func calls(ctx context.Context, sink *s3.Sink) map[string]error {
	errs := map[string]error{"delete": sink.Delete(ctx, "x")}
	_, errs["put"] = sink.Put(ctx, "x", strings.NewReader("x"), nil)
	_, errs["exclusive put"] = sink.PutExclusive(ctx, "x", strings.NewReader("x"), nil)
	_, errs["large put"] = sink.Put(ctx, "x", strings.NewReader(strings.Repeat("x", 9<<20)), nil)
	_, errs["get"] = sink.Get(ctx, "x")
	_, errs["stat"] = sink.Stat(ctx, "x")
	_, errs["sweep"] = sink.Sweep(ctx, time.Now())
	for _, err := range sink.List(ctx, "") {
		errs["list"] = err
	}
	return errs
}

// kind is what an error counts as.
func kind(err error) error {
	for _, k := range []error{fs.ErrNotExist, fs.ErrPermission, fs.ErrExist, fs.ErrInvalid, remote.ErrNoStore, context.DeadlineExceeded} {
		if errors.Is(err, k) {
			return k
		}
	}
	return nil
}

// TestBadInput calls every method of sinks that cannot work.
func TestBadInput(t *testing.T) {
	store := oracle.S3(t)
	secure := oracle.S3TLS(t)
	bucket := newBucket(t, store, false)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	deaf := *store
	deaf.URL = "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*oracle.Store)) *oracle.Store {
		changed := *store
		change(&changed)
		return &changed
	}
	refused := func(status int, code, message string) *oracle.Store {
		return front{answer: func(r *http.Request) *http.Response {
			resp := refusal(status, code, message)
			resp.Header.Set("Date", time.Now().Add(-2*time.Hour).UTC().Format(http.TimeFormat))
			resp.Header.Set("X-Amz-Bucket-Region", "eu-west-9")
			if r.Method == http.MethodHead {
				resp.Body = http.NoBody
			}
			return resp
		}}.before(t, store)
	}
	for _, tt := range []struct {
		name   string
		store  *oracle.Store
		bucket string
		token  string
		kind   error
		text   string
	}{
		{name: "no bucket", store: store, bucket: "no-such-bucket", kind: remote.ErrNoStore, text: `there is no bucket "no-such-bucket"`},
		{name: "unknown access key", store: with(func(s *oracle.Store) { s.AccessKey = "AKIAUNKNOWN" }), kind: fs.ErrPermission, text: "does not know the access key"},
		{name: "wrong secret key", store: with(func(s *oracle.Store) { s.SecretKey = "wrong-secret" }), kind: fs.ErrPermission, text: "AWS_SECRET_ACCESS_KEY"},
		{name: "bad token", store: store, token: "some-session-token", kind: fs.ErrPermission, text: "AWS_SESSION_TOKEN"},
		{name: "wrong region", store: with(func(s *oracle.Store) { s.Region = "eu-north-1" }), text: `the region is "eu-north-1", and the bucket's is`},
		{name: "wrong region, named", store: refused(http.StatusMovedPermanently, "PermanentRedirect", "Elsewhere."), text: "eu-west-9: set Options.Region"},
		{name: "expired token", store: refused(http.StatusBadRequest, "ExpiredToken", "Expired."), kind: fs.ErrPermission, text: "have expired"},
		{name: "clock", store: refused(http.StatusForbidden, "RequestTimeTooSkewed", "Too large."), text: "off by 2h0m"},
		{name: "archived", store: refused(http.StatusForbidden, "InvalidObjectState", "Archived."), text: "archive class"},
		{name: "nobody there", store: &deaf, text: "the endpoint cannot be reached"},
		{name: "no such host", store: with(func(s *oracle.Store) { s.URL = "http://no-such-host.invalid" }), text: "the endpoint cannot be reached"},
		{name: "unknown authority", store: with(func(s *oracle.Store) { s.URL = secure.URL }), text: "Options.CAFile"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.bucket == "" {
				tt.bucket = bucket
			}
			sink := openWithToken(t, tt.store, tt.bucket, tt.token, nil)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for call, err := range calls(ctx, sink) {
				e := (*remote.Error)(nil)
				if !errors.As(err, &e) || e.Sink != sink.String() || kind(err) != tt.kind || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("%s: %v", call, err)
				}
				secrets(t, err, tt.store, tt.token)
			}
		})
	}
}

// secrets looks for credentials in the text of an error.
func secrets(t testing.TB, err error, store *oracle.Store, token string) {
	t.Helper()
	for _, secret := range []string{store.AccessKey, store.SecretKey, token, "Signature=", "Credential="} {
		if secret != "" && strings.Contains(fmt.Sprintf("%v %+v", err, err), secret) {
			t.Errorf("%q is in: %v", secret, err)
		}
	}
}

// TestErrorChain asks for what is not there, and for the SDK's error.
func TestErrorChain(t *testing.T) {
	store := oracle.S3(t)
	sink := open(t, store, newBucket(t, store, false), nil)
	_, err := sink.Get(t.Context(), "x")
	if api := smithy.APIError(nil); !errors.As(err, &api) || api.ErrorCode() != "NoSuchKey" || !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestReadOnly has credentials that may list and read.
func TestReadOnly(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	if _, err := open(t, store, bucket, nil).Put(t.Context(), "there", strings.NewReader("x"), nil); err != nil {
		t.Fatal(err)
	}
	policy := fmt.Sprintf(`{"Statement": [
		{"Effect": "Allow", "Principal": {"AWS": [%[1]q]}, "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::%[2]s"},
		{"Effect": "Allow", "Principal": {"AWS": [%[1]q]}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%[2]s/*"}]}`, store.UserKey, bucket)
	if _, err := newClient(t, store).PutBucketPolicy(t.Context(), &sdk.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	user := *store
	user.AccessKey, user.SecretKey = store.UserKey, store.UserSecret
	sink := open(t, &user, bucket, nil)
	errs := calls(t.Context(), sink)
	for _, call := range []string{"put", "exclusive put", "large put", "delete"} {
		if err := errs[call]; !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: %v", call, err)
		}
		secrets(t, errs[call], &user, "")
	}
	for _, call := range []string{"get", "stat"} {
		if err := errs[call]; !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s of what is not there: %v", call, err)
		}
	}
	if _, err := sink.Stat(t.Context(), "there"); err != nil || errs["list"] != nil {
		t.Errorf("%v, %v", err, errs["list"])
	}
}

func TestNoCredentials(t *testing.T) {
	store := oracle.S3(t)
	setenv(t, "", "", "")
	sink, err := s3.Open(t.Context(), "bucket", &s3.Options{Endpoint: store.URL, PathStyle: true})
	if err == nil {
		_, err = sink.Stat(t.Context(), "x")
	}
	if err == nil || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Error(err)
	}
}
