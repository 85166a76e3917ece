package codec

import (
	"bytes"
	"errors"
	"io"
)

// Terminator ends the COPY text of a table in an archive: the end-of-data
// mark and two empty lines, as pg_dump writes them (src/bin/pg_dump/pg_dump.c,
// dumpTableData_copy). It cannot be a row: COPY writes a backslash in a value
// as two.
const Terminator = "\\.\n\n\n"

// ErrRow is returned for a COPY message that is not one row.
var ErrRow = errors.New("COPY message is not one row ended by a newline: is there something between us and the server that splits or joins messages?")

// RowWriter passes rows on and adds each one to a digest.
type RowWriter struct {
	dst    io.Writer
	digest *Digest
}

var _ io.WriteCloser = (*RowWriter)(nil)

// NewRowWriter returns a RowWriter that passes rows on to dst (io.Discard
// where the digest alone is wanted) and adds them to d, which is the caller's
// to read between two calls. An attempt that starts over needs a new d.
func NewRowWriter(dst io.Writer, d *Digest) *RowWriter {
	return &RowWriter{dst: dst, digest: d}
}

// Write takes one row with its newline: the whole of one CopyData message, as
// a server sends one a row (PostgreSQL documentation, "COPY Operations").
// Anything else is ErrRow, and is not passed on.
func (w *RowWriter) Write(p []byte) (int, error) {
	end := bytes.IndexByte(p, '\n')
	if end < 0 || end != len(p)-1 {
		return 0, ErrRow
	}
	w.digest.AddRow(p[:end])
	return w.dst.Write(p)
}

// Close writes the Terminator, which the payload of a table in an archive
// needs and a digest does not. It does not close dst.
func (w *RowWriter) Close() error {
	_, err := io.WriteString(w.dst, Terminator)
	return err
}
