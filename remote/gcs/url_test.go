package gcs_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
)

func TestFromURL(t *testing.T) {
	for given, want := range map[string]gcs.Options{
		"gs://b":          {},
		"gs://b/":         {},
		"gs://b/a/b%20c/": {Prefix: "a/b c"},
		"gs://b?class=COLDLINE&part_size=1048576&in_flight=2": {StorageClass: "COLDLINE", PartSize: 1 << 20, InFlight: 2},
		"gs://b/p?endpoint=http%3A%2F%2F127.0.0.1%3A4443":     {Prefix: "p", Endpoint: "http://127.0.0.1:4443"},
		"gs://b?endpoint=https://host&ca_file=/etc/ca.pem":    {Endpoint: "https://host", CAFile: "/etc/ca.pem"},
		"gs://b?kms_key=projects/p/k&credentials_file=k.json": {KMSKey: "projects/p/k", CredentialsFile: "k.json"},
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		bucket, got, err := gcs.FromURL(u)
		if err != nil || bucket != "b" || *got != want {
			t.Errorf("%s: %s %+v, %v", given, bucket, got, err)
		}
	}
}

func TestOpenURLErrors(t *testing.T) {
	for given, want := range map[string]string{
		"s3://b":                        "gs://bucket/prefix",
		"gs:b":                          "gs://bucket/prefix",
		"gs:///p":                       "gs://bucket/prefix",
		"gs://key:secret@b/p":           "holds no credentials",
		"gs://b/p#f":                    "fragment",
		"gs://b:80/p":                   "cannot be the name",
		"gs://b?clas=NEARLINE":          `"clas"; there are ca_file, class, credentials_file, endpoint, in_flight, kms_key, part_size`,
		"gs://b?token=secret":           `parameter "token"`,
		"gs://b?class=":                 "class needs one value",
		"gs://b?class=A&class=B":        "class needs one value",
		"gs://b?part_size=8M":           "part_size: it must be a number",
		"gs://b?part_size=0":            "part_size: it must be a number",
		"gs://b?in_flight=-1":           "in_flight: it must be a number",
		"gs://b?part_size=99999999999":  "a part of 99999999999 bytes",
		"gs://b?a=%zz":                  "malformed",
		"gs://b/../p":                   "begins with a dot",
		"gs://b?endpoint=127.0.0.1:443": "endpoint must be",
	} {
		u, err := url.Parse(given)
		if err != nil {
			t.Fatal(err)
		}
		_, err = gcs.OpenURL(t.Context(), u)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %q", given, err, want)
		}
	}
}

func TestOpenURL(t *testing.T) {
	name := bucket(t)
	u := &url.URL{Scheme: "gs", Host: name, Path: "/a/b", RawQuery: "class=NEARLINE&endpoint=" + url.QueryEscape(oracle.GCS(t).URL)}
	sink, err := gcs.OpenURL(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	if got := sink.String(); got != "gs://"+name+"/a/b" {
		t.Errorf("it is %s", got)
	}
	mustPut(t, sink, "c/d", []byte("x"))
	attrs, err := client(t).Bucket(name).Object("a/b/c/d").Attrs(t.Context())
	if err != nil || attrs.StorageClass != "NEARLINE" {
		t.Errorf("got %+v, %v", attrs, err)
	}
}
