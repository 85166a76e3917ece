package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// scanJobs is how many sets are looked at at a time: it hides the latency of
// object stores.
const scanJobs = 16

// Damaged is a set whose manifest is there but cannot be used: it cannot be
// read, is not whole, belongs to another set, or is of a newer format. So is
// one that cannot be told from an unfinished one, as its folder cannot be listed.
type Damaged struct {
	ID  string
	Err error // a *DamageError, a *NewerFormatError, or the sink's
}

// Stray is a set's folder without a manifest: a run that is still at work, or
// what is left of one that died.
type Stray struct {
	ID      string
	Newest  time.Time // of its newest object, by the sink's clock
	Size    int64     // bytes
	Objects int
}

// Scan reads every manifest of a sink. It lists the folders of the known kinds
// and reads what is in those that have a set's name, several at a time; it
// leaves everything else in the sink alone. An error says that the listing of
// a kind failed or ctx is done; what is wrong with one set is an entry in
// [Inventory.Damaged] instead.
func Scan(ctx context.Context, sink remote.RemoteSink) (*Inventory, error) {
	var ids []string
	for _, kind := range Kinds() {
		for obj, err := range remote.ListLevel(ctx, sink, string(kind)+"/") {
			if err != nil {
				return nil, fmt.Errorf("listing the sets of kind %s: %w", kind, err)
			}
			if id, folder := strings.CutSuffix(obj.Name, "/"); folder && CheckID(id) == nil && KindOf(id) == kind {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids) // a sink that lists out of order gives some twice

	found := make([]finding, len(ids))
	next := make(chan int)
	var readers sync.WaitGroup
	for range min(scanJobs, len(ids)) {
		readers.Go(func() {
			for i := range next {
				found[i] = look(ctx, sink, ids[i])
			}
		})
	}
	for i := range ids {
		next <- i
	}
	close(next)
	readers.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return newInventory(found), nil
}

// finding is what a set's folder turned out to be; all nil if it is gone.
type finding struct {
	set     *Manifest
	damaged *Damaged
	stray   *Stray
}

func look(ctx context.Context, sink remote.RemoteSink, id string) finding {
	set, err := read(ctx, sink, id)
	if errors.Is(err, fs.ErrNotExist) {
		var stray *Stray
		var committed bool
		stray, committed, err = measure(ctx, sink, id)
		if err == nil && !committed {
			return finding{stray: stray}
		}
		if committed {
			set, err = read(ctx, sink, id) // the run ended while we looked
		}
	}
	if err != nil {
		return finding{damaged: &Damaged{id, err}}
	}
	return finding{set: set}
}

// read reads the manifest of one set.
func read(ctx context.Context, sink remote.RemoteSink, id string) (*Manifest, error) {
	r, err := sink.Get(ctx, id+"/"+Name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	m, err := Parse(b)
	var newer *NewerFormatError
	switch {
	case errors.As(err, &newer):
		return nil, err
	case err != nil:
		return nil, &DamageError{id, Name, err}
	case m.ID != id:
		return nil, &DamageError{id, Name, fmt.Errorf("manifest: it is that of %s", m.ID)}
	}
	return m, nil
}

// measure lists a folder that had no manifest. It returns nil if the folder is
// gone, and tells if there is a manifest by now.
func measure(ctx context.Context, sink remote.RemoteSink, id string) (stray *Stray, committed bool, err error) {
	s := Stray{ID: id}
	for obj, err := range sink.List(ctx, id+"/") {
		if err != nil {
			return nil, false, fmt.Errorf("listing %s: %w", id, err)
		}
		if obj.Name == id+"/"+Name {
			return nil, true, nil
		}
		s.Objects++
		s.Size += obj.Size
		if obj.ModTime.After(s.Newest) {
			s.Newest = obj.ModTime
		}
	}
	if s.Objects == 0 {
		return nil, false, nil
	}
	return &s, false, nil
}
