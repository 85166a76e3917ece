package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
)

func ExampleDir() {
	folder, err := os.MkdirTemp("", "backups")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	ctx := context.Background()
	sink, err := remote.NewDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"full/1/toc.dat", "full/1/manifest.json", "full/2/toc.dat"} {
		if _, err := sink.Put(ctx, name, strings.NewReader("content of "+name), nil); err != nil {
			log.Fatal(err)
		}
	}
	for obj, err := range sink.List(ctx, "full/1/") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(obj.Name, obj.Size)
	}
	_, err = sink.Get(ctx, "full/2/manifest.json")
	fmt.Println("no such object:", errors.Is(err, fs.ErrNotExist))
	// Output:
	// full/1/manifest.json 31
	// full/1/toc.dat 25
	// no such object: true
}

// A sink's optional interfaces are used where it has them: ask the function.
func ExampleGetRange() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "backups")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	sink, err := remote.NewDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := sink.Put(ctx, "greeting", strings.NewReader("good morning"), nil); err != nil {
		log.Fatal(err)
	}
	rc, err := remote.GetRange(ctx, sink, "greeting", 5, -1)
	if err != nil {
		log.Fatal(err)
	}
	defer rc.Close()
	text, err := io.ReadAll(rc)
	fmt.Println(string(text), err)
	// Output: morning <nil>
}

// One level is enough to see which sets there are.
func ExampleListLevel() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "backups")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	sink, err := remote.NewDir(folder)
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"full/1/a", "full/1/b", "full/2/a", "full/readme.txt"} {
		if _, err := sink.Put(ctx, name, strings.NewReader("x"), nil); err != nil {
			log.Fatal(err)
		}
	}
	for obj, err := range remote.ListLevel(ctx, sink, "full/") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(obj.Name)
	}
	// Output:
	// full/1/
	// full/2/
	// full/readme.txt
}
