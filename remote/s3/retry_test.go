package s3_test

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// TestThrottled stores to and reads from a store that refuses the first requests
// of each kind.
func TestThrottled(t *testing.T) {
	for name, refuse := range map[string]func() *http.Response{
		"503": func() *http.Response {
			return refusal(http.StatusServiceUnavailable, "SlowDown", "Reduce your request rate.")
		},
		"429": func() *http.Response { return refusal(http.StatusTooManyRequests, "TooManyRequests", "Slower.") },
		"500": func() *http.Response { return refusal(http.StatusInternalServerError, "InternalError", "Try again.") },
	} {
		t.Run(name, func(t *testing.T) {
			store := oracle.S3(t)
			bucket := newBucket(t, store, false)
			var asked atomic.Int64
			throttled := front{answer: func(r *http.Request) *http.Response {
				if n := asked.Add(1); n == 1 || n == 4 {
					resp := refuse()
					resp.Header.Set("X-Amz-Retry-After", "1")
					return resp
				}
				return nil
			}}.before(t, store)
			sink := open(t, throttled, bucket, nil)
			obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(17<<20)), nil)
			if err != nil || !obj.Checked {
				t.Errorf("%+v, %v", obj, err)
			}
			if asked.Load() < 8 {
				t.Errorf("asked %d times", asked.Load())
			}
		})
	}
}

// TestListingCutShort lists through a connection that ends within the first
// answer.
func TestListingCutShort(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	var listings atomic.Int64
	cutting := front{alter: func(resp *http.Response) {
		if resp.Request.Method == http.MethodGet && listings.Add(1) == 1 {
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(resp.Body, 100), resp.Body}
		}
	}}.before(t, store)
	sink := open(t, cutting, bucket, nil)
	if _, err := sink.Put(t.Context(), "x", bytes.NewReader(nil), nil); err != nil {
		t.Fatal(err)
	}
	var names []string
	for obj, err := range sink.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, obj.Name)
	}
	if len(names) != 1 || listings.Load() != 2 {
		t.Errorf("%q after %d requests", names, listings.Load())
	}
}
