package s3

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Stat describes an object. Its Version is the ETag.
func (s *Sink) Stat(ctx context.Context, name string) (remote.Object, error) {
	key, err := s.key(name)
	if err != nil {
		return remote.Object{}, s.fail(ctx, "stat", name, err)
	}
	out, err := s.head(ctx, key)
	if err != nil {
		return remote.Object{}, s.fail(ctx, "stat", name, err)
	}
	return remote.Object{Name: name, Size: aws.ToInt64(out.ContentLength), ModTime: aws.ToTime(out.LastModified), Version: version(out.ETag)}, nil
}

// head asks what the store knows of an object. A refusal of a HEAD request has
// no text: a missing bucket, a missing object and in some stores an unknown
// access key look alike. Then it asks for the first byte, to be told why not.
func (s *Sink) head(ctx context.Context, key string) (*s3.HeadObjectOutput, error) {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}, plain)
	if _, status, _ := answer(err); err == nil || status == 0 {
		return out, err
	}
	got, why := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: aws.String("bytes=0-0")}, plain)
	if why != nil {
		return nil, why
	}
	_ = got.Body.Close() // it came into being just now
	return nil, err
}

// Delete removes an object. In a bucket with versions it hides the object, and
// its content stays as a version: a lifecycle rule for noncurrent versions
// removes it. That is all that happens to one that is locked.
func (s *Sink) Delete(ctx context.Context, name string) error {
	key, err := s.key(name)
	if err == nil {
		_, err = s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
	}
	if code, _, _ := answer(err); err != nil && code != "NoSuchKey" {
		return s.fail(ctx, "delete", name, err)
	}
	return nil
}
