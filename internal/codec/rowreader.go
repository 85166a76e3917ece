package codec

import (
	"bytes"
	"errors"
	"io"

	"github.com/zeebo/xxh3"
)

// Errors of a RowReader, which say that the payload is not whole.
var (
	ErrUnterminated = errors.New(`table data ends before its terminator "\."`)
	ErrTrailing     = errors.New(`table data does not end with its terminator: "\." and two empty lines`)
)

const rowBufferSize = 64 << 10

// RowReader reads the payload of a table in an archive: it hands out the COPY
// text without the Terminator, and digests it row by row. A row is in the
// digest before its last byte is handed out. Rows of any length take the same
// memory.
type RowReader struct {
	src    io.Reader
	srcErr error
	buf    []byte
	// buf[start:ready] is digested and yet to be handed out, buf[ready:end] is
	// yet to be digested.
	start, ready, end int
	digest            Digest
	wide              bool // buf[ready:end] goes on with a row that did not fit
	hash              *xxh3.Hasher128
	terminated        bool
	err               error
}

var (
	_ io.Reader   = (*RowReader)(nil)
	_ io.WriterTo = (*RowReader)(nil)
)

// NewRowReader returns a RowReader of src, which it reads to its end.
func NewRowReader(src io.Reader) *RowReader {
	return &RowReader{src: src, buf: make([]byte, rowBufferSize)}
}

// Digest returns the digest of the rows read so far: of all of them once Read
// has returned io.EOF or WriteTo nil.
func (r *RowReader) Digest() Digest { return r.digest }

// Read returns COPY text, and io.EOF only when the Terminator was found at the
// end of src: ErrUnterminated or ErrTrailing tell otherwise.
func (r *RowReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.fill(); err != nil {
		return 0, err
	}
	n := copy(p, r.buf[r.start:r.ready])
	r.start += n
	return n, nil
}

// WriteTo writes all COPY text to w, whole rows at a time except where one is
// longer than 64 KiB. Errors are those of Read and of w.
func (r *RowReader) WriteTo(w io.Writer) (written int64, err error) {
	for {
		if err := r.fill(); err != nil {
			if err == io.EOF {
				return written, nil
			}
			return written, err
		}
		n, err := w.Write(r.buf[r.start:r.ready])
		written += int64(n)
		r.start += n
		if err != nil {
			return written, err
		}
	}
}

// fill returns with something to hand out, or with why there is nothing.
func (r *RowReader) fill() error {
	for r.start == r.ready && r.err == nil {
		r.end = copy(r.buf, r.buf[r.ready:r.end])
		r.start, r.ready = 0, 0
		r.load()
		if r.terminated {
			r.err = r.checkTail()
			break
		}
		r.err = r.split()
	}
	if r.start < r.ready {
		return nil
	}
	return r.err
}

// load reads until the buffer is full or src has no more, so that no byte of a
// row is looked at more than twice.
func (r *RowReader) load() {
	for empty := 0; r.end < len(r.buf) && r.srcErr == nil; {
		n, err := r.src.Read(r.buf[r.end:])
		r.end += n
		r.srcErr = err
		if n > 0 {
			empty = 0
		} else if empty++; empty == 100 && err == nil {
			r.srcErr = io.ErrNoProgress
		}
	}
}

// split digests the rows of a loaded buffer, up to the terminator, and moves
// ready behind them. Its error says that there is nothing behind ready.
func (r *RowReader) split() error {
	for {
		rest := r.buf[r.ready:r.end]
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			break
		}
		switch row := rest[:n]; {
		case r.wide:
			r.hash.Write(row)
			r.digest.add(r.hash.Sum128())
			r.wide = false
		case string(row) == `\.`:
			r.terminated = true // ready stays before it, for checkTail
			return nil
		default:
			r.digest.AddRow(row)
		}
		r.ready += n + 1
	}
	switch {
	case r.ready > 0:
		return nil
	case r.srcErr == io.EOF:
		return ErrUnterminated
	case r.srcErr != nil:
		return r.srcErr
	}
	r.hashWide()
	return nil
}

// hashWide takes a full buffer that holds no newline.
func (r *RowReader) hashWide() {
	if !r.wide {
		if r.hash == nil {
			r.hash = xxh3.New128()
		}
		r.hash.Reset()
		r.wide = true
	}
	r.hash.Write(r.buf[:r.end])
	r.ready = r.end
}

// checkTail looks at what begins with the end-of-data mark.
func (r *RowReader) checkTail() error {
	switch {
	case r.srcErr == io.EOF && string(r.buf[:r.end]) == Terminator:
		return io.EOF
	case r.srcErr != nil && r.srcErr != io.EOF:
		return r.srcErr
	}
	return ErrTrailing
}
