package verify

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// Integrity reads every object of a set back and proves it: its size and
// sha256 against the manifest, its decryption and decompression, the rows and digest of every
// table and of the large objects against contents.json, and that every entry
// of the archive has its data. Of the sets that an incremental one builds on it
// reads and proves what a restore of the set would. Damage is in the report; the error is for what
// kept it from being looked for: [*manifest.SealError], [*IdentityError], and
// what the sink returns.
func (v *Verifier) Integrity(ctx context.Context, set *manifest.Manifest) (*Report, error) {
	s, err := v.open(ctx, set)
	if err != nil {
		return nil, err
	}
	i := &integrity{
		Verifier: v, set: s, meter: newMeter(v.Progress, set.StoredSize()),
		rep:   &Report{Set: set.ID, Method: manifest.Integrity, Start: time.Now().UTC(), Objects: len(set.Objects), Bytes: set.StoredSize()},
		rows:  map[manifest.Ref]codec.Digest{},
		files: map[string][]byte{},
		bad:   map[manifest.Ref]bool{},
	}
	if err := i.run(ctx); err != nil {
		return nil, err
	}
	i.meter.add(0, true)
	i.rep.Took = time.Since(i.rep.Start)
	return i.rep, nil
}

type integrity struct {
	*Verifier
	set      proof.Set
	rep      *Report
	meter    *meter
	contents *manifest.Contents
	archive  *toc.Archive
	chain    *proof.Chain // nil: the set is a full one, or what it builds on cannot be read

	mu    sync.Mutex
	rows  map[manifest.Ref]codec.Digest
	files map[string][]byte     // large objects, by object name
	bad   map[manifest.Ref]bool // objects that were found damaged
	older []part                // what is to be read of other sets
}

// reading is how one object is read, apart from its checksum.
type reading int

const (
	plain reading = iota
	tableRows
	largeObject
)

func (i *integrity) run(ctx context.Context) (err error) {
	if i.contents, err = i.set.Contents(ctx); i.damaged(err) == nil {
		i.archive, err = i.set.Archive(ctx)
	}
	if err := i.damaged(err); err != nil {
		return err
	}
	judged := i.contents != nil && i.archive != nil // else the checksums alone can be
	how := map[string]reading{}
	if judged {
		for _, d := range proof.CheckArchive(i.set.Manifest, i.contents, i.archive) {
			i.damaged(d)
		}
		how = i.roles()
		if err := i.readChain(ctx); err != nil {
			return err
		}
	}
	if err := i.readAll(ctx, how); err != nil || !judged {
		return err
	}
	i.checkTables()
	return i.checkBlobs(ctx)
}

// readAll reads every object, those of contents.json and toc.dat aside: they
// were.
func (i *integrity) readAll(ctx context.Context, how map[string]reading) error {
	contents, _ := proof.Stored(i.set.Manifest, manifest.ContentsName)
	archive, _ := proof.Stored(i.set.Manifest, proof.ArchiveName(i.set.Manifest))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(i.jobs())
	for _, obj := range i.set.Objects {
		if obj.Name == contents || obj.Name == archive {
			i.meter.add(obj.Size, false)
			continue
		}
		g.Go(func() error {
			defer i.meter.add(obj.Size, false)
			return i.damaged(i.read(ctx, i.set, obj.Name, how[obj.Name]))
		})
	}
	for _, part := range i.older {
		g.Go(func() error {
			defer i.meter.add(part.size, false)
			return i.damaged(i.read(ctx, part.set, part.name, tableRows))
		})
	}
	return g.Wait()
}

// damaged turns damage into a finding, and gives back any other error.
func (i *integrity) damaged(err error) error {
	var d *proof.DamageError
	if errors.As(err, &d) {
		i.mu.Lock()
		i.bad[manifest.Ref{Set: d.Set, Object: d.Object}] = true
		i.mu.Unlock()
		what := d.Object
		if d.Set != i.set.ID {
			what = d.Set + "/" + what
		}
		i.rep.find("object "+what, "%v", d.Err)
		return nil
	}
	return err
}

