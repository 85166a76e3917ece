package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/delta"
)

// strand is objects of a table that are read one after the other in one pass, and
// what is made of them.
type strand struct {
	share  keyShare
	inputs []input
	raw    int64
	parts  []*mergedPart
}

// mergedPart is one object that is written: the rows of its strand that begin
// between two places of its text.
type mergedPart struct {
	file     string
	from, to int64
	object   string
	sums     rowSums
}

// rowSums are what a table is proven by.
type rowSums struct {
	digest      codec.Digest
	keys        uint64
	content     uint64 // of the rows of some buckets
	contentRows int64
}

func (s *rowSums) merge(o rowSums) {
	s.digest.Merge(o.digest)
	s.keys += o.keys
	s.content += o.content
	s.contentRows += o.contentRows
}

// plan decides which objects are written, and makes entries for them in the
// archive.
func (c *consolidation) plan() error {
	var total int64
	for _, t := range c.tables {
		total += t.size()
	}
	size := c.RangeSize
	if size == 0 {
		size = min(max(total/int64(8*c.Jobs), leastRange), mostRange)
	}
	c.archive.Entries = toc.Join(c.archive.Entries)
	entries := map[manifest.TableName]*toc.Entry{}
	for _, e := range c.archive.Entries {
		if e.Desc == "TABLE DATA" {
			entries[manifest.TableName{Schema: e.Namespace.String(), Name: e.Tag}] = e
		}
	}
	for _, t := range c.tables {
		entry := entries[manifest.TableName{Schema: t.Schema, Name: t.Name}]
		if entry == nil {
			return &manifest.DamageError{Set: c.point.ID, Object: manifest.ArchiveName, Err: fmt.Errorf("it has no entry for the rows of table %s", t.quoted())}
		}
		t.cut(size, c.room)
		var files []*toc.Entry
		c.archive.Entries, files = toc.Split(c.archive.Entries, entry, t.parts())
		for _, s := range t.strands {
			for _, p := range s.parts {
				p.file, files = files[0].File.String(), files[1:]
			}
		}
	}
	slices.SortStableFunc(c.tables, func(a, b *mergedTable) int { return cmp.Compare(b.raw, a.raw) })
	return nil
}

// size is about how many bytes the table's rows take.
func (t *mergedTable) size() int64 {
	return int64(float64(t.raw) * float64(t.Rows) / float64(max(t.found, 1)))
}

// cut divides what is read of the table so that objects of about the size come
// out: small ones are put together, and a large one makes several. There is room
// for so many keys.
func (t *mergedTable) cut(size, room int64) {
	t.passes = max(1, (t.keys+t.keys/3+room-1)/room)
	if t.size() > 0 {
		size = max(1, int64(float64(size)*float64(t.passes)*float64(t.raw)/float64(t.size())))
	}
	for pass := range t.passes {
		last := &strand{}
		strands := []*strand{last}
		for _, in := range t.rows {
			if len(last.inputs) > 0 && last.raw+in.raw > size+size/2 {
				last = &strand{}
				strands = append(strands, last)
			}
			last.inputs = append(last.inputs, in)
			last.raw += in.raw
		}
		for _, s := range strands {
			s.share = keyShare{uint64(pass), uint64(t.passes)}
			n := max(1, (s.raw+size/2)/size)
			if len(s.inputs) > 1 {
				n = 1
			}
			for i := range n {
				s.parts = append(s.parts, &mergedPart{from: s.raw / n * i, to: s.raw / n * (i + 1)})
			}
			s.parts[n-1].to = math.MaxInt64
		}
		t.strands = append(t.strands, strands...)
	}
}

// parts is how many objects the table has.
func (t *mergedTable) parts() (n int) {
	for _, s := range t.strands {
		n += len(s.parts)
	}
	return n
}

// mergeTables writes all tables.
func (c *consolidation) mergeTables(ctx context.Context) error {
	var total int64
	for _, t := range c.tables {
		total += t.raw * t.passes
	}
	c.w.progress.work("copying", total)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Jobs * putsPerJob)
	for _, t := range c.tables {
		g.Go(func() error {
			if err := c.merge(ctx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.quoted(), err)
			}
			return nil
		})
	}
	return g.Wait()
}

