package backup_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/azure"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// cloud is an object store with a bucket in it.
type cloud struct {
	name string
	addr string            // host:port, for a proxy
	url  url.URL           // of a sink there, with an endpoint
	env  map[string]string // with the credentials
}

// clouds are all kinds of stores, each with a new bucket.
func clouds(t *testing.T) []*cloud {
	t.Helper()
	return []*cloud{inS3(t, "S3", oracle.S3(t)), inS3(t, "S3 TLS", oracle.S3TLS(t)), inGCS(t), inAzure(t)}
}

// newBucket is a name for a bucket.
func newBucket() string { return "test-" + strings.ToLower(rand.Text()) }

func inS3(t *testing.T, name string, store *oracle.Store) *cloud {
	t.Helper()
	bucket := newBucket()
	var transport remote.TransportOptions
	if store.CAFile != "" {
		text, err := os.ReadFile(store.CAFile)
		if err != nil {
			t.Fatal(err)
		}
		transport.RootCAs = x509.NewCertPool()
		transport.RootCAs.AppendCertsFromPEM(text)
	}
	web := &http.Client{Transport: remote.NewTransport(&transport)}
	defer web.CloseIdleConnections()
	client := awss3.New(awss3.Options{
		Region: store.Region, BaseEndpoint: &store.URL, UsePathStyle: true, HTTPClient: web,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, ""),
	})
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	query := url.Values{"endpoint": {store.URL}, "region": {store.Region}, "path_style": {"1"}}
	if store.CAFile != "" {
		query.Set("ca_file", store.CAFile)
	}
	return &cloud{
		name: name, addr: store.Addr,
		url: url.URL{Scheme: "s3", Host: bucket, RawQuery: query.Encode()},
		env: map[string]string{
			"AWS_ACCESS_KEY_ID": store.AccessKey, "AWS_SECRET_ACCESS_KEY": store.SecretKey,
			"AWS_SESSION_TOKEN": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		},
	}
}

func inGCS(t *testing.T) *cloud {
	t.Helper()
	store, bucket := oracle.GCS(t), newBucket()
	resp, err := http.Post(store.URL+"/storage/v1/b", "application/json", strings.NewReader(`{"name": "`+bucket+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("create a bucket: %s", resp.Status)
	}
	return &cloud{
		name: "GCS", addr: store.Addr,
		url: url.URL{Scheme: "gs", Host: bucket, RawQuery: url.Values{"endpoint": {store.URL}}.Encode()},
	}
}

func inAzure(t *testing.T) *cloud {
	t.Helper()
	store, container := oracle.Azure(t), newBucket()
	endpoint := store.URL + "/" + store.AccessKey
	key, err := azblob.NewSharedKeyCredential(store.AccessKey, store.SecretKey)
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Client{Transport: remote.NewTransport(nil)}
	defer web.CloseIdleConnections()
	var opts azblob.ClientOptions
	opts.Transport = web
	client, err := azblob.NewClientWithSharedKeyCredential(endpoint+"/", key, &opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateContainer(t.Context(), container, nil); err != nil {
		t.Fatal(err)
	}
	return &cloud{
		name: "Azure", addr: store.Addr,
		url: url.URL{Scheme: "azblob", Host: container, RawQuery: url.Values{"endpoint": {endpoint}}.Encode()},
		env: map[string]string{
			"AZURE_STORAGE_ACCOUNT": store.AccessKey, "AZURE_STORAGE_KEY": store.SecretKey,
			"AZURE_STORAGE_SAS_TOKEN": "", "AZURE_STORAGE_CONNECTION_STRING": "",
		},
	}
}

// set gives the URL a parameter, or none of that name for "".
func (c *cloud) set(name, value string) {
	query := c.url.Query()
	query.Set(name, value)
	if value == "" {
		query.Del(name)
	}
	c.url.RawQuery = query.Encode()
}

// sink opens the part of the bucket below a prefix, at the address of the store
// or of a proxy before it. It sets the environment: no parallel test may.
func (c *cloud) sink(t *testing.T, addr, prefix string) remote.RemoteSink {
	t.Helper()
	for name, value := range c.env {
		t.Setenv(name, value)
	}
	at := *c
	at.set("endpoint", strings.Replace(c.url.Query().Get("endpoint"), c.addr, addr, 1))
	at.url.Path = "/" + prefix
	sink, err := openURL(t.Context(), &at.url)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

// openURL opens a sink as programs do.
func openURL(ctx context.Context, u *url.URL) (remote.RemoteSink, error) {
	switch u.Scheme {
	case "s3":
		return s3.OpenURL(ctx, u)
	case "gs":
		return gcs.OpenURL(ctx, u)
	default:
		return azure.OpenURL(ctx, u)
	}
}
