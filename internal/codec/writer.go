package codec

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// gatherSize is how many bytes small writes are gathered into before they
// reach the compressor: fed row by row, zstd is a tenth slower.
const gatherSize = 64 << 10

// Stats describes one stored object.
type Stats struct {
	Raw    int64    // bytes before compression and encryption
	Stored int64    // bytes as stored
	SHA256 [32]byte // of the bytes as stored
}

// Writer compresses and encrypts what is written to it, and hashes and counts
// what comes out. It starts no goroutine: one that is given up without Close
// leaks nothing.
type Writer struct {
	compression Compression
	stored      storedWriter
	encoder     *encoder       // nil once closed
	encrypter   io.WriteCloser // nil: not encrypted
	raw         int64
}

var _ io.WriteCloser = (*Writer)(nil)

// NewWriter returns a Writer that writes the compressed bytes to dst,
// encrypted to every one of the recipients where any are given: then it writes
// the header at once. The caller closes the Writer, and dst after it.
func NewWriter(dst io.Writer, c Compression, recipients ...age.Recipient) (*Writer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	w := &Writer{compression: c, stored: storedWriter{dst: dst, hash: sha256.New()}}
	var packed io.Writer = &w.stored
	var err error
	if len(recipients) > 0 {
		if w.encrypter, err = encrypt(&w.stored, recipients); err != nil {
			return nil, err
		}
		packed = w.encrypter
	}
	if w.encoder, err = takeEncoder(c); err != nil {
		return nil, err
	}
	w.encoder.reset(packed)
	return w, nil
}

// Write compresses p. An error of dst may show only in a later call.
func (w *Writer) Write(p []byte) (int, error) {
	if w.encoder == nil {
		return 0, errClosed
	}
	n, err := w.encoder.gather.Write(p)
	w.raw += int64(n)
	return n, err
}

// Close writes what is still held back and ends the stream. It does not close
// dst. Closing again does nothing.
func (w *Writer) Close() error {
	if w.encoder == nil {
		return nil
	}
	err := w.encoder.close()
	giveEncoder(w.compression, w.encoder)
	w.encoder = nil
	if err != nil || w.encrypter == nil {
		return err
	}
	return w.encrypter.Close()
}

// Stats is complete once Close has returned nil.
func (w *Writer) Stats() Stats {
	s := Stats{Raw: w.raw, Stored: w.stored.n}
	w.stored.hash.Sum(s.SHA256[:0])
	return s
}

var errClosed = errors.New("codec: written after Close")

// storedWriter hashes and counts what it passes on.
type storedWriter struct {
	dst  io.Writer
	hash hash.Hash
	n    int64
}

func (w *storedWriter) Write(p []byte) (int, error) {
	n, err := w.dst.Write(p)
	w.hash.Write(p[:n])
	w.n += int64(n)
	return n, err
}

// encoder is a compressor with the buffer in front of it. A zstd one holds
// some 10 MiB, so they are used again.
type encoder struct {
	gather   *bufio.Writer
	compress compressor // nil: none
}

type compressor interface {
	io.WriteCloser
	Reset(io.Writer)
}

func (e *encoder) reset(dst io.Writer) {
	if e.compress != nil {
		e.compress.Reset(dst)
		dst = e.compress
	}
	e.gather.Reset(dst)
}

func (e *encoder) close() error {
	if err := e.gather.Flush(); err != nil || e.compress == nil {
		return err
	}
	return e.compress.Close()
}

var encoders sync.Map // of Compression to *sync.Pool of *encoder

func takeEncoder(c Compression) (*encoder, error) {
	pool, _ := encoders.LoadOrStore(c, new(sync.Pool))
	if e, ok := pool.(*sync.Pool).Get().(*encoder); ok {
		return e, nil
	}
	e := &encoder{gather: bufio.NewWriterSize(nil, gatherSize)}
	var err error
	switch c.algorithm() {
	case Zstd:
		level := zstd.SpeedFastest
		if c.Level != 0 {
			level = zstd.EncoderLevelFromZstd(c.Level)
		}
		e.compress, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(level),
			zstd.WithEncoderConcurrency(1), // parallel by ranges, not inside one
			zstd.WithZeroFrames(true))      // an empty object is a valid one
	case Gzip:
		level := gzip.DefaultCompression
		if c.Level != 0 {
			level = c.Level
		}
		e.compress, err = gzip.NewWriterLevel(nil, level)
	}
	return e, err
}

func giveEncoder(c Compression, e *encoder) {
	e.reset(io.Discard) // let go of the caller's writer
	pool, _ := encoders.Load(c)
	pool.(*sync.Pool).Put(e)
}