// merge writes a table.
func (c *consolidation) merge(ctx context.Context, t *mergedTable) error {
	var keys *keySet
	if t.keys > 0 {
		room := min(places(t.keys/t.passes), c.room)
		if err := c.keys.Acquire(ctx, room); err != nil {
			return context.Cause(ctx)
		}
		defer c.keys.Release(room)
		keys = newKeySet(t.keys / t.passes)
	}
	for pass := range slices.Chunk(t.strands, len(t.strands)/int(t.passes)) {
		if keys != nil {
			keys.clear()
			if err := c.readKeys(ctx, t, pass[0].share, keys); err != nil {
				return err
			}
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(c.Jobs * putsPerJob)
		for _, s := range pass {
			g.Go(func() error { return c.writeStrand(ctx, t, s, keys) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return t.prove()
}

// writeStrand writes the objects of a strand.
func (c *consolidation) writeStrand(ctx context.Context, t *mergedTable, s *strand, keys *keySet) error {
	sieve, err := newSieve(t, s.share, keys)
	if err != nil {
		return err
	}
	job := &slot{jobs: c.jobs}
	defer job.release()
	produced := job.release
	if len(s.parts) > 1 { // what is read stays open for the next
		produced = func() {}
	}
	rows := &cursor{c: c, inputs: s.inputs}
	defer func() { rows.close() }()
	at := 0 // the part that rows is at the begin of; -1: none
	for i, p := range s.parts {
		if err := job.hold(ctx); err != nil {
			return err
		}
		k := &task{weight: s.raw / int64(len(s.parts))}
		obj, err := c.w.put(ctx, p.file, produced, func(out io.Writer) error {
			if err := job.hold(ctx); err != nil {
				return err
			}
			if at != i {
				rows.close()
				*rows = cursor{c: c, inputs: s.inputs}
			}
			at = -1
			if err := rows.skip(ctx, p.from); err != nil {
				return err
			}
			c.w.progress.start(k)
			counted := &countingWriter{w: out, meter: c.w.progress, task: k}
			if err := sieve.pass(ctx, rows, p, counted); err != nil {
				return err
			}
			counted.flush()
			at = i + 1
			return nil
		})
		if err != nil {
			return err
		}
		p.object = obj.Name
		c.w.progress.done(k, p.sums.digest.Rows)
	}
	return nil
}

// skip goes on to the first row that begins at or after a place.
func (u *cursor) skip(ctx context.Context, to int64) error {
	for u.offset < to {
		if _, _, err := u.next(ctx); err != nil && !errors.Is(err, io.EOF) {
			return err
		} else if err != nil {
			return nil
		}
	}
	return nil
}

// prove compares what was written with what the point records of the table.
func (t *mergedTable) prove() error {
	var sums rowSums
	var objects []string
	for _, s := range t.strands {
		for _, p := range s.parts {
			sums.merge(p.sums)
			objects = append(objects, p.object)
		}
	}
	if t.Digest != "" {
		t.whole = t.Digest
	}
	proof := t.Proof
	switch {
	case sums.digest.Rows != t.Rows:
		return fmt.Errorf("the chain gives %d rows, but there were %d", sums.digest.Rows, t.Rows)
	case t.whole != "" && sums.digest.String() != t.whole:
		return fmt.Errorf("the content of the %d rows that the chain gives is not what it was", t.Rows)
	case t.Keys != "" && fmt.Sprintf("%016x", sums.keys) != t.Keys:
		return fmt.Errorf("the keys of the %d rows that the chain gives are not those that there were", t.Rows)
	case proof != nil && (sums.contentRows != proof.Rows || fmt.Sprintf("%016x", sums.content) != proof.Sum):
		return fmt.Errorf("the content of the rows that the chain gives is not what it was: %d of %d rows were compared", proof.Rows, t.Rows)
	}
	t.Digest, t.Objects = sums.digest.String(), objects
	t.Key, t.Keys, t.Proof, t.Delta = nil, "", nil, nil
	return nil
}

// sieve picks the rows of the table as it was at the point, and sums them up.
type sieve struct {
	*mergedTable
	share    keyShare
	marks    *keySet // nil: no key changed
	geometry delta.Geometry
	key, all *fieldReader // nil: nothing is asked of a row's key, or of its content
}

func newSieve(t *mergedTable, s keyShare, keys *keySet) (v *sieve, err error) {
	v = &sieve{mergedTable: t, share: s, marks: keys, geometry: geometryOf(t.Key)}
	if t.Proof != nil {
		if v.all, err = newFieldReader(t.Columns, t.Columns); err != nil {
			return nil, err
		}
	}
	if t.Key != nil {
		v.key, err = newFieldReader(t.Columns, t.Key.Columns)
	}
	return v, err
}

// pass writes the rows of a part, and the terminator.
func (v *sieve) pass(ctx context.Context, rows *cursor, p *mergedPart, out io.Writer) error {
	p.sums = rowSums{}
	w := codec.NewRowWriter(out, &p.sums.digest)
	for rows.offset < p.to {
		row, layer, err := rows.next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		holds, err := v.holds(row[:len(row)-1], layer, &p.sums)
		if err != nil {
			return rows.inputs[rows.opened-1].damage(err)
		}
		if !holds {
			continue
		}
		if _, err := w.Write(row); err != nil {
			return err
		}
	}
	return w.Close()
}

// holds tells whether a row that was written in a layer is one of the point's,
// and of the share.
func (v *sieve) holds(row []byte, layer uint16, sums *rowSums) (bool, error) {
	bucket, hash := 0, uint64(0)
	if v.key != nil {
		fields, err := v.key.read(row)
		if err == nil {
			bucket, hash, err = v.geometry.Key(fields)
		}
		if err != nil || !v.share.has(hash) {
			return false, err
		}
	}
	mark := v.marks.mark(hash)
	if mark&^keptMark != layer { // it was written again
		return false, nil
	}
	if v.listed != nil && v.listed[bucket] > layer && mark&keptMark == 0 { // it was deleted
		return false, nil
	}
	sums.keys += hash
	if v.all == nil || bucket < v.Proof.From || bucket >= v.Proof.To {
		return true, nil
	}
	fields, err := v.all.read(row)
	if err != nil {
		return false, err
	}
	sums.contentRows++
	sums.content += delta.Hash(0, delta.RecordText(fields))
	return true, nil
}

// damage tells that an object of the chain is not what it should be.
func (in input) damage(err error) error {
	return &manifest.DamageError{Set: in.set.ID, Object: in.name, Err: err}
}

// slot is a task's hold on one of the jobs.
type slot struct {
	jobs chan struct{}
	held bool
}

// hold waits for a job, unless the task has one.
func (s *slot) hold(ctx context.Context) error {
	if s.held {
		return nil
	}
	select {
	case s.jobs <- struct{}{}:
		s.held = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release lets another task have the job.
func (s *slot) release() {
	if s.held {
		s.held = false
		<-s.jobs
	}
}
