package proof

import (
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

// mostIndex bounds an object that is read whole into memory.
const mostIndex = 1 << 30

// DamageError is what the public packages return for damage.
type DamageError = manifest.DamageError

// Object reads one object of a set, decompressed. Its last Read returns io.EOF
// only if every stored byte was what the manifest says, else a *DamageError.
type Object struct {
	set  string
	want manifest.Object
	body io.ReadCloser
	dec  *codec.Reader
	sink sinkReader
	err  error // sticky
}

// Open opens an object of a set by the name that it has in the manifest. The
// caller closes it.
func Open(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest, name string) (*Object, error) {
	want, ok := m.Object(name)
	if !ok {
		return nil, &DamageError{Set: m.ID, Object: name, Err: errors.New("the manifest does not list it")}
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
		return nil, o.damage(err)
	}
	return o, nil
}

// Read reads the object's content.
func (o *Object) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.dec.Read(p)
	switch {
	case err == io.EOF:
		o.err = o.check()
	case err != nil && o.sink.err != nil: // the store or the network, not the bytes
		o.err = fmt.Errorf("reading %s/%s: %w", o.set, o.want.Name, o.sink.err)
	case err != nil:
		o.err = o.damage(err)
	}
	return n, o.err
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

// sinkReader remembers a failure of the store, which decoders wrap or replace.
type sinkReader struct {
	r   io.Reader
	err error
}

func (s *sinkReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// Contents reads a set's contents.json.
func Contents(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest) (*manifest.Contents, error) {
	data, name, err := readIndex(ctx, sink, m, "contents.json")
	if err != nil {
		return nil, err
	}
	c, err := manifest.ParseContents(data)
	if err != nil {
		return nil, &DamageError{Set: m.ID, Object: name, Err: err}
	}
	return c, nil
}

// Archive reads a set's toc.dat.
func Archive(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest) (*toc.Archive, error) {
	o, err := Open(ctx, sink, m, "toc.dat")
	if err != nil {
		return nil, err
	}
	defer o.Close()
	a, err := toc.Read(o)
	if err == nil {
		_, err = io.Copy(io.Discard, o) // to the end, where the object is checked
	}
	var damage *DamageError
	if err != nil && !errors.As(err, &damage) {
		err = &DamageError{Set: m.ID, Object: "toc.dat", Err: err}
	}
	return a, err
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

func readIndex(ctx context.Context, sink remote.RemoteSink, m *manifest.Manifest, base string) (data []byte, name string, err error) {
	name, ok := Stored(m, base)
	if !ok {
		return nil, base, &DamageError{Set: m.ID, Object: base, Err: errors.New("the manifest does not list it")}
	}
	o, err := Open(ctx, sink, m, name)
	if err != nil {
		return nil, name, err
	}
	defer o.Close()
	data, err = io.ReadAll(io.LimitReader(o, mostIndex))
	if len(data) == mostIndex {
		err = &DamageError{Set: m.ID, Object: name, Err: fmt.Errorf("it is larger than %d bytes", mostIndex)}
	}
	return data, name, err
}
