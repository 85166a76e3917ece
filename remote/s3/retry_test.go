package s3_test

import (
	"bytes"
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
