package backup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// rowReader reads the rows of an object one by one. It holds the widest.
type rowReader struct {
	object *proof.Object
	lines  *bufio.Reader
	wide   []byte // a row that the buffer has no room for
}

func (c *consolidation) openRows(ctx context.Context, in input) (*rowReader, error) {
	object, err := c.set(in.set).Open(ctx, in.name)
	if err != nil {
		return nil, again(ctx, err)
	}
	return &rowReader{object: object, lines: bufio.NewReaderSize(codec.NewRowReader(object), 64<<10)}, nil
}

// next returns a row with its newline, which is valid until the next call.
// io.EOF says that the object was read to its end and is whole.
func (r *rowReader) next() ([]byte, error) {
	line, err := r.lines.ReadSlice('\n')
	if err == nil {
		return line, nil
	}
	r.wide = r.wide[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		r.wide = append(r.wide, line...)
		line, err = r.lines.ReadSlice('\n')
	}
	if err == nil {
		r.wide = append(r.wide, line...)
	}
	return r.wide, err
}

func (r *rowReader) close() { r.object.Close() }

// again marks an error of reading as one to try again after, unless the set is
// damaged or the sink says that it will not pass.
func again(ctx context.Context, err error) error {
	var damage *manifest.DamageError
	var identity *proof.IdentityError
	if ctx.Err() != nil || errors.As(err, &damage) || errors.As(err, &identity) || remote.IsLasting(err) {
		return err
	}
	return Retryable(err)
}

// cursor reads the rows of several objects one after the other.
type cursor struct {
	c      *consolidation
	inputs []input
	opened int        // how many were
	rows   *rowReader // of the last that was; nil: none, or it was read
	offset int64      // of the next row, in the text of all
}

// next returns a row with its newline, valid until the next call, and its
// layer. io.EOF says that all objects were read to their end.
func (u *cursor) next(ctx context.Context) ([]byte, uint16, error) {
	for {
		if u.rows == nil {
			if u.opened == len(u.inputs) {
				return nil, 0, io.EOF
			}
			rows, err := u.c.openRows(ctx, u.inputs[u.opened])
			if err != nil {
				return nil, 0, err
			}
			u.rows = rows
			u.opened++
		}
		in := u.inputs[u.opened-1]
		row, err := u.rows.next()
		if err == nil {
			u.offset += int64(len(row))
			return row, in.layer, nil
		}
		u.close()
		switch {
		case errors.Is(err, codec.ErrUnterminated) || errors.Is(err, codec.ErrTrailing):
			return nil, 0, &manifest.DamageError{Set: in.set.ID, Object: in.name, Err: err}
		case err != io.EOF:
			return nil, 0, again(ctx, err)
		}
	}
}

func (u *cursor) close() {
	if u.rows != nil {
		u.rows.close()
		u.rows = nil
	}
}

// fieldReader takes fields out of a row's COPY text.
type fieldReader struct {
	at     []int // by column, up to the last that is wanted: which field it is, or -1
	whole  bool  // there is no other column
	fields [][]byte
	text   []byte // what had to be unescaped
}

// newFieldReader returns a reader of the columns that are wanted, in their
// order, of those that rows have.
func newFieldReader(columns, wanted []string) (*fieldReader, error) {
	r := &fieldReader{fields: make([][]byte, len(wanted))}
	left := map[string]int{}
	for i, name := range wanted {
		left[name] = i
	}
	for _, name := range columns {
		if len(left) == 0 {
			return r, nil
		}
		i, ok := left[name]
		if !ok {
			i = -1
		}
		delete(left, name)
		r.at = append(r.at, i)
	}
	if r.whole = true; len(left) > 0 {
		return nil, fmt.Errorf("its rows lack a column of its key (%q)", wanted)
	}
	return r, nil
}

var errFields = errors.New("a row has more columns than the table, or fewer")

// read returns the wanted fields of a row without its newline, unescaped; nil is
// NULL. They are valid until the next call, and as long as the row is.
func (r *fieldReader) read(row []byte) ([][]byte, error) {
	r.text = r.text[:0]
	for n, i := range r.at {
		if row == nil {
			return nil, errFields
		}
		field := row
		if end := bytes.IndexByte(row, '\t'); end >= 0 {
			field, row = row[:end], row[end+1:]
		} else {
			row = nil
		}
		if i < 0 {
			continue
		}
		var err error
		if r.fields[i], err = r.unescape(field); err != nil {
			return nil, fmt.Errorf("column %d of a row: %w", n+1, err)
		}
	}
	if r.whole && (len(row) > 0 || row != nil && len(r.at) > 0) {
		return nil, errFields
	}
	return r.fields, nil
}

// unescape undoes what COPY TO does (CopyAttributeOutText in
// src/backend/commands/copyto.c).
func (r *fieldReader) unescape(field []byte) ([]byte, error) {
	at := bytes.IndexByte(field, '\\')
	if at < 0 {
		return field, nil
	}
	if string(field) == `\N` {
		return nil, nil
	}
	begin := len(r.text)
	for ; at >= 0; at = bytes.IndexByte(field, '\\') {
		if at+1 == len(field) {
			return nil, errors.New("it ends in a lone backslash")
		}
		c := unescaped[field[at+1]]
		if c == 0 {
			return nil, fmt.Errorf("it has %q, which is not COPY's", field[at:at+2])
		}
		r.text = append(append(r.text, field[:at]...), c)
		field = field[at+2:]
	}
	r.text = append(r.text, field...)
	return r.text[begin:len(r.text):len(r.text)], nil
}

// unescaped is what a character stands for behind a backslash; 0: nothing.
var unescaped = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\'}
