package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/assist-move-assist/pgcofre/internal/part"
	"github.com/assist-move-assist/pgcofre/remote"
)

// patience is how long cleaning up after a Put that failed may take.
const patience = 10 * time.Second

// Put stores an object: by one request if it fits a part, else by a multipart
// upload, which it aborts when it fails. What stays when the process dies Sweep
// removes. It holds the parts in memory; see [Options].
func (s *Sink) Put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	return s.put(ctx, name, r, opts, nil)
}

// PutExclusive is Put with the header If-None-Match, which only some stores
// honour: find out with remotetest.Probe. If the store's reply is lost and the
// request sent again, it may find the object that it stored itself, and
// say that it exists.
func (s *Sink) PutExclusive(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions) (remote.Object, error) {
	return s.put(ctx, name, r, opts, aws.String("*"))
}

func (s *Sink) put(ctx context.Context, name string, r io.Reader, opts *remote.PutOptions, ifNoneMatch *string) (obj remote.Object, err error) {
	key, err := s.key(name)
	if err == nil {
		u := &upload{Sink: s, key: key, ifNoneMatch: ifNoneMatch}
		if opts != nil {
			u.contentType = optional(opts.ContentType)
		}
		obj, err = u.run(ctx, r)
	}
	if err != nil {
		return remote.Object{}, s.fail(ctx, "put", name, err)
	}
	obj.Name = name
	return obj, nil
}

// upload is one Put at work.
type upload struct {
	*Sink
	key         string
	contentType *string
	ifNoneMatch *string
	sums        sums
}

// run uploads all of r, and checks what the store made of it.
func (u *upload) run(ctx context.Context, r io.Reader) (remote.Object, error) {
	first := &part.Part{}
	eof, err := first.Fill(ctx, r, u.opts.partSize(1))
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		first.Free()
		return remote.Object{}, err
	}
	var got receipt
	if eof {
		got, err = u.single(ctx, first)
		first.Free()
	} else {
		got, err = u.multipart(ctx, first, r)
	}
	if err != nil {
		return remote.Object{}, u.exists(ctx, err)
	}
	obj, err := u.confirm(ctx, got)
	if err != nil {
		return remote.Object{}, errors.Join(err, u.remove(ctx, got))
	}
	return obj, nil
}

// single stores an object of one part.
func (u *upload) single(ctx context.Context, p *part.Part) (receipt, error) {
	sum := u.sums.add(p)
	mode, until := u.lock()
	out, err := u.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &u.bucket, Key: &u.key, Body: p.Body(), ContentLength: aws.Int64(int64(p.Size())),
		ContentType: u.contentType, IfNoneMatch: u.ifNoneMatch, ContentMD5: u.contentMD5(sum),
		StorageClass:         types.StorageClass(u.opts.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(u.opts.SSE), SSEKMSKeyId: optional(u.opts.KMSKeyID),
		ObjectLockMode: mode, ObjectLockRetainUntilDate: until,
	}, plain)
	if err != nil {
		return receipt{}, err
	}
	u.sums.etag = fmt.Sprintf("%x", *sum)
	return receipt{etag: version(out.ETag), crc: out.ChecksumCRC64NVME, sse: out.ServerSideEncryption, versionID: out.VersionId}, nil
}

// contentMD5 is the header without which S3 takes no object with a lock; see
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html. Without a lock it is
// not sent, so that an ETag equal to it is the store's own work.
func (u *upload) contentMD5(sum *[md5.Size]byte) *string {
	if u.opts.Lock == nil {
		return nil
	}
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// exists turns the refusal of a second exclusive Put into what it means.
func (u *upload) exists(ctx context.Context, err error) error {
	if u.ifNoneMatch == nil {
		return err
	}
	if code, status, _ := answer(err); status == http.StatusPreconditionFailed || code == "PreconditionFailed" {
		return fmt.Errorf("%w: %w", fs.ErrExist, err)
	} else if code == "ConditionalRequestConflict" {
		// Another request for the name was under way. Who won it left something.
		if _, headErr := u.head(ctx, u.key); headErr == nil {
			return fmt.Errorf("%w: %w", fs.ErrExist, err)
		}
		return fmt.Errorf("another request for the same object was under way: store it again: %w", err)
	}
	return err
}

// remove removes what the store holds instead of what it was sent.
func (u *upload) remove(ctx context.Context, got receipt) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if _, err := u.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &u.bucket, Key: &u.key, VersionId: got.versionID}); err != nil {
		return fmt.Errorf("what it holds could not be removed: %w", u.explain(err))
	}
	return nil
}
