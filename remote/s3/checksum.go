package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/assist-move-assist/pgcofre/internal/part"
	"github.com/assist-move-assist/pgcofre/remote"
)

// sums are computed over what a Put reads.
type sums struct {
	size int64
	crc  uint64 // CRC64NVME
	etag string // what S3 would call an object that was uploaded in these parts
}

// add counts the only part of an object, and returns its MD5.
func (s *sums) add(p *part.Part) *[md5.Size]byte {
	s.size, s.crc = int64(p.Size()), p.CRC(0)
	return p.MD5()
}

// compositeETag is the MD5 of the parts' MD5s, and their number.
func compositeETag(parts []*sent) string {
	h := md5.New()
	for _, p := range parts {
		h.Write(p.sum[:])
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// receipt is what the store said of an object that it took.
type receipt struct {
	etag      string
	crc       *string // CRC64NVME in base64; the SDK was kept from sending one
	sse       types.ServerSideEncryption
	versionID *string
}

// confirm compares what the store says of an object with what was sent. Where
// it cannot be asked, the object is stored but not checked.
func (u *upload) confirm(ctx context.Context, got receipt) (remote.Object, error) {
	checked, err := u.compare(got)
	if err != nil {
		return remote.Object{}, err
	}
	obj := remote.Object{Size: u.sums.size, Version: got.etag}
	head, err := u.head(ctx, u.key)
	if err != nil {
		return obj, nil
	}
	if got.etag == "" {
		obj.Version = version(head.ETag)
	} else if got.etag != version(head.ETag) {
		return obj, nil // another Put has replaced it since
	}
	if size := aws.ToInt64(head.ContentLength); size != u.sums.size {
		return remote.Object{}, fmt.Errorf("the store holds %d bytes of the %d that it was sent", size, u.sums.size)
	}
	obj.ModTime = aws.ToTime(head.LastModified)
	if !checked && got.crc == nil {
		got.crc, got.sse = head.ChecksumCRC64NVME, head.ServerSideEncryption
		checked, err = u.compare(got)
	}
	obj.Checked = checked
	return obj, err
}

// compare tells whether the store computed a checksum that is ours. A CRC64NVME
// is always of the whole object. An ETag that differs proves nothing: it is an
// MD5 in most stores, but not in all, and not under KMS.
func (u *upload) compare(got receipt) (checked bool, err error) {
	if got.crc != nil {
		want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, u.sums.crc))
		if *got.crc != want {
			return false, fmt.Errorf("the store holds something else than it was sent: its CRC64NVME is %s instead of %s", *got.crc, want)
		}
		return true, nil
	}
	return u.opts.Lock == nil && !strings.HasPrefix(string(got.sse), "aws:") && strings.EqualFold(got.etag, u.sums.etag), nil
}
