package restore

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/internal/delta"
)

// errKeys is wrapped by what is wrong with the text of keys.
var errKeys = errors.New("its rows cannot be told apart")

// keyReader reads the COPY text of rows and hands out that of their keys: of
// some columns, in the order in which they have them. It takes the same memory
// for rows of any width.
type keyReader struct {
	src    io.Reader
	isKey  []bool // by column
	buf    []byte
	out    []byte // text of keys that is yet to be handed out
	column int    // that the next byte belongs to
	keys   int    // columns of the key that began in this row
	err    error
}

func newKeyReader(src io.Reader, isKey []bool) *keyReader {
	return &keyReader{src: src, isKey: isKey, buf: make([]byte, 64<<10)}
}

func (r *keyReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		n, err := r.src.Read(r.buf)
		r.err = err
		if bad := r.cut(r.buf[:n]); bad != nil {
			r.err = bad
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// cut takes the keys out of text. In COPY text a tab and a newline are never
// part of a value.
func (r *keyReader) cut(text []byte) error {
	r.out = r.out[:0]
	for len(text) > 0 {
		if r.column >= len(r.isKey) {
			return fmt.Errorf("%w: a row has more than its %d columns", errKeys, len(r.isKey))
		}
		end := bytes.IndexAny(text, "\t\n")
		value := text
		if end >= 0 {
			value = text[:end]
		}
		if r.isKey[r.column] {
			r.out = append(r.out, value...)
		}
		if end < 0 {
			return nil
		}
		if err := r.next(text[end]); err != nil {
			return err
		}
		text = text[end+1:]
	}
	return nil
}

// next goes on behind a column, or behind a row.
func (r *keyReader) next(delimiter byte) error {
	if r.isKey[r.column] {
		r.keys++
	}
	r.column++
	switch {
	case delimiter == '\n' && r.column < len(r.isKey):
		return fmt.Errorf("%w: a row has %d columns, not %d", errKeys, r.column, len(r.isKey))
	case delimiter == '\n':
		r.out = append(r.out, '\n')
		r.column, r.keys = 0, 0
	case r.keys > 0 && r.column < len(r.isKey) && r.isKey[r.column]:
		r.out = append(r.out, '\t')
	}
	return nil
}

// maxKey is the most that a key's COPY text can take, in bytes: an index holds
// 2,704 bytes of it (BTMaxItemSize in nbtree.h), which compression may have made
// 255 times smaller and escapes make four times larger.
const maxKey = 2704 * 255 * 4

// bucketReader reads the COPY text of keys and hands out those of chosen
// buckets.
type bucketReader struct {
	lines    *bufio.Scanner
	geometry delta.Geometry
	chosen   func(bucket int) bool
	out      []byte
}

func newBucketReader(src io.Reader, g delta.Geometry, chosen func(bucket int) bool) *bucketReader {
	r := &bucketReader{lines: bufio.NewScanner(src), geometry: g, chosen: chosen}
	r.lines.Buffer(nil, maxKey)
	return r
}

func (r *bucketReader) Read(p []byte) (int, error) {
	for len(r.out) == 0 {
		if !r.lines.Scan() {
			switch err := r.lines.Err(); err {
			case nil:
				return 0, io.EOF
			case bufio.ErrTooLong:
				return 0, fmt.Errorf("%w: a key has more than %d bytes", errKeys, maxKey)
			default:
				return 0, err
			}
		}
		line := r.lines.Bytes()
		key := bytes.Split(line, []byte{'\t'})
		for i, value := range key {
			key[i] = unescape(value)
		}
		bucket, _, err := r.geometry.Key(key)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", errKeys, err)
		}
		if r.chosen(bucket) {
			r.out = append(append(r.out[:0], line...), '\n')
		}
	}
	n := copy(p, r.out)
	r.out = r.out[n:]
	return n, nil
}

// unescape is the value that a field of COPY text stands for, nil for NULL. The
// server escapes no other bytes (CopyAttributeOutText in copyto.c).
func unescape(field []byte) []byte {
	if string(field) == `\N` {
		return nil
	}
	if bytes.IndexByte(field, '\\') < 0 {
		return field
	}
	value := make([]byte, 0, len(field))
	for i := 0; i < len(field); i++ {
		c := field[i]
		if c == '\\' && i+1 < len(field) {
			i++
			c = field[i]
			if at := bytes.IndexByte([]byte("bfnrtv"), c); at >= 0 {
				c = "\b\f\n\r\t\v"[at]
			}
		}
		value = append(value, c)
	}
	return value
}
