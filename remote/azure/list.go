package azure

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/assist-move-assist/pgcofre/remote"
)

// List lists the objects in name order, which is the store's, 5,000 a request.
// It fails where the store lists in another order, as accounts with a
// hierarchical namespace do.
func (s *Sink) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return s.list(ctx, prefix, func(yield func([]remote.Object, error) bool) {
		full := s.prefix + prefix
		pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &full})
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(s.objects(page.Segment.BlobItems), nil) {
				return
			}
		}
	})
}

// ListLevel lists one level; see [remote.LevelLister].
func (s *Sink) ListLevel(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return s.list(ctx, prefix, func(yield func([]remote.Object, error) bool) {
		full := s.prefix + prefix
		pager := s.container.NewListBlobsHierarchyPager("/", &container.ListBlobsHierarchyOptions{Prefix: &full})
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			objects := s.objects(page.Segment.BlobItems)
			for _, folder := range page.Segment.BlobPrefixes {
				if name := strings.TrimPrefix(*folder.Name, s.prefix); remote.CheckPrefix(name) == nil {
					objects = append(objects, remote.Object{Name: name})
				}
			}
			// The answer keeps folders apart from objects.
			slices.SortFunc(objects, func(a, b remote.Object) int { return strings.Compare(a.Name, b.Name) })
			if !yield(objects, nil) {
				return
			}
		}
	})
}

// objects describes the blobs of a page whose names are ours.
func (s *Sink) objects(items []*container.BlobItem) []remote.Object {
	objects := make([]remote.Object, 0, len(items))
	for _, item := range items {
		name, p := strings.TrimPrefix(*item.Name, s.prefix), item.Properties
		if remote.CheckName(name) == nil {
			objects = append(objects, object(name, p.ContentLength, p.LastModified, p.ETag))
		}
	}
	return objects
}

// list yields the objects of the pages and sees to it that they come in order.
func (s *Sink) list(ctx context.Context, prefix string, pages iter.Seq2[[]remote.Object, error]) iter.Seq2[remote.Object, error] {
	return func(yield func(remote.Object, error) bool) {
		fail := func(err error) { yield(remote.Object{}, s.wrap(ctx, "list", prefix, err)) }
		if err := ctx.Err(); err != nil {
			fail(err)
			return
		}
		if err := remote.CheckPrefix(prefix); err != nil {
			fail(err)
			return
		}
		last := ""
		for page, err := range pages {
			if err != nil {
				fail(err)
				return
			}
			for _, obj := range page {
				if obj.Name == last {
					continue // a folder may end one page and begin the next
				}
				if err := ctx.Err(); err != nil {
					fail(err)
					return
				}
				if obj.Name < last || !strings.HasPrefix(obj.Name, prefix) {
					fail(fmt.Errorf("the store lists %q behind %q: not the byte order of names below the prefix; accounts with a hierarchical namespace cannot be used", obj.Name, last))
					return
				}
				last = obj.Name
				if !yield(obj, nil) {
					return
				}
			}
		}
	}
}
