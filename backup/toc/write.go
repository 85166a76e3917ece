package toc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

var _ io.WriterTo = (*Archive)(nil)

// WriteTo writes the table of contents in a.Version, which must be 1.14 to 1.16,
// and returns the number of bytes that reached w. What the version cannot say is
// an error: other compression than gzip before 1.15. RelKind is left out
// before 1.16, as pg_dump of those versions does.
func (a *Archive) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	e := &encoder{w: bufio.NewWriterSize(c, 1<<16)}
	err := e.archive(a)
	if err == nil {
		err = e.w.Flush()
	}
	if err != nil {
		err = fmt.Errorf("writing archive table of contents: %w", err)
	}
	return c.n, err
}

// counter counts the bytes that a writer took.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// encoder writes the primitives of the format. It keeps the first error of its
// own; those of the writer are kept by bufio.
type encoder struct {
	w       *bufio.Writer
	intSize byte
	err     error
}

func (e *encoder) int(v int) {
	if v < -math.MaxInt32 || v > math.MaxInt32 {
		e.err = errors.Join(e.err, fmt.Errorf("%d does not fit an archive's integer", v))
	}
	sign, magnitude := byte(0), uint64(v)
	if v < 0 {
		sign, magnitude = 1, uint64(-v)
	}
	e.w.WriteByte(sign)
	e.bytes(magnitude, e.intSize)
}

// bytes writes the lowest n bytes of v, lowest first.
func (e *encoder) bytes(v uint64, n byte) {
	for range n {
		e.w.WriteByte(byte(v))
		v >>= 8
	}
}

func (e *encoder) bool(v bool) {
	if v {
		e.int(1)
	} else {
		e.int(0)
	}
}

func (e *encoder) text(t Text) {
	if !t.Valid {
		e.int(-1)
		return
	}
	if strings.IndexByte(t.S, 0) >= 0 {
		e.err = errors.Join(e.err, fmt.Errorf("%.40q contains a NUL byte", t.S))
	}
	e.int(len(t.S))
	e.w.WriteString(t.S)
}

func (e *encoder) archive(a *Archive) error {
	h := *a
	if err := h.complete(); err != nil {
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	e.intSize = h.IntSize
	e.head(&h)
	for _, entry := range h.Entries {
		e.entry(&h, entry)
		if e.err != nil {
			return fmt.Errorf("%v: %w", entry, e.err)
		}
	}
	return e.err
}

// complete fills in the defaults of the header, and refuses what cannot be written.
func (a *Archive) complete() error {
	if a.Version == (Version{}) {
		a.Version = V1_14
	}
	if a.IntSize == 0 {
		a.IntSize = 4
	}
	if a.OffSize == 0 {
		a.OffSize = 8
	}
	if a.Format == 0 {
		a.Format = FormatTar
	}
	switch {
	case a.Version.before(V1_14) || V1_16.before(a.Version):
		return fmt.Errorf("cannot write archive version %v, only %v to %v", a.Version, V1_14, V1_16)
	case a.IntSize != 4 && a.IntSize != 8 || a.OffSize != 4 && a.OffSize != 8:
		return fmt.Errorf("integers of %d and offsets of %d bytes: only 4 and 8 can be written", a.IntSize, a.OffSize)
	case a.Format != FormatTar && a.Format != FormatCustom:
		return fmt.Errorf("unknown archive format %d", a.Format)
	case a.Compression > CompressZstd:
		return fmt.Errorf("unknown compression %d", a.Compression)
	}
	if !a.Version.before(V1_15) {
		return nil
	}
	switch {
	case a.Compression > CompressGzip:
		return fmt.Errorf("archive version %v knows no other compression than gzip: write %v", a.Version, V1_15)
	case a.Compression == CompressNone:
		a.Level = 0
	case a.Level == 0:
		a.Level = -1
	}
	return nil
}

func (e *encoder) head(a *Archive) {
	e.w.WriteString(magic)
	e.w.Write([]byte{a.Version.Major, a.Version.Minor, a.Version.Rev, a.IntSize, a.OffSize, a.Format})
	if a.Version.before(V1_15) {
		e.int(a.Level)
	} else {
		e.w.WriteByte(byte(a.Compression))
	}
	for _, f := range a.Created.fields() {
		e.int(*f)
	}
	e.text(a.Database)
	e.text(a.ServerVersion)
	e.text(a.DumperVersion)
	e.int(len(a.Entries))
}

func (e *encoder) entry(a *Archive, t *Entry) {
	e.int(t.DumpID)
	e.bool(t.HadDumper)
	e.text(T(strconv.FormatUint(uint64(t.TableOID), 10)))
	e.text(T(strconv.FormatUint(uint64(t.OID), 10)))
	e.text(Text{t.Tag, t.Tag != "" || !t.nullTag})
	e.text(T(t.Desc))
	e.int(int(t.Section))
	e.text(t.Defn)
	e.text(t.Drop)
	e.text(t.Copy)
	e.text(t.Namespace)
	e.text(t.Tablespace)
	e.text(t.TableAM)
	if !a.Version.before(V1_16) {
		e.int(int(t.RelKind))
	}
	e.text(t.Owner)
	e.text(T(strconv.FormatBool(t.WithOIDs)))
	for _, d := range t.Deps {
		e.text(T(strconv.Itoa(d)))
	}
	e.text(Text{})
	if a.Format == FormatCustom {
		e.offset(t.Offset, a.OffSize)
	} else {
		e.text(T(t.File.S)) // empty, not NULL, where there is none
	}
}

func (e *encoder) offset(o Offset, size byte) {
	if o.State == 0 {
		o.State = OffsetNoData
	}
	if o.State > OffsetNoData || size == 4 && o.Pos > math.MaxUint32 {
		e.err = errors.Join(e.err, fmt.Errorf("offset %+v cannot be written in %d bytes", o, size))
	}
	e.w.WriteByte(byte(o.State))
	e.bytes(o.Pos, size)
}
