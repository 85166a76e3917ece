package s3_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// newClient is a program's own client for a store.
func newClient(t testing.TB, store *oracle.Store, change ...func(*sdk.Options)) *sdk.Client {
	t.Helper()
	var roots *x509.CertPool
	if store.CAFile != "" {
		pem, err := os.ReadFile(store.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		roots = x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
	}
	return sdk.New(sdk.Options{
		Region: store.Region, BaseEndpoint: &store.URL, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, ""),
		HTTPClient:  &http.Client{Transport: remote.NewTransport(&remote.TransportOptions{RootCAs: roots})},
	}, change...)
}

// withoutIfNoneMatch makes a client's requests say nothing of conditions.
func withoutIfNoneMatch(o *sdk.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("withoutIfNoneMatch", func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			in.Request.(*smithyhttp.Request).Header.Del("If-None-Match")
			return next.HandleBuild(ctx, in)
		}), middleware.After)
	})
}

// newBucket makes a bucket.
func newBucket(t testing.TB, store *oracle.Store, lock bool) string {
	t.Helper()
	bucket := "test-" + strings.ToLower(rand.Text())
	_, err := newClient(t, store).CreateBucket(t.Context(), &sdk.CreateBucketInput{Bucket: &bucket, ObjectLockEnabledForBucket: aws.Bool(lock)})
	if err != nil {
		t.Fatal(err)
	}
	return bucket
}

// open opens a bucket as a program does that brings no client: with
// credentials from the environment.
func open(t testing.TB, store *oracle.Store, bucket string, opts *s3.Options) *s3.Sink {
	t.Helper()
	return openWithToken(t, store, bucket, "", opts)
}

// openWithToken opens a bucket with temporary credentials.
func openWithToken(t testing.TB, store *oracle.Store, bucket, token string, opts *s3.Options) *s3.Sink {
	t.Helper()
	setenv(t, store.AccessKey, store.SecretKey, token)
	var o s3.Options
	if opts != nil {
		o = *opts
	}
	o.Endpoint, o.Region, o.PathStyle, o.CAFile = store.URL, store.Region, true, store.CAFile
	sink, err := s3.Open(t.Context(), bucket, &o)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// setenv makes the environment hold these credentials and nothing else of AWS.
func setenv(t testing.TB, key, secret, token string) {
	t.Helper()
	for _, v := range []string{"AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "AWS_MAX_ATTEMPTS"} {
		t.Setenv(v, "")
	}
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ACCESS_KEY_ID", key)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", token)
}
