package backup_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// settings backs up what is no database: a program's settings, by name.
type settings map[string]string

var _ backup.Source = settings(nil)

func (s settings) SourceName() string { return "settings" }

func (s settings) Backup(ctx context.Context, w *backup.Writer) error {
	if err := w.Begin(manifest.Configs); err != nil {
		return err
	}
	for name, value := range s {
		_, err := w.Put(ctx, name, func(out io.Writer) error {
			_, err := io.WriteString(out, value)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// A source of one's own has the guarantees of all others: the set exists when
// every object is stored and was read back, or not at all.
func ExampleSource() {
	folder, err := os.MkdirTemp("", "pgcofre-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	sink, err := remote.NewDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	src := settings{"app.toml": "port = 8080\n", "mail.toml": "from = 'x@example.com'\n"}
	set, err := backup.Run(context.Background(), sink, src, &backup.Options{Compression: "none"})
	if err != nil {
		log.Fatal(err)
	}
	for _, obj := range set.Objects {
		fmt.Println(obj.Name, obj.Size)
	}
	// Output:
	// app.toml 12
	// mail.toml 23
}
