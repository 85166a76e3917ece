package remote_test

import (
	"testing"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func newDir(t testing.TB) *remote.Dir {
	t.Helper()
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDir(t *testing.T) {
	if err := remotetest.TestSink(t.Context(), newDir(t)); err != nil {
		t.Fatal(err)
	}
}
