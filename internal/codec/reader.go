package codec

import (
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the widest window, in bytes, that a zstd object may ask its
// reader to hold: what the zstd program accepts without being told to. It
// bounds the memory that a hostile object can take.
const maxWindow = 128 << 20

// Reader decrypts and decompresses an object, and hashes and counts its stored
// bytes. What is not of the wanted format, or ends too early, is an error; so
// are bytes after the end that are not another frame (zstd) or member (gzip).
type Reader struct {
	stored       storedReader
	packed       countingReader // the compressed bytes, decrypted
	decompressor decompressor   // nil: none, or closed
	plain        io.Reader
	pool         *sync.Pool // where the decompressor goes back to
	raw          int64
	err          error
}

var _ io.ReadCloser = (*Reader)(nil)

// NewReader returns a Reader of what src holds compressed, and encrypted where
// identities are given; the level of c is of no account. Where none of the
// identities is a recipient's, a [*age.NoIdentityMatchError] is in the chain of
// the error; an [*IdentityError] where one could not be asked. The caller closes the Reader, and src after it.
func NewReader(src io.Reader, c Compression, identities ...age.Identity) (*Reader, error) {
	r := &Reader{stored: storedReader{src: src, hash: sha256.New()}}
	r.packed.src = &r.stored
	if len(identities) > 0 {
		var err error
		if r.packed.src, err = decrypt(&r.stored, identities); err != nil {
			return nil, err
		}
	}
	switch c.algorithm() {
	case None:
		r.plain = &r.packed
		return r, nil
	case Zstd:
		r.pool = &zstdDecoders
	case Gzip:
		r.pool = &gzipDecoders
	default:
		return nil, c.check()
	}
	r.decompressor = r.pool.Get().(decompressor)
	r.plain = r.decompressor
	if err := r.decompressor.Reset(&r.packed); err != nil {
		r.Close()
		return nil, early(err)
	}
	return r, nil
}

// Read returns decompressed bytes. It returns io.EOF only when src was read to
// its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	n, err := r.plain.Read(p)
	r.raw += int64(n)
	if err == io.EOF {
		err = r.finish()
	}
	r.err = err
	return n, err
}

// finish reads src to its end, behind that of the compressed stream: through
// the decryption, which knows whether it was cut short.
func (r *Reader) finish() error {
	if _, err := io.Copy(io.Discard, &r.packed); err != nil {
		return err
	}
	if r.packed.n == 0 && r.decompressor != nil {
		return io.ErrUnexpectedEOF // even an empty object has a header
	}
	return io.EOF
}

// Close gives the decompressor back. It does not close src, and it does not
// tell whether the object was sound: only io.EOF from Read does.
func (r *Reader) Close() error {
	if r.decompressor != nil {
		r.decompressor.Reset(nothing{}) // lets go of src
		r.pool.Put(r.decompressor)
		r.decompressor = nil
	}
	if r.err == nil {
		r.err = errors.New("codec: read after Close")
	}
	return nil
}

// Stats describes what was read so far; it is complete once Read has returned
// io.EOF.
func (r *Reader) Stats() Stats {
	s := Stats{Raw: r.raw, Stored: r.stored.n}
	r.stored.hash.Sum(s.SHA256[:0])
	return s
}

// storedReader hashes and counts what it hands on. Its first error stays, as
// the zstd reader takes an io.ErrUnexpectedEOF between two frames for the end.
type storedReader struct {
	src  io.Reader
	hash hash.Hash
	n    int64
	err  error
}

func (r *storedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.src.Read(p)
	r.hash.Write(p[:n])
	r.n += int64(n)
	r.err = err
	return n, err
}

// countingReader counts what it hands on.
type countingReader struct {
	src io.Reader
	n   int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.n += int64(n)
	return n, err
}

type decompressor interface {
	io.Reader
	Reset(io.Reader) error
}

var (
	zstdDecoders = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1), // no goroutines
			zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			panic(err) // constant options
		}
		return d
	}}
	gzipDecoders = sync.Pool{New: func() any { return new(gzip.Reader) }}
)

// nothing is an empty reader that a decompressor may hold while it rests.
type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// early is err, or io.ErrUnexpectedEOF where a header was wanted.
func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
