package restore_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/restore"
)

// A foreign key to a table that comes with an extension names the extension
// alone, and yet must wait for the table's rows, however late they come.
func TestForeignKeyToExtensionTable(t *testing.T) {
	srv := oracle.Server(t, 15)
	i := slices.IndexFunc(oracle.Databases, func(b oracle.Builder) bool { return b.Name == "configuration" })
	source, sink := oracle.Databases[i].Build(t, srv), folder(t)
	set := take(t, sink, source, "none")
	contents, err := (&restore.Restorer{Sink: sink}).Contents(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	late := map[string]bool{}
	for _, table := range contents.Tables {
		for _, object := range table.Objects {
			late[object] = table.Schema == "conf"
		}
	}
	slow := &remotetest.Faulty{RemoteSink: sink, OnGet: func(_ context.Context, name string, r io.Reader) (io.Reader, error) {
		if late[strings.TrimPrefix(name, set.ID+"/")] {
			time.Sleep(time.Second) // long enough to add the key in
		}
		return r, nil
	}}
	bringBack(t, slow, set, srv)
}
