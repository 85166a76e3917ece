package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Get opens an object. When the connection breaks, the reader goes on where it
// was as long as the object is the same, and gives up when five attempts in a
// row brought nothing.
func (s *Sink) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.GetRange(ctx, name, 0, -1)
}

// GetRange opens a part of an object, as Get does; see [remote.RangeGetter].
func (s *Sink) GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, sink: s, name: name, at: offset, end: math.MaxInt64}
	if length >= 0 && length < math.MaxInt64-offset {
		r.end = offset + length
	}
	err := remote.CheckRange(offset, length)
	if err == nil {
		r.key, err = s.key(name)
	}
	if err == nil && length == 0 {
		_, err = s.head(ctx, r.key)
	} else if err == nil {
		err = r.open()
	}
	if err != nil {
		return nil, s.fail(ctx, "get", name, err)
	}
	return r, nil
}

// reader reads an object, by several requests if it must.
type reader struct {
	ctx       context.Context
	sink      *Sink
	name, key string
	at, end   int64 // what is next, and what is behind the last
	etag      *string
	body      io.ReadCloser // nil: there is nothing to read
	failed    int           // attempts since the last byte
}

// open asks for what is left. Once it has succeeded, it takes only the same
// object.
func (r *reader) open() error {
	in := &s3.GetObjectInput{Bucket: &r.sink.bucket, Key: &r.key, IfMatch: r.etag}
	ranged := r.at > 0 || r.end != math.MaxInt64
	if ranged && r.end == math.MaxInt64 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.at))
	} else if ranged {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", r.at, r.end-1))
	}
	out, err := r.sink.client.GetObject(r.ctx, in, plain)
	if err != nil {
		code, status, _ := answer(err)
		if status == http.StatusRequestedRangeNotSatisfiable || code == "InvalidRange" {
			r.end = r.at // it ends before
			return nil
		}
		if r.etag != nil && status == http.StatusPreconditionFailed {
			return fmt.Errorf("the object was replaced while it was read: %w", err)
		}
		return err
	}
	if ranged && !strings.HasPrefix(aws.ToString(out.ContentRange), fmt.Sprintf("bytes %d-", r.at)) {
		return errors.Join(fmt.Errorf("the store does not give the part asked for, from byte %d, but %q", r.at, aws.ToString(out.ContentRange)), out.Body.Close())
	}
	if out.ContentLength != nil {
		r.end = min(r.end, r.at+*out.ContentLength)
	}
	r.etag, r.body = out.ETag, out.Body
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return 0, r.sink.fail(r.ctx, "get", r.name, err)
		}
		if r.body == nil || r.at >= r.end {
			return 0, io.EOF
		}
		if len(p) == 0 {
			return 0, nil
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.end-r.at)])
		r.at += int64(n)
		if n > 0 {
			r.failed = 0
			return n, nil // an error comes again
		}
		if err == io.EOF && r.end == math.MaxInt64 {
			return 0, io.EOF
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			err = r.resume(err)
		}
		if err != nil {
			return 0, r.sink.fail(r.ctx, "get", r.name, err)
		}
	}
}

// resume asks for the rest of the object after cause ended the download, with
// the client's delay before. It leaves it at that where the store gives no ETag
// to know the object by.
func (r *reader) resume(cause error) error {
	if r.failed == 5 || r.etag == nil {
		return fmt.Errorf("the download broke at byte %d: %w", r.at, cause)
	}
	r.failed++
	delay, err := r.sink.client.Options().Retryer.RetryDelay(r.failed, cause)
	if err != nil {
		return errors.Join(cause, err)
	}
	select {
	case <-time.After(delay):
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	_ = r.body.Close() // broken as it is
	if err := r.open(); err != nil {
		return fmt.Errorf("the download broke at byte %d (%w) and cannot go on: %w", r.at, cause, err)
	}
	return nil
}

// Close ends the download.
func (r *reader) Close() error {
	if r.body == nil {
		return nil
	}
	return r.body.Close()
}
