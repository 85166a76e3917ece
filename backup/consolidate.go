package backup

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"filippo.io/age"
	"golang.org/x/sync/semaphore"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// ConsolidateOptions changes how [Consolidate] reads a chain, and stores what it
// makes of it. The zero value, and nil, work for one that is not encrypted.
type ConsolidateOptions struct {
	// Options are those of Run. Purpose is manifest.Consolidated, and nothing
	// else. Where the chain is encrypted, there must be Recipients, and a
	// StateKey if incrementals are to build on the set.
	Options

	// Identities open the chain's objects where they are encrypted.
	Identities []age.Identity

	// Jobs is how many objects are written at a time. 0 means the number of
	// CPUs, at least 2.
	Jobs int

	// RangeSize is the size of the objects that large tables are cut into, in
	// bytes of their rows' text. 0 chooses between 64 and 256 MiB by the size of
	// the database.
	RangeSize int64
}

// Consolidate makes a full backup of an incremental one and of what it builds
// on, without the database: what the chain holds is read from sink, and a set of
// kind full and of purpose manifest.Consolidated stored there and in
// Options.Copies, as Run stores any. It is of the same moment of the database as
// set, restores like any full backup, and incrementals can build on it. The chain
// stays as it is, and is no longer needed for that point.
//
// Each table that comes out is proven by all that was recorded of it: the count
// of rows, the sum of their keys, the content of some of them. If one is not what
// it was, nothing is committed, and the error names it. A set that is missing or
// damaged is named too, and so is a suspect one, which is refused.
//
// Memory does not grow with the database, apart from two bytes for each bucket of
// keys: of the keys that changed, a million and a half at most are held at a time,
// in 20 MiB. With more of them, the table's rows are read several times.
//
// Results and errors are those of Run; a [*manifest.DamageError] is in the chain of
// what tells that a set does not hold what it should.
func Consolidate(ctx context.Context, sink remote.RemoteSink, set *manifest.Manifest, opts *ConsolidateOptions) (*Result, error) {
	c, err := newConsolidation(set, opts)
	if err != nil {
		return nil, err
	}
	return Run(ctx, sink, c, &c.Options)
}

func newConsolidation(set *manifest.Manifest, opts *ConsolidateOptions) (*consolidation, error) {
	c := &consolidation{point: set, room: keyRoom, stored: map[string]string{}}
	if opts != nil {
		c.ConsolidateOptions = *opts
	}
	switch {
	case set == nil:
		return nil, errors.New("backup: Consolidate needs a set, and it is nil")
	case set.Kind == manifest.Full:
		return nil, fmt.Errorf("backup: %s is a full backup: there is nothing to consolidate", set.ID)
	case set.Kind != manifest.Incremental:
		return nil, fmt.Errorf("backup: %s is no backup of a database", set.ID)
	case c.Purpose != "" && c.Purpose != manifest.Consolidated:
		return nil, fmt.Errorf("backup: ConsolidateOptions.Purpose is %q: it is always %q", c.Purpose, manifest.Consolidated)
	case c.Jobs < 0 || c.RangeSize < 0:
		return nil, errors.New("backup: ConsolidateOptions.Jobs and RangeSize must not be negative")
	}
	c.Purpose = manifest.Consolidated
	if c.Jobs == 0 {
		c.Jobs = max(2, runtime.NumCPU())
	}
	c.jobs = make(chan struct{}, c.Jobs)
	return c, nil
}

// consolidation is a [Source] whose set is made of other sets.
type consolidation struct {
	ConsolidateOptions
	point *manifest.Manifest

	w        *Writer
	sink     remote.RemoteSink // that the chain is read from
	chain    *proof.Chain
	contents *manifest.Contents // of the point
	archive  *toc.Archive
	tables   []*mergedTable

	jobs   chan struct{}       // one for each job at work
	room   int64               // how many keys there is room for in memory, of all tables at work together
	keys   *semaphore.Weighted // room that is taken
	stored map[string]string   // objects that were copied: the names that they have now
}

var _ Source = (*consolidation)(nil)

// SourceName is that of the chain.
func (c *consolidation) SourceName() string { return c.point.Source }

// Backup writes the set.
func (c *consolidation) Backup(ctx context.Context, w *Writer) error {
	c.w, c.sink = w, w.whole()[0].sink
	c.keys = semaphore.NewWeighted(c.room)
	w.progress.phase("reading the chain")
	if err := c.read(ctx); err != nil {
		return fmt.Errorf("consolidating %s: %w", c.point.ID, c.chain.Blame(err))
	}
	if err := w.Begin(manifest.Full); err != nil {
		return err
	}
	w.Describe(c.description())
	if err := c.write(ctx); err != nil {
		return fmt.Errorf("consolidating %s: %w", c.point.ID, c.chain.Blame(err))
	}
	return nil
}

// read finds the chain, and reads all of it but rows.
func (c *consolidation) read(ctx context.Context) (err error) {
	if err := c.findChain(ctx); err != nil {
		return err
	}
	if name, _ := proof.Stored(c.point, manifest.ContentsName); codec.Encrypted(name) && len(c.Recipients) == 0 {
		return errors.New("it is encrypted, and there are no Options.Recipients: what comes out would not be")
	}
	if c.contents, err = c.set(c.point).Contents(ctx); err != nil {
		return err
	}
	if c.archive, err = c.set(c.point).Archive(ctx); err != nil {
		return err
	}
	if err := c.readTables(ctx); err != nil {
		return err
	}
	return c.plan()
}

// set is one of the chain's, to be read.
func (c *consolidation) set(m *manifest.Manifest) proof.Set {
	return proof.Set{Manifest: m, Sink: c.sink, Identities: c.Identities}
}

// description is that of the point.
func (c *consolidation) description() Description {
	d := Description{Database: c.point.Database, DataTime: c.point.DataTime, Scope: c.point.Scope}
	if why := c.stateless(); why != nil {
		d.Warnings = append(d.Warnings, fmt.Sprintf("no incremental can build on this backup: %v", why))
	}
	return d
}

func (c *consolidation) write(ctx context.Context) error {
	if err := c.mergeTables(ctx); err != nil {
		return err
	}
	if err := c.copyRest(ctx); err != nil {
		return err
	}
	if err := c.putState(ctx); err != nil {
		return err
	}
	return c.putSchema(ctx)
}

// findChain finds the point, and all that it builds on.
func (c *consolidation) findChain(ctx context.Context) (err error) {
	held := c.w.History().Sets
	i := slices.IndexFunc(held, func(m *manifest.Manifest) bool { return m.ID == c.point.ID })
	if i < 0 {
		return errors.New("the sink does not hold it, or it is damaged")
	}
	was, err1 := c.point.SHA256()
	is, err2 := held[i].SHA256()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if was != is {
		return errors.New("the sink holds another set of that name")
	}
	c.point = held[i]
	if c.chain, err = proof.OpenChain(ctx, c.set(c.point), c.w.opts.Trust); err != nil {
		return err
	}
	if len(c.chain.Sets) > mostLayers {
		return fmt.Errorf("it builds on %d sets, at most %d are read", len(c.chain.Sets)-1, mostLayers-1)
	}
	for _, m := range c.chain.Sets {
		if !m.Good() {
			return fmt.Errorf("%s is suspect: %s", m.ID, m.Suspect[0])
		}
	}
	return nil
}
