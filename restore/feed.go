package restore

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// feed sends the objects of a table's rows to the server.
type feed struct {
	conn  *pgx.Conn
	meter *meter
	entry *toc.Entry // that errors name
}

// rows sends the rows of an object to a COPY, and returns their digest. The
// stream ends well only when the object's checksum was right, so that the server
// commits nothing else. If through is not nil, it makes what is sent of the rows.
func (f feed) rows(ctx context.Context, s proof.Set, name, sql string, through func(io.Reader) io.Reader) (d codec.Digest, err error) {
	obj, err := s.Open(ctx, name)
	if err != nil {
		return d, err
	}
	defer obj.Close()
	rows := codec.NewRowReader(obj)
	in := &keepingReader{r: &countingReader{r: rows, meter: f.meter}}
	if through != nil {
		in.r = through(in.r)
	}
	tag, err := f.conn.PgConn().CopyFrom(ctx, in, sql)
	switch {
	case errors.Is(in.err, codec.ErrUnterminated), errors.Is(in.err, codec.ErrTrailing), errors.Is(in.err, errKeys):
		return d, &proof.DamageError{Set: s.ID, Object: name, Err: in.err}
	case in.err != nil:
		return d, in.err // why the COPY was given up; the server only repeats it
	case err != nil:
		return d, entryError(f.entry, sql, err)
	}
	d = rows.Digest()
	if through == nil && tag.RowsAffected() != d.Rows {
		err = &EntryError{Desc: f.entry.Desc, Name: f.entry.Tag, Err: fmt.Errorf("the server took %d rows of %d", tag.RowsAffected(), d.Rows)}
	}
	return d, err
}

// keepingReader keeps the error that ended a stream, but io.EOF.
type keepingReader struct {
	r   io.Reader
	err error
}

func (k *keepingReader) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && err != io.EOF {
		k.err = err
	}
	return n, err
}

// countingReader tells the meter of every mebibyte that passes.
type countingReader struct {
	r       io.Reader
	meter   *meter
	pending int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.pending += int64(n); c.pending >= 1<<20 || err != nil {
		c.meter.add(c.pending)
		c.pending = 0
	}
	return n, err
}
