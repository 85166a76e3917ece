package s3_test

import (
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func TestSink(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *oracle.Store{"http": oracle.S3, "https": oracle.S3TLS} {
		t.Run(name, func(t *testing.T) {
			store := start(t)
			sink := open(t, store, newBucket(t, store, false), nil)
			if err := remotetest.TestSink(t.Context(), sink, remotetest.LargeObject(20<<20)); err != nil {
				t.Error(err)
			}
		})
	}
}
