package s3_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// content returns n bytes, the same each time.
func content(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// sizes are those of an object of nothing, of one part, of a part to the last
// byte, and of three parts.
var sizes = []int{0, 1, 300_000, 8 << 20, 8<<20 + 1, 17 << 20}

const crcHeader = "X-Amz-Checksum-Crc64nvme"

func TestChecked(t *testing.T) {
	other := func(etag string) string {
		return `"` + strings.Map(func(r rune) rune {
			if r == '0' {
				return '1'
			}
			return r
		}, strings.Trim(etag, `"`)) + `0"`
	}
	for _, tt := range []struct {
		name string
		// alter changes what the store says.
		alter   func(header http.Header)
		checked bool
	}{
		{"checksum", func(http.Header) {}, true},
		{"ETag alone", func(h http.Header) { h.Del(crcHeader) }, true},
		{"checksum, and an ETag that is no MD5", func(h http.Header) { h.Set("ETag", other(h.Get("ETag"))) }, true},
		{"ETag that is no MD5", func(h http.Header) { h.Del(crcHeader); h.Set("ETag", other(h.Get("ETag"))) }, false},
		{"ETag under KMS", func(h http.Header) {
			h.Del(crcHeader)
			h.Set("X-Amz-Server-Side-Encryption", "aws:kms")
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := oracle.S3(t)
			bucket := newBucket(t, store, false)
			// The reply to the completion of an upload has its ETag and checksum in
			// its body: leave multipart uploads to the next test.
			sink := open(t, front{alter: func(r *http.Response) { tt.alter(r.Header) }}.before(t, store), bucket, nil)
			for _, size := range sizes[:3] {
				obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(size)), nil)
				if err != nil {
					t.Fatal(err)
				}
				if obj.Checked != tt.checked || obj.Size != int64(size) || obj.ModTime.IsZero() {
					t.Errorf("put of %d bytes: %+v", size, obj)
				}
			}
		})
	}
	t.Run("all sizes", func(t *testing.T) {
		store := oracle.S3(t)
		sink := open(t, store, newBucket(t, store, false), nil)
		for _, size := range sizes {
			obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(size)), nil)
			if err != nil || !obj.Checked {
				t.Errorf("put of %d bytes: %+v, %v", size, obj, err)
			}
		}
	})
	t.Run("the sum of a multipart upload is not returned", func(t *testing.T) {
		store := oracle.S3(t)
		bucket := newBucket(t, store, false)
		sink := open(t, front{alter: func(r *http.Response) {
			r.Header.Del(crcHeader)
			replaceBody(t, r, "ChecksumCRC64NVME>", "Unknown>")
		}}.before(t, store), bucket, nil)
		for _, size := range sizes {
			obj, err := sink.Put(t.Context(), "x", bytes.NewReader(content(size)), nil)
			if err != nil || !obj.Checked {
				t.Errorf("put of %d bytes: %+v, %v", size, obj, err)
			}
		}
	})
}

// TestLyingStore stores through a front that says of an object what is not so.
func TestLyingStore(t *testing.T) {
	for name, f := range map[string]front{
		"wrong checksum": {alter: func(r *http.Response) {
			if r.Request.Method == http.MethodPut && r.Header.Get(crcHeader) != "" {
				r.Header.Set(crcHeader, "AAAAAAAAAAA=")
			}
			replaceBody(t, r, "<ChecksumCRC64NVME>", "<ChecksumCRC64NVME>A")
		}},
		"fewer bytes": {alter: func(r *http.Response) {
			if r.Request.Method == http.MethodHead && r.StatusCode == http.StatusOK {
				r.Header.Set("Content-Length", "299999")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			store := oracle.S3(t)
			bucket := newBucket(t, store, false)
			sink, honest := open(t, f.before(t, store), bucket, nil), open(t, store, bucket, nil)
			for _, size := range []int{300_000, 9 << 20} {
				_, err := sink.Put(t.Context(), "x", bytes.NewReader(content(size)), nil)
				if e := (*remote.Error)(nil); !errors.As(err, &e) || !strings.Contains(err.Error(), "the store holds") {
					t.Errorf("put of %d bytes: %v", size, err)
				}
				if _, err := honest.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("after a put of %d bytes that failed: %v", size, err)
				}
			}
		})
	}
}

func TestProbe(t *testing.T) {
	store := oracle.S3(t)
	bucket := newBucket(t, store, false)
	c, err := remotetest.Probe(t.Context(), open(t, store, bucket, nil))
	c.ClockAhead = 0
	if want := (remotetest.Capabilities{Ranges: true, Stat: true, Exclusive: true, Levels: true, Sweep: true, Versions: true, Checked: true}); err != nil || c != want {
		t.Errorf("%+v, %v", c, err)
	}
	// A store that knows no If-None-Match takes the header and overwrites: a
	// client's own request that says nothing of it is all that the store sees.
	ignorant := newClient(t, store, withoutIfNoneMatch)
	sink, err := s3.New(ignorant, bucket, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = remotetest.Probe(t.Context(), sink); err != nil || c.Exclusive {
		t.Errorf("without If-None-Match: %+v, %v", c, err)
	}
}
