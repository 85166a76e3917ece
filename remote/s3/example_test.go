package s3_test

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// A program that already has a client for S3 keeps it, with its credentials,
// HTTP client, tracing and retries.
func ExampleNew() {
	cfg, err := config.LoadDefaultConfig(context.Background(), config.WithRegion("sa-east-1"))
	if err != nil {
		log.Fatal(err)
	}
	client := sdk.NewFromConfig(cfg, func(o *sdk.Options) {
		o.Retryer = retry.AddWithMaxAttempts(retry.NewStandard(), 10)
		o.AppID = "billing"
	})
	sink, err := s3.New(client, "backups", &s3.Options{
		Prefix:       "billing/production",
		StorageClass: "STANDARD_IA",
		Lock:         &s3.Lock{Mode: "COMPLIANCE", Until: func() time.Time { return time.Now().AddDate(0, 0, 35) }},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sink)
	// Output: s3://backups/billing/production
}

// Where the backups go is a line of the configuration. A program switches on the
// scheme, and links only the SDKs that it chose.
func ExampleOpenURL() {
	u, err := url.Parse("s3://backups/billing?endpoint=https://minio.example.com:9000&path_style=1&class=STANDARD_IA")
	if err != nil {
		log.Fatal(err)
	}
	switch u.Scheme {
	case "s3":
		sink, err := s3.OpenURL(context.Background(), u)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(sink)
	default:
		log.Fatalf("%s: no such kind of sink", u.Scheme)
	}
	// Output: s3://backups/billing
}

// A store of one's own.
func ExampleOpen() {
	sink, err := s3.Open(context.Background(), "backups", &s3.Options{
		Endpoint:  "https://10.0.0.7:7070",
		Region:    "us-east-1",
		PathStyle: true,
		PartSize:  16 << 20,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(sink)
	// Output: s3://backups
}
