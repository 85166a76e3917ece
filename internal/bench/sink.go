package main

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/azure"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// openSink opens a folder, or the store that a URL names.
func openSink(ctx context.Context, where string) (remote.RemoteSink, error) {
	if filepath.IsAbs(where) {
		return remote.NewDir(where)
	}
	u, err := url.Parse(where)
	if err != nil {
		return nil, err
	}
	switch u.Scheme {
	case "s3":
		return s3.OpenURL(ctx, u)
	case "gs":
		return gcs.OpenURL(ctx, u)
	case "azblob":
		return azure.OpenURL(ctx, u)
	}
	return nil, fmt.Errorf("a sink with the scheme %q: there are s3, gs and azblob", u.Scheme)
}

// below is the part of a sink with that prefix.
func below(sink, prefix string) (string, error) {
	u, err := url.Parse(sink)
	if err != nil {
		return "", err
	}
	return u.JoinPath(prefix).String(), nil
}

// shown is a sink as the tables name it, without parameters.
func shown(sink string) string {
	name, _, _ := strings.Cut(sink, "?")
	return name
}

// storedSize is how many bytes a sink holds.
func storedSize(ctx context.Context, sink remote.RemoteSink) (n int64, err error) {
	for obj, err := range sink.List(ctx, "") {
		if err != nil {
			return 0, err
		}
		n += obj.Size
	}
	return n, nil
}

// empty removes all that a sink holds.
func empty(ctx context.Context, where string) error {
	sink, err := openSink(ctx, where)
	if err != nil {
		return err
	}
	var names []string
	for obj, err := range sink.List(ctx, "") {
		if err != nil {
			return err
		}
		names = append(names, obj.Name)
	}
	for _, name := range names {
		if err := sink.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
