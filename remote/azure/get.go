package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/cenkalti/backoff/v5"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Get opens an object. A download that breaks goes on where it broke, if the
// object is still the same.
func (s *Sink) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return s.GetRange(ctx, name, 0, -1)
}

// GetRange opens a part of an object; see [remote.RangeGetter].
func (s *Sink) GetRange(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
	d, err := s.download(ctx, name, offset, length)
	if err != nil {
		return nil, s.wrap(ctx, "get", name, err)
	}
	return d, nil
}

func (s *Sink) download(ctx context.Context, name string, offset, length int64) (*download, error) {
	err := s.check(ctx, name)
	if err == nil {
		err = remote.CheckRange(offset, length)
	}
	if err != nil {
		return nil, err
	}
	d := &download{s: s, ctx: ctx, name: name, blob: s.blob(name).BlobClient(), offset: offset, wait: newBackOff()}
	if length == 0 { // which no range header can say
		_, err := s.stat(ctx, name)
		d.end = offset
		return d, err
	}
	size, err := d.open(max(length, 0))
	if bloberror.HasCode(err, bloberror.InvalidRange) && ctx.Err() == nil {
		d.end = offset // it begins where the object ends, or later
		return d, nil
	}
	d.end = offset + size
	return d, err
}

// download reads a range of one version of a blob.
type download struct {
	s           *Sink
	ctx         context.Context
	name        string
	blob        *blob.Client
	etag        *azcore.ETag // of the version; nil before the first answer
	offset, end int64        // of what is still to be read
	body        io.ReadCloser
	wait        *backoff.ExponentialBackOff
	failures    int // since the last byte
	closed      bool
}

// maxFailures is how often a download is resumed without a byte between.
const maxFailures = 6

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval = 100 * time.Millisecond
	b.Multiplier = 2
	b.MaxInterval = 10 * time.Second
	return b
}

// open asks for count bytes from the offset, or all if 0, and returns how many
// there are.
func (d *download) open(count int64) (int64, error) {
	opts := &blob.DownloadStreamOptions{
		Range:   blob.HTTPRange{Offset: d.offset, Count: count},
		CPKInfo: d.s.cpk,
	}
	if d.etag != nil {
		opts.AccessConditions = match(d.etag)
	}
	resp, err := d.blob.DownloadStream(d.ctx, opts)
	if err != nil {
		return 0, err
	}
	switch {
	case resp.ContentLength == nil || resp.ETag == nil:
		err = errors.New("the store does not say what it sends")
	case count > 0 && *resp.ContentLength > count || d.etag != nil && *resp.ContentLength != count:
		err = fmt.Errorf("the store sends %d bytes where %d were asked for", *resp.ContentLength, count)
	case d.offset > 0 && (resp.ContentRange == nil || !strings.HasPrefix(*resp.ContentRange, fmt.Sprintf("bytes %d-", d.offset))):
		err = fmt.Errorf("the store does not send the range from byte %d", d.offset)
	}
	if err != nil {
		return 0, errors.Join(err, resp.Body.Close())
	}
	d.body, d.etag = resp.Body, resp.ETag
	return *resp.ContentLength, nil
}

func (d *download) Read(p []byte) (int, error) {
	n, err := d.read(p)
	if err != nil && err != io.EOF {
		err = d.s.wrap(d.ctx, "get", d.name, err)
	}
	return n, err
}

func (d *download) read(p []byte) (int, error) {
	for {
		if d.closed {
			return 0, fs.ErrClosed
		}
		if err := d.ctx.Err(); err != nil {
			return 0, err
		}
		if d.offset == d.end {
			return 0, io.EOF
		}
		if d.body == nil {
			_, err := d.open(d.end - d.offset)
			if bloberror.HasCode(err, bloberror.ConditionNotMet, bloberror.BlobNotFound) {
				return 0, fmt.Errorf("the object was replaced or deleted while it was read: %w", d.s.explain(d.ctx, err))
			}
			if err != nil {
				return 0, err
			}
		}
		n, err := d.body.Read(p[:min(int64(len(p)), d.end-d.offset)])
		d.offset += int64(n)
		if err != nil {
			_ = d.body.Close()
			d.body = nil
		}
		if n > 0 {
			d.failures = 0
			d.wait.Reset()
		}
		if n > 0 || err == nil {
			return n, nil
		}
		if err := d.pause(err); err != nil {
			return 0, err
		}
	}
}

// pause waits before the download is resumed, or gives it up.
func (d *download) pause(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if d.failures++; d.failures > maxFailures {
		return fmt.Errorf("the download broke %d times at byte %d: %w", d.failures, d.offset, err)
	}
	timer := time.NewTimer(d.wait.NextBackOff())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-d.ctx.Done():
		return d.ctx.Err()
	}
}

// Close ends the download.
func (d *download) Close() error {
	d.closed = true
	if d.body == nil {
		return nil
	}
	return d.body.Close()
}
