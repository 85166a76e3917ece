package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// copyRest copies the objects of the point that no table and no chain has to do
// with: large objects, exports, and what describes the database as SQL.
func (c *consolidation) copyRest(ctx context.Context) error {
	if err := c.checkBlobs(ctx); err != nil {
		return err
	}
	made := map[string]bool{}
	for _, base := range []string{manifest.ContentsName, manifest.ArchiveName, stateName} {
		name, _ := proof.Stored(c.point, base)
		made[name] = true
	}
	for _, t := range c.tables {
		for _, in := range slices.Concat(t.rows, t.kept) {
			made[in.name] = made[in.name] || in.set == c.point
		}
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Jobs * putsPerJob)
	for _, obj := range c.point.Objects {
		if made[obj.Name] {
			continue
		}
		g.Go(func() error {
			name, err := c.copyObject(ctx, obj.Name)
			mu.Lock()
			defer mu.Unlock()
			c.stored[obj.Name] = name
			return err
		})
	}
	return g.Wait()
}

// copyObject copies an object of the point, and returns its new name.
func (c *consolidation) copyObject(ctx context.Context, name string) (string, error) {
	job := &slot{jobs: c.jobs}
	defer job.release()
	if err := job.hold(ctx); err != nil {
		return "", err
	}
	base := strings.TrimSuffix(strings.TrimSuffix(name, codec.AgeExt), codec.CompressionOf(name).Ext())
	obj, err := c.w.put(ctx, base, job.release, func(out io.Writer) error {
		if err := job.hold(ctx); err != nil {
			return err
		}
		in, err := c.set(c.point).Open(ctx, name)
		if err != nil {
			return again(ctx, err)
		}
		defer in.Close()
		return copyRead(ctx, out, in)
	})
	return obj.Name, err
}

// copyRead is io.Copy that tells which side failed.
func copyRead(ctx context.Context, dst io.Writer, src io.Reader) error {
	var failed error
	_, err := io.Copy(dst, readerFunc(func(p []byte) (int, error) {
		n, err := src.Read(p)
		if err != nil && err != io.EOF {
			failed = again(ctx, err)
		}
		return n, err
	}))
	if failed != nil {
		return failed
	}
	return err
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// checkBlobs makes sure that the point has all large objects that its archive
// lists.
func (c *consolidation) checkBlobs(ctx context.Context) error {
	var n int64
	for _, e := range c.archive.Entries {
		if e.Desc != "BLOBS" {
			continue
		}
		err := c.set(c.point).LargeObjects(ctx, e.File.String(), func(uint32, string) error {
			n++
			return nil
		})
		if err != nil {
			return err
		}
	}
	if want := c.contents.LargeObjects.Count; n != want {
		return &manifest.DamageError{Set: c.point.ID, Object: manifest.ContentsName, Err: fmt.Errorf("it counts %d large objects, the archive lists %d", want, n)}
	}
	return nil
}

// stateless says why no incremental can build on the set; nil if one can.
func (c *consolidation) stateless() error {
	if _, ok := proof.Stored(c.point, stateName); !ok {
		return fmt.Errorf("%s: %w", c.point.ID, errNoState)
	}
	if len(c.Recipients) > 0 && c.StateKey == nil {
		return errors.New("it is encrypted, and there is no Options.StateKey")
	}
	return nil
}

// putState stores the point's state, with all that it refers to in older sets.
func (c *consolidation) putState(ctx context.Context) error {
	if c.stateless() != nil {
		return nil
	}
	s, err := c.readState(ctx, c.point)
	if err != nil {
		return err
	}
	for _, set := range c.chain.Sets {
		if err := c.resolve(ctx, s, set.Manifest); err != nil {
			return err
		}
	}
	for _, t := range s.Tables {
		if t.In != "" {
			return fmt.Errorf("the state of %s refers to %s, which is not in the chain", c.point.ID, t.In)
		}
	}
	_, err = c.w.Put(ctx, stateName, s.write)
	return err
}

// resolve takes over what the state refers to in a set.
func (c *consolidation) resolve(ctx context.Context, s *state, set *manifest.Manifest) error {
	var in *state
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.In != set.ID {
			continue
		}
		if in == nil {
			var err error
			if in, err = c.readState(ctx, set); err != nil {
				return err
			}
		}
		from := in.table(t.OID)
		if from == nil {
			return fmt.Errorf("the state of %s lacks a table that a later one refers to", set.ID)
		}
		if _, err := delta.ParseSums(from.Sums, t.geometry().Buckets); err != nil {
			return fmt.Errorf("the state of %s: %w", set.ID, err)
		}
		t.Sums, t.In = from.Sums, ""
	}
	return nil
}

func (c *consolidation) readState(ctx context.Context, m *manifest.Manifest) (*state, error) {
	name, ok := proof.Stored(m, stateName)
	if obj, _ := m.Object(name); !ok || obj.Raw > maxState {
		return nil, fmt.Errorf("the state of %s is missing, or larger than 1 GiB", m.ID)
	}
	obj, err := c.set(m).Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	s, err := decodeState(obj)
	if err != nil {
		return nil, fmt.Errorf("the state of %s: %w", m.ID, err)
	}
	return s, nil
}

// putSchema stores contents.json and the archive.
func (c *consolidation) putSchema(ctx context.Context) error {
	for i, x := range c.contents.Exports {
		c.contents.Exports[i].Object = c.stored[x.Object]
	}
	for _, t := range c.tables {
		if t.clock != nil {
			c.contents.Warnings = append(c.contents.Warnings, fmt.Sprintf(
				"table %s: what was changed in a row that left %s as it was may be missing", t.quoted(), strings.Join(t.clock, ", ")))
		}
	}
	contents, err := c.contents.Encode()
	if err != nil {
		return err
	}
	_, err = c.w.Put(ctx, manifest.ContentsName, func(w io.Writer) error { _, err := w.Write(contents); return err })
	if err != nil {
		return err
	}
	c.archive.DumperVersion = toc.T(manifest.Producer())
	compressedBy(c.archive, c.w.opts.compression)
	_, err = c.w.Put(ctx, toc.FileName, func(w io.Writer) error { _, err := c.archive.WriteTo(w); return err })
	return err
}
