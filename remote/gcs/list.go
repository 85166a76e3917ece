package gcs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Stat describes an object; see [remote.Stater].
func (s *Sink) Stat(ctx context.Context, name string) (remote.Object, error) {
	err := s.check(ctx, name)
	var obj remote.Object
	if err == nil {
		obj, err = s.stat(ctx, name)
	}
	return obj, s.fail(ctx, "stat", name, err)
}

func (s *Sink) stat(ctx context.Context, name string) (remote.Object, error) {
	attrs, err := s.object(name, s.patience()).Attrs(ctx)
	if errors.Is(err, storage.ErrObjectNotExist) {
		err = s.orMissing(ctx, err)
	}
	if err != nil {
		return remote.Object{}, err
	}
	return describe(name, attrs), nil
}

// Delete removes an object. In a bucket with versions or soft delete it stays
// there, out of sight.
func (s *Sink) Delete(ctx context.Context, name string) error {
	err := s.check(ctx, name)
	if err == nil {
		err = s.object(name, s.patience()).Delete(ctx)
		if errors.Is(err, storage.ErrObjectNotExist) {
			err = s.bucketMissing(ctx)
		}
	}
	return s.fail(ctx, "delete", name, err)
}

// List lists objects, a page of up to a thousand at a time.
func (s *Sink) List(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return s.list(ctx, prefix, "")
}

// ListLevel lists one level; see [remote.LevelLister].
func (s *Sink) ListLevel(ctx context.Context, prefix string) iter.Seq2[remote.Object, error] {
	return s.list(ctx, prefix, "/")
}

func (s *Sink) list(ctx context.Context, prefix, delimiter string) iter.Seq2[remote.Object, error] {
	return func(yield func(remote.Object, error) bool) {
		err := ctx.Err()
		if err == nil {
			err = remote.CheckPrefix(prefix)
		}
		if err == nil {
			err = s.walk(ctx, prefix, delimiter, func(obj remote.Object) bool { return yield(obj, nil) })
		}
		if err != nil {
			yield(remote.Object{}, s.fail(ctx, "list", prefix, err))
		}
	}
}

// walk calls yield for what is listed until it returns false. Of a page the
// SDK gives the folders behind the objects, so pages are put in order.
func (s *Sink) walk(ctx context.Context, prefix, delimiter string, yield func(remote.Object) bool) error {
	query := &storage.Query{Prefix: s.inBucket(prefix), Delimiter: delimiter, Projection: storage.ProjectionNoACL}
	if err := query.SetAttrSelection([]string{"Name", "Size", "Created", "Generation"}); err != nil {
		return err
	}
	p := s.patience()
	it := s.bucket(p).Objects(ctx, query)
	var page []remote.Object
	last := ""
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		attrs, err := it.Next()
		done := err == iterator.Done
		switch {
		case done:
		case errors.Is(err, storage.ErrBucketNotExist):
			return s.bucketError(err)
		case err != nil:
			return err
		default:
			if obj, ok := s.listed(attrs); ok {
				page = append(page, obj)
			}
			if it.PageInfo().Remaining() > 0 {
				continue
			}
		}
		p.progress()
		slices.SortFunc(page, func(a, b remote.Object) int { return cmp.Compare(a.Name, b.Name) })
		for _, obj := range page {
			if !strings.HasPrefix(obj.Name, prefix) {
				return fmt.Errorf("the store gives %q, which does not begin so", obj.Name)
			}
			if obj.Name < last {
				return fmt.Errorf("the store gives %q behind %q: it does not list in the order of names", obj.Name, last)
			}
			last = obj.Name
			if !yield(obj) {
				return nil
			}
		}
		if done {
			return nil
		}
		page = page[:0]
	}
}

// listed makes the Object of a listed name, unless that is none of ours.
func (s *Sink) listed(attrs *storage.ObjectAttrs) (remote.Object, bool) {
	own := s.inBucket("")
	if attrs.Prefix != "" {
		folder := strings.TrimPrefix(attrs.Prefix, own)
		return remote.Object{Name: folder}, remote.CheckName(strings.TrimSuffix(folder, "/")) == nil
	}
	name := strings.TrimPrefix(attrs.Name, own)
	return describe(name, attrs), remote.CheckName(name) == nil
}

// orMissing explains that the store found no such object: either that is so, or
// it has no such bucket, which must not look like a loss.
func (s *Sink) orMissing(ctx context.Context, err error) error {
	if other := s.bucketMissing(ctx); other != nil {
		return other
	}
	return missing(err)
}

// bucketMissing is an error if there is no bucket, or nobody knows.
func (s *Sink) bucketMissing(ctx context.Context) error {
	it := s.bucket(s.patience()).Objects(ctx, &storage.Query{Prefix: s.inBucket("")})
	it.PageInfo().MaxSize = 1
	_, err := it.Next()
	switch {
	case errors.Is(err, storage.ErrBucketNotExist):
		return s.bucketError(err)
	case err == iterator.Done || status(err) == http.StatusForbidden:
		return nil
	}
	return err
}
