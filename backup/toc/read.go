package toc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

const magic = "PGDMP"

// Read reads a table of contents. It checks what it reads, holds no more memory
// than a small multiple of the bytes that r really gave, whatever lengths they
// claim, and returns a [*NewerVersionError] for a format it does not know. A
// file cut short gives an error that is [io.ErrUnexpectedEOF].
//
// After FormatTar r must be at its end. After FormatCustom the data follows, of
// which Read may have consumed some.
func Read(r io.Reader) (*Archive, error) {
	d := &decoder{r: bufio.NewReaderSize(r, 1<<16)}
	a := &Archive{}
	count := d.head(a)
	for i := 0; i < count && d.err == nil; i++ {
		d.where = fmt.Sprintf("entry %d of %d: ", i+1, count)
		a.Entries = append(a.Entries, d.entry(a))
	}
	if d.err == nil && a.Format != FormatCustom {
		d.where = ""
		d.end()
	}
	if d.err == nil {
		d.err = a.check()
	}
	if d.err != nil {
		return nil, fmt.Errorf("reading archive table of contents: %w", d.err)
	}
	return a, nil
}

// decoder reads the primitives of the format. After the first error, which it
// keeps, it returns zero values.
type decoder struct {
	r       *bufio.Reader
	intSize byte
	where   string // prefix of errors
	scratch []byte
	err     error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(d.where+format, args...)
	}
}

// broken keeps an error of the source; to it, the end is never expected.
func (d *decoder) broken(what string, err error) {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	d.fail("%s: %w", what, err)
}

func (d *decoder) end() {
	switch _, err := d.r.ReadByte(); {
	case err == nil:
		d.fail("bytes follow the last entry")
	case !errors.Is(err, io.EOF):
		d.fail("%w", err)
	}
}

func (d *decoder) byte(what string) byte {
	if d.err != nil {
		return 0
	}
	b, err := d.r.ReadByte()
	if err != nil {
		d.broken(what, err)
	}
	return b
}

// bytes are the next n <= 65,536 bytes, good until the next call.
func (d *decoder) bytes(n int, what string) []byte {
	if d.scratch == nil {
		d.scratch = make([]byte, 1<<16)
	}
	b := d.scratch[:n]
	if d.err == nil {
		if _, err := io.ReadFull(d.r, b); err != nil {
			d.broken(what, err)
		}
	}
	if d.err != nil {
		clear(b)
	}
	return b
}

// int reads an integer, and refuses spellings that PostgreSQL does not write.
func (d *decoder) int(what string) int {
	b := d.bytes(1+int(d.intSize), what)
	var v uint64
	for i, c := range b[1:] {
		v |= uint64(c) << (8 * i)
	}
	switch {
	case b[0] > 1 || b[0] == 1 && v == 0:
		d.fail("%s: damaged integer", what)
	case v > math.MaxInt32:
		d.fail("%s: integer out of range", what)
	case b[0] == 1:
		return -int(v)
	default:
		return int(v)
	}
	return 0
}

func (d *decoder) bool(what string) bool {
	v := d.int(what)
	if v != 0 && v != 1 {
		d.fail("%s: neither 0 nor 1 but %d", what, v)
	}
	return v == 1
}

func (d *decoder) text(what string) Text {
	n := d.int(what)
	switch {
	case d.err != nil || n == -1:
		return Text{}
	case n < 0:
		d.fail("%s: length %d", what, n)
		return Text{}
	}
	s := d.str(n, what)
	if bytes.IndexByte(s, 0) >= 0 {
		d.fail("%s: contains a NUL byte", what)
	}
	return T(string(s))
}

// str are the next n bytes. A long one grows as its bytes arrive: n may lie.
func (d *decoder) str(n int, what string) []byte {
	if n <= 1<<16 {
		return d.bytes(n, what)
	}
	var long bytes.Buffer
	if _, err := io.CopyN(&long, d.r, int64(n)); err != nil {
		d.broken(fmt.Sprintf("%s of %d bytes", what, n), err)
	}
	return long.Bytes()
}

// required is a text that may not be NULL.
func (d *decoder) required(what string) string {
	t := d.text(what)
	if !t.Valid {
		d.fail("%s: NULL", what)
	}
	return t.S
}

