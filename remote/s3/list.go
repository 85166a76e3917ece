package s3

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/assist-move-assist/pgcofre/remote"
)

// List lists the objects in name order, a page of up to 1,000 at a time.
func (s *Sink) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return s.list(ctx, prefix, nil)
}

// ListLevel lists one level; see [remote.LevelLister].
func (s *Sink) ListLevel(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return s.list(ctx, prefix, aws.String("/"))
}

func (s *Sink) list(ctx context.Context, prefix string, delimiter *string) iter.Seq2[remote.Object, error] {
	return func(yield func(remote.Object, error) bool) {
		err := ctx.Err()
		if err == nil {
			err = remote.CheckPrefix(prefix)
		}
		if err == nil {
			err = s.pages(ctx, prefix, delimiter, func(obj remote.Object) bool { return yield(obj, nil) })
		}
		if err != nil {
			yield(remote.Object{}, s.fail(ctx, "list", prefix, err))
		}
	}
}

// maxEmpty is how many pages may hold nothing, one after the other. A store that
// passes over deleted objects gives some.
const maxEmpty = 1000

// pages calls yield for what is listed until it returns false.
func (s *Sink) pages(ctx context.Context, prefix string, delimiter *string, yield func(remote.Object) bool) error {
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{
		Bucket: &s.bucket, Prefix: optional(s.root + prefix), Delimiter: delimiter,
		// What others keep in the bucket may have names that XML cannot carry.
		EncodingType: types.EncodingTypeUrl,
	})
	last, empty := "", 0
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		objects, err := s.page(out)
		if err != nil {
			return err
		}
		if empty++; len(out.Contents)+len(out.CommonPrefixes) > 0 {
			empty = 0
		} else if empty > maxEmpty {
			return fmt.Errorf("the store gives one empty page after the other: its listing does not end")
		}
		for _, obj := range objects {
			if !strings.HasPrefix(obj.Name, prefix) {
				return fmt.Errorf("the store gives %q, which does not begin so", obj.Name)
			}
			if obj.Name <= last {
				return fmt.Errorf("the store gives %q behind %q: it does not list in the order of names", obj.Name, last)
			}
			last = obj.Name
			if !yield(obj) {
				return nil
			}
		}
	}
	return nil
}

// page returns the objects and folders of a page in name order, without those
// whose names are none of ours.
func (s *Sink) page(out *s3.ListObjectsV2Output) ([]remote.Object, error) {
	objects := make([]remote.Object, 0, len(out.Contents)+len(out.CommonPrefixes))
	add := func(key *string, obj remote.Object) error {
		name := aws.ToString(key)
		if out.EncodingType == types.EncodingTypeUrl {
			var err error
			if name, err = url.QueryUnescape(name); err != nil {
				return fmt.Errorf("the listing holds a name that cannot be decoded: %w", err)
			}
		}
		name, ok := strings.CutPrefix(name, s.root)
		if !ok {
			return fmt.Errorf("the store gives %q, which is not below the prefix", name)
		}
		obj.Name = name
		if obj.Version == "" {
			name = strings.TrimSuffix(name, "/")
		}
		if remote.CheckName(name) == nil {
			objects = append(objects, obj)
		}
		return nil
	}
	for _, c := range out.Contents {
		obj := remote.Object{Size: aws.ToInt64(c.Size), ModTime: aws.ToTime(c.LastModified), Version: version(c.ETag)}
		if err := add(c.Key, obj); err != nil {
			return nil, err
		}
	}
	for _, c := range out.CommonPrefixes {
		if err := add(c.Prefix, remote.Object{}); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(objects, func(a, b remote.Object) int { return cmp.Compare(a.Name, b.Name) })
	return objects, nil
}
