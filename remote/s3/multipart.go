package s3

import (
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/internal/part"
)

// multipart stores an object that begins with first, which it frees, and goes
// on with r. The SDK's transfer manager is not used: it takes whole part
// buffers for every upload, whatever its size and however many run, cannot
// make its requests conditional, and knows the checksum of parts alone.
func (u *upload) multipart(ctx context.Context, first *part.Part, r io.Reader) (got receipt, err error) {
	mode, until := u.lock()
	out, err := u.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, ContentType: u.contentType,
		StorageClass:         types.StorageClass(u.opts.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(u.opts.SSE), SSEKMSKeyId: optional(u.opts.KMSKeyID),
		ObjectLockMode: mode, ObjectLockRetainUntilDate: until,
	}, plain)
	if err != nil {
		first.Free()
		return receipt{}, err
	}
	id, done := aws.ToString(out.UploadId), false
	defer func() { // also when r panics
		if !done {
			err = errors.Join(err, u.abort(ctx, id))
		}
	}()
	parts, err := u.parts(ctx, id, first, r)
	if err != nil {
		return receipt{}, err
	}
	completed := make([]types.CompletedPart, len(parts))
	for i, p := range parts {
		completed[i] = types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: p.etag}
	}
	u.sums.etag = compositeETag(parts)
	reply, err := u.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &id, IfNoneMatch: u.ifNoneMatch,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: completed},
	}, plain)
	if err != nil {
		got, done = u.completed(ctx, err)
		if done {
			err = nil
		}
		return got, err
	}
	done = true
	return receipt{etag: version(reply.ETag), crc: reply.ChecksumCRC64NVME, sse: reply.ServerSideEncryption, versionID: reply.VersionId}, nil
}

// completed tells whether an upload that the store does not know any more was
// completed before: when the reply was lost, and the request sent again.
func (u *upload) completed(ctx context.Context, err error) (receipt, bool) {
	if code, _, _ := answer(err); code != "NoSuchUpload" || u.ifNoneMatch != nil {
		return receipt{}, false
	}
	head, err := u.head(ctx, u.key)
	if err != nil {
		return receipt{}, false
	}
	got := receipt{etag: version(head.ETag), crc: head.ChecksumCRC64NVME, sse: head.ServerSideEncryption, versionID: head.VersionId}
	same, err := u.compare(got)
	return got, same && err == nil
}

// sent is a part that the store has.
type sent struct {
	etag *string
	sum  *[md5.Size]byte
}

// parts uploads the parts of an object. When it returns none is on its way.
func (u *upload) parts(ctx context.Context, id string, p *part.Part, r io.Reader) (parts []*sent, err error) {
	ctx, cancel := context.WithCancel(ctx)
	group, ctx := errgroup.WithContext(ctx)
	defer func() { // also when r panics
		cancel()
		_ = group.Wait() // reported below, or there is a reason already
		p.Free()
	}()
	for eof := false; ; {
		if len(parts) == maxParts {
			return nil, fmt.Errorf("the object has more than %d parts: raise Options.PartSize (part_size), now %d bytes", maxParts, u.opts.PartSize)
		}
		n, full, s := int32(len(parts)+1), p, &sent{}
		parts = append(parts, s)
		u.sums.crc, u.sums.size = full.CRC(u.sums.crc), u.sums.size+int64(full.Size())
		p = &part.Part{}
		send := func() error {
			defer full.Free()
			return u.part(ctx, id, n, full, s)
		}
		select {
		case u.slots <- struct{}{}:
			group.Go(func() error {
				defer func() { <-u.slots }()
				return send()
			})
		default: // this Put waits, which is no harm to any other
			if err := send(); ctx.Err() != nil {
				return nil, context.Cause(ctx)
			} else if err != nil {
				return nil, err
			}
		}
		if !eof {
			if eof, err = p.Fill(ctx, r, u.opts.partSize(len(parts)+1)); err != nil {
				return nil, err
			}
		}
		if p.Size() == 0 {
			break
		}
	}
	return parts, group.Wait()
}

// part uploads one part.
func (u *upload) part(ctx context.Context, id string, n int32, p *part.Part, s *sent) error {
	s.sum = p.MD5()
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &id, PartNumber: &n,
		Body: p.Body(), ContentLength: aws.Int64(int64(p.Size())), ContentMD5: u.contentMD5(s.sum),
	}, plain)
	if err != nil {
		return fmt.Errorf("part %d: %w", n, err)
	}
	s.etag = out.ETag
	return nil
}

// abort makes the store forget an upload and its parts.
func (u *upload) abort(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	_, err := u.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &u.bucket, Key: &u.key, UploadId: &id})
	if code, _, _ := answer(err); err == nil || code == "NoSuchUpload" {
		return nil
	}
	return fmt.Errorf("the unfinished upload stays until it is swept: %w", err)
}
