package proof

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
)

// Object reads one object of a set, decrypted and decompressed. Its last Read returns io.EOF
// only if every stored byte was what the manifest says, else a *DamageError;
// an object that is longer, before or after decompression, ends there.
type Object struct {
	set  string
	path string
	want manifest.Object
	body io.ReadCloser
	dec  *codec.Reader
	sink sinkReader
	raw  int64 // bytes read
	err  error // sticky
}

// Open opens an object of the set by the name that it has in the manifest. The
// caller closes it. Without identities an encrypted one is an *IdentityError;
// one whose bytes are the manifest's, and which no identity opens, is damage
// with an [*age.NoIdentityMatchError] in its chain. An identity that fails by
// itself, as that of a plugin may, is no damage.
func (s Set) Open(ctx context.Context, name string) (*Object, error) {
	want, ok := s.Object(name)
	switch {
	case !ok:
		return nil, &DamageError{Set: s.ID, Object: name, Err: errUnlisted}
	case !codec.Encrypted(name):
		return s.open(ctx, want, codec.CompressionOf(name))
	case len(s.Identities) == 0:
		return nil, &IdentityError{Set: s.ID}
	}
	o, err := s.open(ctx, want, codec.CompressionOf(name), s.Identities...)
	var wrong *age.NoIdentityMatchError
	var failed *codec.IdentityError
	if errors.As(err, &wrong) || errors.As(err, &failed) {
		if err := s.checkStored(ctx, want); err != nil {
			return nil, err // an altered header only looks like another's
		}
	}
	if failed != nil {
		return nil, fmt.Errorf("reading %s: %w", s.Path(name), failed)
	}
	return o, err
}

func (s Set) open(ctx context.Context, want manifest.Object, c codec.Compression, identities ...age.Identity) (*Object, error) {
	o := &Object{set: s.ID, path: s.Path(want.Name), want: want}
	body, err := s.Sink.Get(ctx, o.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, o.damage(errors.New("it is missing"))
	} else if err != nil {
		return nil, fmt.Errorf("reading %s: %w", o.path, err)
	}
	o.body = body
	o.sink.r = body
	if o.dec, err = codec.NewReader(&o.sink, c, identities...); err != nil {
		body.Close()
		return nil, o.broken(err)
	}
	return o, nil
}

// checkStored reads an object as it is stored, and holds it against the
// manifest.
func (s Set) checkStored(ctx context.Context, want manifest.Object) error {
	want.Raw = want.Size
	o, err := s.open(ctx, want, codec.Compression{Algorithm: codec.None})
	if err != nil {
		return err
	}
	defer o.Close()
	_, err = io.Copy(io.Discard, o)
	return err
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
		return fmt.Errorf("reading %s: %w", o.path, o.sink.err)
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
