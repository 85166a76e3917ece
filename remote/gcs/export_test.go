package gcs

import (
	"net/url"
	"time"
)

// Persist sets how long an operation is tried again without progress.
func (s *Sink) Persist(limit time.Duration) { s.persist = limit }

// FromURL reads a URL.
func FromURL(u *url.URL) (bucket string, o *Options, err error) { return fromURL(u) }
