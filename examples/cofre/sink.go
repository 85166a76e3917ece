package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/azure"
	"github.com/assist-move-assist/pgcofre/remote/gcs"
	"github.com/assist-move-assist/pgcofre/remote/s3"
)

// wantSink says what a sink may be.
const wantSink = "want a path, or a URL with file://, s3://, gs:// or azblob://"

// sink is a flag that names a place for backups.
type sink struct{ url *url.URL }

// UnmarshalText reads a path, or a URL of a known scheme. Its errors quote
// nothing behind the scheme, which may hold a secret.
func (s *sink) UnmarshalText(text []byte) (err error) {
	scheme, _, isURL := strings.Cut(string(text), "://")
	switch {
	case len(text) == 0:
		return errors.New("is empty: " + wantSink)
	case !isURL:
		path, err := filepath.Abs(string(text))
		s.url = &url.URL{Scheme: "file", Path: path}
		return err
	}
	u, err := url.Parse(string(text))
	switch {
	case err != nil:
		return errors.New("malformed URL: what is special in a name is written as %20, %40 and so on; credentials do not belong there")
	case u.User != nil || u.Port() != "":
		return errors.New("a sink's URL holds no credentials and no port: credentials come from the provider's usual environment, a port is part of ?endpoint=")
	}
	switch scheme {
	case "file":
		if u.Host != "" && u.Host != "localhost" || u.Path == "" || u.RawQuery != "" {
			return errors.New("want file:///absolute/path, with three slashes and no parameters")
		}
	case "s3", "gs", "azblob":
	default:
		return fmt.Errorf("scheme %q is not known: %s", scheme, wantSink)
	}
	s.url = u
	return nil
}

// open opens the sink. A command that only reads must not make a folder: what
// is not there has no backups, and a typing error would look like an empty one.
func (s *sink) open(ctx context.Context, create bool) (remote.RemoteSink, error) {
	switch s.url.Scheme {
	case "s3":
		return s3.OpenURL(ctx, s.url)
	case "gs":
		return gcs.OpenURL(ctx, s.url)
	case "azblob":
		return azure.OpenURL(ctx, s.url)
	}
	if !create {
		if _, err := os.Stat(s.url.Path); err != nil {
			return nil, fmt.Errorf("opening the sink: %w", err)
		}
	}
	return remote.NewDir(s.url.Path)
}

// String names the sink, without the parameters of its URL.
func (s *sink) String() string {
	if s.url.Scheme == "file" {
		return s.url.Path
	}
	return (&url.URL{Scheme: s.url.Scheme, Host: s.url.Host, Path: s.url.Path}).String()
}

// typed is what UnmarshalText reads as this sink.
func (s *sink) typed() string {
	if s.url.Scheme == "file" {
		return s.url.Path
	}
	return s.url.String()
}

// below is the sink in a folder of this one. What is put there can be deleted.
func (s *sink) below(name string) *sink {
	u := s.url.JoinPath(name)
	query := u.Query()
	query.Del("lock_days")
	query.Del("lock_mode")
	u.RawQuery = query.Encode()
	return &sink{u}
}

// remove removes the folder of a sink that holds nothing; in the object stores
// there is none.
func (s *sink) remove() error {
	if s.url.Scheme != "file" {
		return nil
	}
	if err := os.Remove(s.url.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
