package s3_test

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote/s3"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		url    string
		bucket string
		want   s3.Options
		lock   string // mode
		days   int
	}{
		{url: "s3://bucket", bucket: "bucket"},
		{url: "s3://bucket/", bucket: "bucket"},
		{url: "s3://bucket/a/b%20c/", bucket: "bucket", want: s3.Options{Prefix: "a/b c"}},
		{
			url:    "s3://bucket/a?endpoint=https://h:1&region=r&path_style=1&ca_file=/c&class=STANDARD_IA&sse=aws:kms&kms_key=k&part_size=5242880&in_flight=2",
			bucket: "bucket",
			want: s3.Options{Prefix: "a", Endpoint: "https://h:1", Region: "r", PathStyle: true, CAFile: "/c", StorageClass: "STANDARD_IA",
				SSE: "aws:kms", KMSKeyID: "k", PartSize: 5 << 20, InFlight: 2},
		},
		{url: "s3://bucket?lock_days=35", bucket: "bucket", lock: "GOVERNANCE", days: 35},
		{url: "s3://bucket?lock_days=1&lock_mode=COMPLIANCE", bucket: "bucket", lock: "COMPLIANCE", days: 1},
	} {
		u, err := url.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		bucket, opts, err := s3.Parse(u)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if lock := opts.Lock; (lock != nil) != (tt.lock != "") {
			t.Errorf("%s: lock %v", tt.url, lock)
		} else if lock != nil {
			if day := time.Until(lock.Until()) - time.Duration(tt.days)*24*time.Hour; lock.Mode != tt.lock || day.Abs() > 2*time.Hour {
				t.Errorf("%s: locked %s until %s", tt.url, lock.Mode, lock.Until())
			}
		}
		opts.Lock = nil
		if bucket != tt.bucket || *opts != tt.want {
			t.Errorf("%s: %q, %+v", tt.url, bucket, *opts)
		}
	}
}

func TestOpenURL(t *testing.T) {
	setenv(t, "key", "hidden-secret", "")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"s3://bucket/a?region=r":                                        "s3://bucket/a",
		"s3://bucket?endpoint=http://127.0.0.1:1":                       "s3://bucket",
		"s3://bucket":                                                   "no region is known",
		"gs://bucket":                                                   "a sink's URL is s3://",
		"s3:bucket":                                                     "a sink's URL is s3://",
		"s3:///prefix?region=r":                                         "a sink's URL is s3://",
		"s3://bucket/a//b?region=r":                                     "empty element",
		"s3://bucket/../b?region=r":                                     "begins with a dot",
		"s3://bucket?Region=r":                                          `no parameter "Region": known are ca_file, class, endpoint,`,
		"s3://bucket?region=r&region=s":                                 "region is given 2 times",
		"s3://bucket?region=r&path_style=perhaps":                       "path_style",
		"s3://bucket?region=r&part_size=8MiB":                           "part_size",
		"s3://bucket?region=r&part_size=1000":                           "5 MiB to 320 MiB",
		"s3://bucket?region=r&in_flight=-1":                             "-1 parts in flight",
		"s3://bucket?region=r&sse=rot13":                                `server-side encryption "rot13"`,
		"s3://bucket?region=r&kms_key=k":                                "needs server-side encryption aws:kms",
		"s3://bucket?region=r&lock_days=0":                              "lock_days",
		"s3://bucket?region=r&lock_days=soon":                           "lock_days",
		"s3://bucket?region=r&lock_mode=GOVERNANCE":                     "lock_mode needs lock_days",
		"s3://bucket?region=r&lock_days=1&lock_mode=":                   `lock mode ""`,
		"s3://key:hidden-secret@bucket?region=r":                        "credentials do not belong into the URL",
		"s3://bucket?endpoint=http://key:hidden-secret@h&region=r":      "credentials do not belong into the URL",
		"s3://bucket?endpoint=ftp://h&region=r":                         "the endpoint is no URL",
		"s3://bucket?endpoint=host:9000&region=r":                       "the endpoint is no URL",
		"s3://bucket?endpoint=https://h/?X-Amz-Signature=hidden-secret": "the endpoint is no URL",
		"s3://bucket?region=r&ca_file=/no/such/file":                    "no such file",
		"s3://bucket?region=r&ca_file=" + empty:                         "no certificate in PEM",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		sink, err := s3.OpenURL(t.Context(), u)
		if strings.HasPrefix(want, "s3://") {
			if err != nil || sink.String() != want {
				t.Errorf("%s: %v, %v", address, sink, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestNew(t *testing.T) {
	if _, err := s3.New(nil, "bucket", nil); !errors.Is(err, fs.ErrInvalid) {
		t.Error(err)
	}
	if _, err := s3.New(nil, "bucket", &s3.Options{Region: "r"}); err == nil || !strings.Contains(err.Error(), "the client's own") {
		t.Error(err)
	}
}
