package backup_test

import (
	"maps"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// TestCopyCatchesUp: a store that dies in the middle of a run with copies holds
// nothing up and lists nothing; Sync then makes it equal.
func TestCopyCatchesUp(t *testing.T) {
	source, store := oracle.Database(t, oracle.Server(t, 15), noise), oracle.S3(t)
	c := inS3(t, "S3", store)
	p, direct, dir := oracle.Proxy(t, c.addr), c.sink(t, c.addr, "copies"), folder(t)
	// A client of the program's own, which gives up soon.
	copies, err := s3.New(awss3.New(awss3.Options{
		Region: store.Region, BaseEndpoint: aws.String("http://" + p.Addr), UsePathStyle: true, RetryMaxAttempts: 2,
		Credentials: credentials.NewStaticCredentialsProvider(store.AccessKey, store.SecretKey, ""),
		HTTPClient:  &http.Client{Transport: remote.NewTransport(nil)},
	}), c.url.Host, &s3.Options{Prefix: "copies"})
	if err != nil {
		t.Fatal(err)
	}
	res, err := backup.Run(t.Context(), dir, &backup.Dumper{Config: oracle.Config(t, source)}, &backup.Options{
		Copies: []remote.RemoteSink{atMiB(copies, sync.OnceFunc(p.Down))},
	})
	if err != nil || res.Committed() != 1 || res.Copies[1].Err == nil || len(res.Warnings) != 1 {
		t.Fatalf("%+v, %v", res, err)
	}
	awaitNoBackend(t, source)
	intact(t, dir, res.Manifest)
	if inventory, err := manifest.Scan(t.Context(), direct, nil); err != nil || len(inventory.Sets)+len(inventory.Damaged) > 0 {
		t.Errorf("the store that died lists a set: %+v, %v", inventory, err)
	}
	done, err := manifest.Sync(t.Context(), dir, direct, nil)
	if err != nil || done.Count(manifest.SyncCopied) != 1 {
		t.Errorf("Sync: %+v, %v", done, err)
	}
	if !maps.Equal(content(t, dir), content(t, direct)) {
		t.Error("the sinks differ after Sync")
	}
	intact(t, direct, res.Manifest)
}
