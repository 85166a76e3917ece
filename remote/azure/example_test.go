package azure_test

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/assist-move-assist/pgcofre/remote/azure"
)

// A program with credentials, an HTTP client or tracing of its own brings its
// client of the SDK.
func ExampleNew() {
	cred, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		log.Fatal(err)
	}
	client, err := azblob.NewClient("https://account1.blob.core.windows.net/", cred, nil)
	if err != nil {
		log.Fatal(err)
	}
	sink, err := azure.New(client, "backups", &azure.Options{
		Prefix: "db1",
		Tier:   blob.AccessTierCool,
		Lock: &azure.Lock{ // for 30 days, whoever holds the credentials
			Mode:  blob.ImmutabilityPolicySettingLocked,
			Until: func() time.Time { return time.Now().AddDate(0, 0, 30) },
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sink)
	// Output: azblob://backups/db1
}

// A program that reads its sinks from a configuration opens them by URL, with
// AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY set, say.
func ExampleOpenURL() {
	u, err := url.Parse("azblob://backups/db1?tier=Cool")
	if err != nil {
		log.Fatal(err)
	}
	sink, err := azure.OpenURL(context.Background(), u)
	if err != nil {
		log.Fatal(err)
	}
	for obj, err := range sink.List(context.Background(), "full/") {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(obj.Name, obj.Size)
	}
}