// roles says which objects hold rows and which large objects.
func (i *integrity) roles() map[string]reading {
	how := map[string]reading{}
	for _, t := range i.contents.Tables {
		for _, name := range t.Objects {
			how[name] = tableRows
		}
		if t.Delta != nil && t.Delta.Kept != "" {
			how[t.Delta.Kept] = tableRows
		}
	}
	for _, obj := range i.set.Objects {
		if isBlob(obj.Name) {
			how[obj.Name] = largeObject
		}
	}
	return how
}

func isBlob(name string) bool {
	var oid uint32
	var rest string
	n, _ := fmt.Sscanf(name, "blob_%d.dat%s", &oid, &rest)
	return n >= 1
}

// read reads one object to its end.
func (i *integrity) read(ctx context.Context, s proof.Set, name string, how reading) error {
	obj, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	defer obj.Close()
	switch how {
	case tableRows:
		r := codec.NewRowReader(obj)
		if _, err := r.WriteTo(io.Discard); err != nil {
			var d *proof.DamageError
			if !errors.As(err, &d) && (errors.Is(err, codec.ErrUnterminated) || errors.Is(err, codec.ErrTrailing)) {
				return &proof.DamageError{Set: s.ID, Object: name, Err: err}
			}
			return err
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.rows[manifest.Ref{Set: s.ID, Object: name}] = r.Digest()
	case largeObject:
		h := sha256.New()
		if _, err := io.Copy(h, obj); err != nil {
			return err
		}
		i.mu.Lock()
		defer i.mu.Unlock()
		i.files[name] = h.Sum(nil)
	default:
		_, err := io.Copy(io.Discard, obj)
		return err
	}
	return nil
}

// checkTables adds the digests of the objects up to those of the tables.
func (i *integrity) checkTables() {
	for _, t := range i.contents.Tables {
		l := i.chain.Layers(t.Schema, t.Name)
		if t.Delta != nil && l == nil {
			i.checkChange(i.set, t) // what it builds on is a finding already
			continue
		}
		var ok bool
		if l == nil {
			ok = i.checkDigest(i.set, t, "rows", t.Objects, t.Digest)
		} else {
			ok = i.checkLayers(l)
		}
		if ok {
			i.rep.count(t.Rows)
		}
	}
	i.rep.Sequences = len(i.contents.Sequences)
}

// checkDigest holds what was read of a table's objects against what its set says
// of them.
func (i *integrity) checkDigest(s proof.Set, t manifest.Table, what string, objects []string, digest string) bool {
	table := "table " + t.Schema + "." + t.Name
	want, err := codec.ParseDigest(digest)
	if err != nil {
		i.rep.find(table, "contents.json has no digest for its %s: %v", what, err)
		return false
	}
	var sum codec.Digest
	for _, name := range objects {
		d, read := i.rows[manifest.Ref{Set: s.ID, Object: name}]
		if !read {
			return false // the damaged object is a finding already
		}
		sum.Merge(d)
	}
	if !sum.Equal(want) {
		in := ""
		if s.ID != i.set.ID {
			in = " in " + s.ID
		}
		i.rep.find(table, "its objects%s hold %d %s whose digest is not that of the %d that were backed up", in, sum.Rows, what, want.Rows)
		return false
	}
	return true
}

// checkBlobs adds the large objects up, by the archive's own lists of them.
func (i *integrity) checkBlobs(ctx context.Context) error {
	var sum codec.Digest
	for _, e := range i.archive.Entries {
		if e.Desc != "BLOBS" {
			continue
		}
		if name, _ := proof.Stored(i.set.Manifest, e.File.String()); i.bad[manifest.Ref{Set: i.set.ID, Object: name}] {
			continue
		}
		err := i.set.LargeObjects(ctx, e.File.String(), func(oid uint32, object string) error {
			if b, ok := i.files[object]; ok {
				sum.AddRow(proof.BlobRow(oid, b))
			}
			return nil
		})
		if err := i.damaged(err); err != nil {
			return err
		}
	}
	if sum.Rows != i.contents.LargeObjects.Count || (sum.Rows > 0 && sum.String() != i.contents.LargeObjects.Digest) {
		i.rep.find("large objects", "the set holds %d, whose digest is not that of the %d backed up", sum.Rows, i.contents.LargeObjects.Count)
	}
	i.rep.LargeObjects = sum.Rows
	return nil
}
