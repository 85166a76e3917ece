package s3

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Sweep aborts the multipart uploads below the sink's prefix to which nothing
// was uploaded since olderThan, whoever began them. MinIO lists no uploads by
// prefix, so that none are found there unless the sink has no prefix; it
// removes those of a day ago by itself.
func (s *Sink) Sweep(ctx context.Context, olderThan time.Time) (removed int, err error) {
	removed, err = s.sweep(ctx, olderThan)
	if err != nil {
		return removed, s.fail(ctx, "sweep", "", err)
	}
	return removed, nil
}

func (s *Sink) sweep(ctx context.Context, olderThan time.Time) (removed int, err error) {
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: optional(s.root)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return removed, err
		}
		for _, up := range out.Uploads {
			key := aws.ToString(up.Key)
			if name, ok := strings.CutPrefix(key, s.root); !ok || remote.CheckName(name) != nil {
				continue
			}
			idle, err := s.idle(ctx, up, olderThan)
			if err == nil && idle {
				_, err = s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: up.UploadId})
				if err == nil {
					removed++
				}
			}
			if code, _, _ := answer(err); err != nil && code != "NoSuchUpload" {
				return removed, err
			}
		}
	}
	return removed, nil
}

// idle tells whether an upload was begun, and its last part written, before
// a time.
func (s *Sink) idle(ctx context.Context, up types.MultipartUpload, olderThan time.Time) (bool, error) {
	if !aws.ToTime(up.Initiated).Before(olderThan) {
		return false, nil
	}
	pages := s3.NewListPartsPaginator(s.client, &s3.ListPartsInput{Bucket: &s.bucket, Key: up.Key, UploadId: up.UploadId})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, p := range out.Parts {
			if !aws.ToTime(p.LastModified).Before(olderThan) {
				return false, nil
			}
		}
	}
	return true, nil
}
