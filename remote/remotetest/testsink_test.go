package remotetest_test

import (
	"testing"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func TestMem(t *testing.T) {
	if err := remotetest.TestSink(t.Context(), remotetest.NewMem(), remotetest.LargeObject(16<<20)); err != nil {
		t.Fatal(err)
	}
}

// TestFallbacks runs the suite on a sink that has the four methods alone.
func TestFallbacks(t *testing.T) {
	sink := &remotetest.Faulty{RemoteSink: remotetest.NewMem()}
	if _, ok := remote.RemoteSink(sink).(remote.Stater); ok {
		t.Fatal("Faulty is a Stater: this test needs a sink without")
	}
	if err := remotetest.TestSink(t.Context(), sink, remotetest.LargeObject(1<<20)); err != nil {
		t.Fatal(err)
	}
}
