package gcs_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// client is the SDK's, for what a test does behind the sink's back.
func client(t testing.TB) *storage.Client {
	t.Helper()
	c, err := storage.NewClient(t.Context(), option.WithoutAuthentication(),
		option.WithEndpoint(oracle.GCS(t).URL+"/storage/v1/"), option.WithHTTPClient(&http.Client{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// bucket makes an empty bucket.
func bucket(t testing.TB) string {
	t.Helper()
	name := "test-" + strings.ToLower(rand.Text())
	if err := client(t).Bucket(name).Create(t.Context(), "project", nil); err != nil {
		t.Fatal(err)
	}
	return name
}

// open opens a sink in a bucket; opts say where and how.
func open(t testing.TB, bucket string, opts gcs.Options) *gcs.Sink {
	t.Helper()
	if opts.Endpoint == "" {
		opts.Endpoint = oracle.GCS(t).URL
	}
	sink, err := gcs.Open(t.Context(), bucket, &opts)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func TestConformance(t *testing.T) {
	for name, opts := range map[string]gcs.Options{
		"default":     {},
		"small parts": {PartSize: 256 << 10, InFlight: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := remotetest.TestSink(t.Context(), open(t, bucket(t), opts), remotetest.LargeObject(20<<20)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A program's own client does as well, whichever API it reads by.
func TestConformanceNew(t *testing.T) {
	sink, err := gcs.New(client(t), bucket(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := remotetest.TestSink(t.Context(), sink, remotetest.LargeObject(20<<20)); err != nil {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	c, err := remotetest.Probe(context.Background(), open(t, bucket(t), gcs.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Ranges || !c.Stat || !c.Exclusive || !c.Levels || !c.Versions || c.Sweep {
		t.Errorf("got %+v", c)
	}
}
