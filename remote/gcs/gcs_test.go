package gcs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
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
	t.Parallel()
	for name, opts := range map[string]gcs.Options{
		"default":     {},
		"small parts": {PartSize: 1 << 20, InFlight: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := remotetest.TestSink(t.Context(), open(t, bucket(t), opts), remotetest.LargeObject(20<<20)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Sinks below prefixes do not see each other, nor what is not theirs.
func TestPrefix(t *testing.T) {
	t.Parallel()
	name := bucket(t)
	all, a, ab := open(t, name, gcs.Options{}), open(t, name, gcs.Options{Prefix: "a"}), open(t, name, gcs.Options{Prefix: "a/b c"})
	mustPut(t, ab, "x/1", []byte("ab"))
	mustPut(t, a, "x", []byte("a"))
	mustPut(t, all, "ab", []byte("all"))
	mustHold(t, all, "a/b c/x/1", []byte("ab"))
	mustHold(t, a, "b c/x/1", []byte("ab"))
	mustList(t, ab, "x/1")
	mustList(t, a, "b c/x/1", "x")
	mustList(t, all, "a/b c/x/1", "a/x", "ab")
	if err := ab.Delete(t.Context(), "x"); err != nil {
		t.Error(err)
	}
	mustList(t, a, "b c/x/1", "x")
	if got := ab.String(); got != "gs://"+name+"/a/b c" {
		t.Errorf("it is %s", got)
	}
	if _, err := ab.Stat(t.Context(), strings.Repeat("n", remote.MaxName-5)); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := ab.Stat(t.Context(), strings.Repeat("n", remote.MaxName-6)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the longest name: %v", err)
	}
}

// Objects that others put there under names that are none are not listed.
func TestForeignNames(t *testing.T) {
	t.Parallel()
	name := bucket(t)
	b := client(t).Bucket(name)
	for _, object := range []string{"p/ok", "p/sub/ok", "p/", "p/sub/", "p/../x", "p/a//b", "p//b", "p/.hidden", "p/.h/x", `p/a\b`, "px"} {
		w := b.Object(object).NewWriter(t.Context())
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	sink := open(t, name, gcs.Options{Prefix: "p"})
	mustList(t, sink, "ok", "sub/ok")
	var level []string
	for obj, err := range sink.ListLevel(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		level = append(level, obj.Name)
	}
	// That there is nothing of ours below a/, the store does not tell.
	if want := []string{"a/", "ok", "sub/"}; !slices.Equal(level, want) {
		t.Errorf("got %q, want %q", level, want)
	}
}

// A listing of many pages is one, in order.
func TestPages(t *testing.T) {
	t.Parallel()
	f := newFront(t)
	f.before = func(_ http.ResponseWriter, r *http.Request) bool {
		r.URL.RawQuery += "&maxResults=3"
		return false
	}
	name := bucket(t)
	behind := open(t, name, gcs.Options{})
	var want []string
	for i := range 10 {
		want = append(want, fmt.Sprintf("%c/%d", 'a'+i%5, i))
		mustPut(t, behind, want[i], nil)
	}
	slices.Sort(want)
	mustList(t, open(t, name, gcs.Options{Endpoint: f.URL}), want...)
	if n := len(f.requests(func(r *http.Request) bool { return true })); n != 4 {
		t.Errorf("%d requests", n)
	}
}

// A program's own client does as well, whichever API it reads by.
func TestConformanceNew(t *testing.T) {
	t.Parallel()
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
