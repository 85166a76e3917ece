package gcs_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
)

// A program that has a client, with credentials, tracing and limits of its
// own, keeps them.
func ExampleNew() {
	ctx := context.Background()
	client, err := storage.NewClient(ctx,
		option.WithoutAuthentication(), // for this example, which sends nothing
		option.WithHTTPClient(&http.Client{Transport: remote.NewTransport(nil)}))
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	sink, err := gcs.New(client, "my-backups", &gcs.Options{Prefix: "db1", StorageClass: "NEARLINE"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sink)
	// Output: gs://my-backups/db1
}

// A URL says all, so that it can come from a flag or a file.
func ExampleOpenURL() {
	u, err := url.Parse("gs://my-backups/db1?class=NEARLINE")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	sink, err := gcs.OpenURL(ctx, u)
	if err != nil {
		log.Fatal(err)
	}
	obj, err := sink.Put(ctx, "greeting", strings.NewReader("good morning"), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(obj.Size, obj.Checked)
}

// An emulator on plain http is asked without credentials.
func ExampleOpen_emulator() {
	sink, err := gcs.Open(context.Background(), "test", &gcs.Options{Endpoint: "http://127.0.0.1:4443"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sink)
	// Output: gs://test
}
