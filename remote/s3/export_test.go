package s3

import "net/url"

// PartSize is the size of an object's nth part.
func (s *Sink) PartSize(n int) int { return s.opts.partSize(n) }

// Parse takes a sink's URL apart.
func Parse(u *url.URL) (bucket string, o *Options, err error) { return parse(u) }