// oid is an object identifier, which is kept as decimal text.
func (d *decoder) oid(what string) uint32 {
	s := d.required(what)
	v, err := strconv.ParseUint(s, 10, 32)
	if d.err == nil && (err != nil || strconv.FormatUint(v, 10) != s) {
		d.fail("%s: %.20q is no object identifier", what, s)
	}
	return uint32(v)
}

// head reads what precedes the entries, and returns their number.
func (d *decoder) head(a *Archive) int {
	if b := d.bytes(len(magic), "file header"); d.err == nil && string(b) != magic {
		d.fail("not a PostgreSQL archive: it begins with %q", b)
	}
	a.Version = Version{d.byte("version"), d.byte("version"), d.byte("version")}
	switch {
	case d.err != nil:
		return 0
	case V1_16.before(a.Version):
		d.err = &NewerVersionError{a.Version}
	case a.Version.before(oldest):
		d.fail("archive version %v is older than %v; restore it with pg_restore, and dump again", a.Version, oldest)
	}
	a.IntSize, a.OffSize, a.Format = d.byte("integer size"), d.byte("offset size"), d.byte("format")
	switch {
	case a.IntSize != 4 && a.IntSize != 8:
		d.fail("integers of %d bytes", a.IntSize)
	case a.OffSize != 4 && a.OffSize != 8:
		d.fail("file offsets of %d bytes", a.OffSize)
	case a.Format != FormatTar && a.Format != FormatCustom:
		d.fail("unknown archive format %d", a.Format)
	}
	if d.err != nil {
		return 0
	}
	d.intSize = a.IntSize
	if a.Version.before(V1_15) {
		if a.Level = d.int("compression level"); a.Level != 0 {
			a.Compression = CompressGzip
		}
	} else if a.Compression = Compression(d.byte("compression")); a.Compression > CompressZstd {
		d.fail("unknown compression %d", a.Compression)
	}
	for _, f := range a.Created.fields() {
		*f = d.int("creation time")
	}
	a.Database = d.text("database name")
	a.ServerVersion = d.text("server version")
	a.DumperVersion = d.text("pg_dump version")
	count := d.int("number of entries")
	if count < 0 {
		d.fail("number of entries: %d", count)
	}
	return count
}

func (d *decoder) entry(a *Archive) *Entry {
	e := &Entry{}
	e.DumpID = d.int("dump ID")
	e.HadDumper = d.bool("data mark")
	e.TableOID = d.oid("catalog OID")
	e.OID = d.oid("OID")
	tag := d.text("tag")
	e.Tag, e.nullTag = tag.S, !tag.Valid
	e.Desc = d.required("desc")
	e.Section = Section(d.int("section"))
	e.Defn = d.text("defn")
	e.Drop = d.text("drop statement")
	e.Copy = d.text("copy statement")
	e.Namespace = d.text("namespace")
	e.Tablespace = d.text("tablespace")
	if !a.Version.before(V1_14) {
		e.TableAM = d.text("table access method")
	}
	if !a.Version.before(V1_16) {
		kind := d.int("relation kind")
		if kind < 0 || kind > math.MaxInt8 {
			d.fail("relation kind: %d", kind)
		}
		e.RelKind = byte(kind)
	}
	e.Owner = d.text("owner")
	switch oids := d.required("WITH OIDS mark"); oids {
	case "true":
		e.WithOIDs = true
	case "false":
	default:
		d.fail("WITH OIDS mark: %.20q", oids)
	}
	e.Deps = d.deps()
	if a.Format == FormatCustom {
		e.Offset = d.offset(int(a.OffSize))
	} else if name := d.required("file name"); name != "" {
		e.File = T(name)
	}
	return e
}

func (d *decoder) deps() []int {
	var deps []int
	for {
		t := d.text("dependency")
		if d.err != nil || !t.Valid {
			return deps
		}
		v, err := strconv.Atoi(t.S)
		if err != nil || strconv.Itoa(v) != t.S {
			d.fail("dependency: %.20q is no dump ID", t.S)
		}
		deps = append(deps, v)
	}
}

func (d *decoder) offset(size int) Offset {
	o := Offset{State: OffsetState(d.byte("offset"))}
	if o.State < OffsetNotSet || o.State > OffsetNoData {
		d.fail("offset: unknown state %d", o.State)
	}
	for i, c := range d.bytes(size, "offset") {
		o.Pos |= uint64(c) << (8 * i)
	}
	return o
}
