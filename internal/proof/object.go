package proof

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/remote"
)

// maxArchive is the most that a toc.dat may take, in bytes, as it is held in
// memory.
const maxArchive = 1 << 30

// DamageError is what the public packages return for damage.
type DamageError = manifest.DamageError

// Object reads one object of a set, decompressed. Its last Read returns io.EOF
// only if every stored byte was what the manifest says, else a *DamageError;
// an object that is longer, before or after decompression, ends there.
type Object struct {
	set  string
	want manifest.Object
	body io.ReadCloser
	dec  *codec.Reader
	sink sinkReader
	raw  int64 // bytes read
	err  error // sticky
}

// Open opens an object of a set by the name that it has in the manifest. The
// caller closes it.
func Open(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest, name string) (*Object, error) {
	want, ok := m.Object(name)
	if !ok {
		return nil, &DamageError{Set: m.ID, Object: name, Err: errUnlisted}
	}
	o := &Object{set: m.ID, want: want}
	body, err := sink.Get(ctx, m.ID+"/"+name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, o.damage(errors.New("it is missing"))
	} else if err != nil {
		return nil, fmt.Errorf("reading %s/%s: %w", m.ID, name, err)
	}
	o.body = body
	o.sink.r = body
	if o.dec, err = codec.NewReader(&o.sink, codec.CompressionOf(name)); err != nil {
		body.Close()
		return nil, o.broken(err)
	}
	return o, nil
}

// Read reads the object's content.
func (o *Object) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.dec.Read(p)
	o.raw += int64(n)
	switch {
	case err == io.EOF:
		o.err = o.check()
	case err != nil:
		o.err = o.broken(err)
	case o.sink.n > o.want.Size:
		o.err = o.damage(fmt.Errorf("it has more than the %d bytes that the manifest says", o.want.Size))
	case o.raw > o.want.Raw:
		o.err = o.damage(fmt.Errorf("it holds more than the %d bytes decompressed that the manifest says", o.want.Raw))
	}
	return n, o.err
}

// broken tells a failure of the store or the network from one of the bytes.
func (o *Object) broken(err error) error {
	if o.sink.err != nil {
		return fmt.Errorf("reading %s/%s: %w", o.set, o.want.Name, o.sink.err)
	}
	return o.damage(err)
}

// check compares what was read with the manifest and gives io.EOF if it is
// the same.
func (o *Object) check() error {
	s := o.dec.Stats()
	switch {
	case s.Stored != o.want.Size:
		return o.damage(fmt.Errorf("it has %d bytes, the manifest says %d", s.Stored, o.want.Size))
	case hex.EncodeToString(s.SHA256[:]) != o.want.SHA256:
		return o.damage(errors.New("its sha256 is not the manifest's"))
	case s.Raw != o.want.Raw:
		return o.damage(fmt.Errorf("it holds %d bytes decompressed, the manifest says %d", s.Raw, o.want.Raw))
	}
	return io.EOF
}

func (o *Object) damage(err error) error {
	return &DamageError{Set: o.set, Object: o.want.Name, Err: err}
}

// Close releases the object. It does not check what was not read.
func (o *Object) Close() error {
	err := o.dec.Close()
	if cerr := o.body.Close(); err == nil {
		err = cerr
	}
	return err
}

// sinkReader counts what the store gives, and remembers its failure, which
// decoders wrap or replace.
type sinkReader struct {
	r   io.Reader
	n   int64
	err error
}

func (s *sinkReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.n += int64(n)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Contents reads a set's contents.json.
func Contents(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest) (*manifest.Contents, error) {
	o, err := openStored(ctx, sink, m, manifest.ContentsName, manifest.MaxContentsSize)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	data, err := io.ReadAll(o)
	if err != nil {
		return nil, err
	}
	c, err := manifest.ParseContents(data)
	if err != nil {
		return nil, o.damage(err)
	}
	return c, nil
}

// Archive reads a set's toc.dat.
func Archive(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest) (*toc.Archive, error) {
	o, err := openStored(ctx, sink, m, toc.FileName, maxArchive)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	a, err := toc.Read(o)
	if err == nil {
		_, err = io.Copy(io.Discard, o) // to the end, where the object is checked
	}
	var damage *DamageError
	if err != nil && o.sink.err == nil && !errors.As(err, &damage) {
		err = o.damage(err)
	}
	return a, err
}

// LargeObjects reads a BLOBS entry's list of large objects and calls each with
// the OID of every one and the name under which the manifest lists its content,
// once the list's checksum was found right. Errors of each end it and are
// returned as they are.
func LargeObjects(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest, list string, each func(oid uint32, object string) error) error {
	o, err := openStored(ctx, sink, m, list, maxArchive)
	if err != nil {
		return err
	}
	defer o.Close()
	data, err := io.ReadAll(o)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		var oid uint32
		var file string
		if _, err := fmt.Sscanf(string(line), "%d %s\n", &oid, &file); err != nil {
			return o.damage(fmt.Errorf("line %.80q names no large object", line))
		}
		name, ok := Stored(m, file)
		if !ok {
			return &DamageError{Set: m.ID, Object: file, Err: errUnlisted}
		}
		if err := each(oid, name); err != nil {
			return err
		}
	}
	return nil
}

// Stored finds the name that an object has in the manifest, whatever its
// compression: "contents.json" may be "contents.json.zst".
func Stored(m *manifest.Manifest, base string) (string, bool) {
	for _, ext := range []string{"", ".zst", ".gz"} {
		if _, ok := m.Object(base + ext); ok {
			return base + ext, true
		}
	}
	return "", false
}

// openStored opens an object of at most so many bytes, uncompressed, by the
// beginning of its name that compression does not change.
func openStored(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest, base string, most int64) (*Object, error) {
	name, ok := Stored(m, base)
	if !ok {
		return nil, &DamageError{Set: m.ID, Object: base, Err: errUnlisted}
	}
	if o, _ := m.Object(name); o.Raw > most {
		return nil, &DamageError{Set: m.ID, Object: name, Err: fmt.Errorf("it is larger than %d bytes", most)}
	}
	return Open(ctx, sink, m, name)
}

var errUnlisted = errors.New("the manifest does not list it")
