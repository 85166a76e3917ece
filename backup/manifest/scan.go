package manifest

import (
	"bytes"
	"context"
	"crypto/ed25519"
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

// ordinary is the size, in bytes, from which on manifests are read one at a
// time: sixteen of MaxSize would take gigabytes before any seal was checked.
const ordinary = 1 << 20

// Damaged is a set whose manifest is there but cannot be used: it cannot be
// read, is not whole, belongs to another set, is of a newer format, or is not
// sealed where a seal is asked for. So is one that cannot be told from an
// unfinished one, as its folder cannot be listed, and the second of two that
// bear one ID.
type Damaged struct {
	ID     string
	Prefix string // what stands before the ID in the sink: "" or "2025/08/"
	Err    error  // a *DamageError, a *SealError, a *NewerFormatError, or the sink's
}

// Stray is a set's folder without a manifest: a run that is still at work, or
// what is left of one that died.
type Stray struct {
	ID      string
	Prefix  string    // what stands before the ID in the sink: "" or "2025/08/"
	Newest  time.Time // of its newest object, by the sink's clock
	Size    int64     // bytes
	Objects int
}

// ScanOptions changes what [Scan] reads and accepts. The zero value, and nil,
// work.
type ScanOptions struct {
	// Trust are the public keys of those who may seal a set. If there are any,
	// a set without the seal of one of them is damaged. Default: seals are not
	// looked at.
	Trust []ed25519.PublicKey

	// RunsSince has the records read of the runs that started then or later, to
	// the second: their names tell when, and older ones are not read. The zero
	// time has none read, as whoever looks for sets has no use for them;
	// time.Unix(0, 0) all.
	RunsSince time.Time

	// Cache is a local folder, made if it is not there, that keeps what was
	// read of manifests, seals, holds, proofs and records of runs, so that the
	// next scan need not read it again from a store that is far away. Of each
	// the sink is still asked whether it changed, and what an entry says counts
	// only for the version that it was read of: a sink that tells no versions
	// is not cached. It may be shared by sinks and by programs at work, takes
	// no more than the sink's manifests below 1 MiB and records do, and may be
	// deleted at any time; whatever goes wrong with it is passed over. Whoever
	// can write there can have sets that are not sealed look as he likes.
	// Default: no cache, which for a [remote.Dir] is quicker.
	Cache string
}

// Scan reads every manifest of a sink. It lists the folders of the known
// kinds, and those below a year and a month ("2025/08/full/", as a copy may be laid out), and
// reads what is in those that have a set's name, several at a time; then the
// holds, the proofs, and the records of runs that it is asked for. It leaves
// everything else in the sink alone. An error says that such a listing failed,
// or that ctx is done; what is wrong with one set is an entry in
// [Inventory.Damaged] instead, and with one record in [Inventory.Refused].
func Scan(ctx context.Context, sink remote.RemoteSink, opts *ScanOptions) (*Inventory, error) {
	if opts == nil {
		opts = new(ScanOptions)
	}
	places, err := listSets(ctx, sink)
	if err != nil {
		return nil, err
	}
	s := &scanner{sink: sink, trust: opts.Trust, folder: opts.Cache}
	s.manifests = s.cache("sets")
	s.describe(ctx, places)
	found := make([]finding, len(places))
	inParallel(scanJobs, len(places), func(i int) { found[i] = s.look(ctx, places[i]) })
	inv := newInventory(found)
	s.manifests.prune(manifestsOf(places))
	if err := inv.scanHolds(ctx, s, holdFolder); err != nil {
		return nil, err
	}
	if err := inv.scanProofs(ctx, s); err != nil {
		return nil, err
	}
	if err := inv.scanRuns(ctx, s, opts.RunsSince); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return inv, nil
}

// inParallel calls f for 0 to n-1, begun in that order, so many at a time.
func inParallel(jobs, n int, f func(i int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(jobs, n) {
		workers.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
}

// place is where a set lies.
type place struct{ prefix, id string }

func (p place) path(object string) string { return p.prefix + p.id + "/" + object }

// manifestsOf lists the names that the manifests have in these places.
func manifestsOf(places []place) (names []string) {
	for _, at := range places {
		names = append(names, at.path(Name))
	}
	return names
}

// listSets lists the folders that have a set's name, those without a prefix
// first.
func listSets(ctx context.Context, sink remote.RemoteSink) ([]place, error) {
	prefixes, err := months(ctx, sink)
	if err != nil {
		return nil, err
	}
	var places []place
	for _, prefix := range append([]string{""}, prefixes...) {
		for _, kind := range Kinds() {
			folders, err := subfolders(ctx, sink, prefix+string(kind)+"/")
			if err != nil {
				return nil, fmt.Errorf("listing the sets of kind %s: %w", kind, err)
			}
			for _, name := range folders {
				if id := string(kind) + "/" + name; CheckID(id) == nil {
					places = append(places, place{prefix, id})
				}
			}
		}
	}
	return places, nil
}

// months lists the prefixes "YYYY/MM/" that there are.
func months(ctx context.Context, sink remote.RemoteSink) (prefixes []string, err error) {
	years, err := subfolders(ctx, sink, "")
	if err != nil {
		return nil, fmt.Errorf("listing the sink: %w", err)
	}
	for _, year := range years {
		if len(year) != 4 || strings.Trim(year, "0123456789") != "" {
			continue
		}
		found, err := subfolders(ctx, sink, year+"/")
		if err != nil {
			return nil, fmt.Errorf("listing the months of %s: %w", year, err)
		}
		for _, month := range found {
			if _, err := time.Parse("2006/01", year+"/"+month); err == nil {
				prefixes = append(prefixes, year+"/"+month+"/")
			}
		}
	}
	return prefixes, nil
}

// subfolders lists the names of the folders right below a prefix, sorted.
func subfolders(ctx context.Context, sink remote.RemoteSink, prefix string) (names []string, err error) {
	for obj, err := range remote.ListLevel(ctx, sink, prefix) {
		if err != nil {
			return nil, err
		}
		if rest, ok := strings.CutPrefix(obj.Name, prefix); ok && strings.HasSuffix(rest, "/") {
			names = append(names, strings.TrimSuffix(rest, "/"))
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil // a sink that lists out of order gives some twice
}

// finding is what a set's folder turned out to be; all nil if it is gone.
type finding struct {
	set     *Manifest
	damaged *Damaged
	stray   *Stray
}

// scanner reads the manifests and records of one sink.
type scanner struct {
	sink  remote.RemoteSink
	trust []ed25519.PublicKey
	large sync.Mutex // held over a manifest that is not of ordinary size

	folder    string // of the caches, "" for none
	manifests *cache
	described map[string]remote.Object // of some manifests, by name
}

func (s *scanner) cache(sort string) *cache { return openCache(s.folder, s.sink, sort) }

func (s *scanner) look(ctx context.Context, at place) finding {
	set, err := s.read(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		var stray *Stray
		var committed bool
		stray, committed, err = measure(ctx, s.sink, at)
		if err == nil && !committed {
			return finding{stray: stray}
		}
		if committed {
			set, err = s.read(ctx, at) // the run ended while we looked
		}
	}
	if err != nil {
		return finding{damaged: &Damaged{at.id, at.prefix, err}}
	}
	return finding{set: set}
}

// read returns the manifest of one set.
func (s *scanner) read(ctx context.Context, at place) (*Manifest, error) {
	obj, err := s.object(ctx, at.path(Name))
	if err != nil {
		return nil, err
	}
	if text, sig, ok := s.manifests.get(obj); ok {
		if m, err := s.parse(at, text, sig); err == nil {
			return m, nil
		}
	}
	text, unlock, err := s.content(ctx, at.path(Name))
	defer unlock()
	if err != nil {
		return nil, err
	}
	var sig []byte
	if len(s.trust) > 0 {
		if sig, err = readSeal(ctx, s.sink, at); err != nil {
			return nil, err
		}
	}
	m, err := s.parse(at, text, sig)
	if err == nil {
		s.manifests.put(obj, text, sig, len(m.Objects))
	}
	return m, err
}

// content reads a manifest, and holds up the others until unlock is called if
// it is large.
func (s *scanner) content(ctx context.Context, name string) (text []byte, unlock func(), err error) {
	r, err := s.sink.Get(ctx, name)
	if err != nil {
		return nil, func() {}, err
	}
	defer r.Close()
	text, err = io.ReadAll(io.LimitReader(r, ordinary))
	if len(text) < ordinary {
		return text, func() {}, err
	}
	s.large.Lock()
	text, err = io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(text), r), MaxSize+1))
	return text, s.large.Unlock, err
}

// parse makes a manifest of what was read, or says why it cannot be used.
func (s *scanner) parse(at place, text, sig []byte) (*Manifest, error) {
	if len(s.trust) > 0 {
		if err := verifySeal(at.id, text, sig, s.trust); err != nil {
			return nil, err
		}
	}
	m, err := Parse(text)
	var newer *NewerFormatError
	switch {
	case errors.As(err, &newer):
		return nil, err
	case err != nil:
		return nil, &DamageError{at.id, Name, err}
	case m.ID != at.id:
		return nil, &DamageError{at.id, Name, fmt.Errorf("manifest: it is that of %s", m.ID)}
	}
	m.prefix = at.prefix
	return m, nil
}

// readSmall reads an object of at most so many bytes; of a larger one it
// returns one byte more.
func readSmall(ctx context.Context, sink remote.RemoteSink, name string, most int64) ([]byte, error) {
	r, err := sink.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(io.LimitReader(r, most+1))
}

// measure lists a folder that had no manifest. It returns nil if the folder is
// gone, and tells if there is a manifest by now.
func measure(ctx context.Context, sink remote.RemoteSink, at place) (stray *Stray, committed bool, err error) {
	s := Stray{ID: at.id, Prefix: at.prefix}
	for obj, err := range sink.List(ctx, at.path("")) {
		if err != nil {
			return nil, false, fmt.Errorf("listing %s: %w", at.path(""), err)
		}
		if obj.Name == at.path(Name) {
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
