package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/remote"
)

// maxArchive is the most that an archive's table of contents may take, in bytes, as it is held in
// memory.
const maxArchive = 1 << 30

// DamageError is what the public packages return for damage.
type DamageError = manifest.DamageError

// IdentityError tells that a set is encrypted, and not to those who want to
// read it.
type IdentityError struct {
	Set   string
	Given int // how many identities there were to try
	Err   error
}

func (e *IdentityError) Error() string {
	switch e.Given {
	case 0:
		return fmt.Sprintf("set %s is encrypted, and no identity was given: it takes the age identity (AGE-SECRET-KEY-...) of one of those it is encrypted to", e.Set)
	case 1:
		return fmt.Sprintf("set %s is encrypted, and the identity given does not open it: it takes that of one of those it is encrypted to", e.Set)
	}
	return fmt.Sprintf("set %s is encrypted, and none of the %d identities given opens it: it takes that of one of those it is encrypted to", e.Set, e.Given)
}

// Unwrap returns what age said: an [*age.NoIdentityMatchError], or nil where it
// was not asked.
func (e *IdentityError) Unwrap() error { return e.Err }

// Set is a set of a sink, to be read. It may be used by several goroutines, as
// far as its identities may.
type Set struct {
	*manifest.Manifest
	Sink       remote.RemoteSink
	Identities []age.Identity // needed where objects are encrypted
}

// Contents reads the set's contents.json. It is what to read first, as it
// tells whether the identities are the right ones: else the error is an
// *IdentityError.
func (s Set) Contents(ctx context.Context) (*manifest.Contents, error) {
	o, err := s.openStored(ctx, manifest.ContentsName, manifest.MaxContentsSize)
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, &IdentityError{s.ID, len(s.Identities), wrong}
	}
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

// Archive reads the set's table of contents.
func (s Set) Archive(ctx context.Context) (*toc.Archive, error) {
	o, err := s.openStored(ctx, ArchiveName(s.Manifest), maxArchive)
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
func (s Set) LargeObjects(ctx context.Context, list string, each func(oid uint32, object string) error) error {
	o, err := s.openStored(ctx, list, maxArchive)
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
		name, ok := Stored(s.Manifest, file)
		if !ok {
			return &DamageError{Set: s.ID, Object: file, Err: errUnlisted}
		}
		if err := each(oid, name); err != nil {
			return err
		}
	}
	return nil
}

// Stored finds the name that an object has in the manifest, whatever its
// compression and encryption: "contents.json" may be "contents.json.zst.age".
func Stored(m *manifest.Manifest, base string) (string, bool) {
	for _, ext := range []string{"", ".zst", ".gz"} {
		for _, name := range []string{base + ext, base + ext + codec.AgeExt} {
			if _, ok := m.Object(name); ok {
				return name, true
			}
		}
	}
	return "", false
}

// openStored opens an object of at most so many bytes, uncompressed, by the
// beginning of its name that neither compression nor encryption changes.
func (s Set) openStored(ctx context.Context, base string, most int64) (*Object, error) {
	name, ok := Stored(s.Manifest, base)
	if !ok {
		return nil, &DamageError{Set: s.ID, Object: base, Err: errUnlisted}
	}
	if o, _ := s.Object(name); o.Raw > most {
		return nil, &DamageError{Set: s.ID, Object: name, Err: fmt.Errorf("it is larger than %d bytes", most)}
	}
	return s.Open(ctx, name)
}

var errUnlisted = errors.New("the manifest does not list it")
