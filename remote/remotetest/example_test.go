package remotetest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// Test your own sink in one call.
func ExampleTestSink() {
	sink := remotetest.NewMem()
	err := remotetest.TestSink(context.Background(), sink, remotetest.LargeObject(1<<20))
	fmt.Println(err)
	// Output: <nil>
}

// A source that breaks in the middle of an upload.
func ExampleFaulty() {
	sink := &remotetest.Faulty{
		RemoteSink: remotetest.NewMem(),
		OnPut: func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
			return remotetest.FailAfter(r, 4, errors.New("connection reset")), nil
		},
	}
	_, err := sink.Put(context.Background(), "full/1/toc.dat", strings.NewReader("content"), nil)
	fmt.Println(err)
	// Output: put "full/1/toc.dat" in memory: connection reset
}
