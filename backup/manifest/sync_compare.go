package manifest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
)

// equal tells whether the destination has the very manifest of the source.
func (set *syncSet) equal() bool { return set.prior != nil && set.prior.sum == set.sum }

// compared is how much compare will read.
func (s *syncer) compared() (total amount) {
	for _, set := range s.sets {
		if s.Checksum && set.equal() {
			total.add(len(set.Objects), set.StoredSize())
		}
	}
	return total
}

// uncopied is how much carry will copy, or compare.
func (s *syncer) uncopied() (total amount) {
	for _, set := range s.sets {
		if set.outcome.Err == nil {
			for _, o := range set.pending {
				total.add(1, o.Size)
			}
		}
	}
	return total
}

// compare finds out what is to be done about a set, and changes nothing.
func (s *syncer) compare(ctx context.Context, set *syncSet) {
	if set.outcome.Err != nil {
		return
	}
	if err := s.plan(ctx, set); err != nil {
		set.outcome.fail(err)
		return
	}
	if s.DryRun {
		for _, o := range set.pending {
			if !o.there {
				set.copied.add(1, o.Size)
			}
		}
	}
}

func (s *syncer) plan(ctx context.Context, set *syncSet) error {
	var sizes map[string]int64
	err := s.one(ctx, func() (err error) {
		sizes, err = s.list(ctx, s.to, set.Manifest, set.at)
		return err
	})
	if err != nil {
		return at("destination", err)
	}
	for _, o := range set.Objects {
		size, ok := sizes[o.Name]
		set.pending = append(set.pending, syncObject{o, ok && size == o.Size})
	}
	switch {
	case set.equal():
		flaw := firstFlaw(set.Manifest, sizes)
		if flaw == nil && s.Checksum {
			flaw, err = s.reread(ctx, set)
		}
		if err == nil && flaw == nil {
			set.pending, set.listed = nil, false // whatever is wrong with the seal, the set is whole
			flaw, err = s.compareSeals(ctx, set, sizes)
		}
		if err != nil {
			return err
		}
		if flaw == nil {
			set.outcome.Action = SyncSame
			return nil
		}
		set.outcome.Action, set.outcome.Reason = SyncRepaired, flaw.Error()
	case set.prior != nil:
		set.outcome.Action, set.outcome.Reason = SyncRepaired, "it is another set of this name"
	}
	// What is not there to be copied must not cost the destination what it has.
	return s.one(ctx, func() error {
		sizes, err := s.list(ctx, s.from, set.Manifest, place{set.prefix, set.ID})
		if err == nil {
			err = firstFlaw(set.Manifest, sizes)
		}
		return at("source", err)
	})
}

// list returns the sizes of those objects in a set's folder that belong to the
// set, its manifest and seal included.
func (s *syncer) list(ctx context.Context, sink remote.RemoteSink, m *Manifest, at place) (sizes map[string]int64, err error) {
	err = s.try(ctx, func() error {
		sizes = map[string]int64{}
		for obj, err := range sink.List(ctx, at.path("")) {
			if err != nil {
				return err
			}
			name, ok := strings.CutPrefix(obj.Name, at.path(""))
			if _, known := m.Object(name); ok && (known || name == Name || name == SealName) {
				sizes[name] = obj.Size
			}
		}
		return nil
	})
	return sizes, err
}

// firstFlaw returns a *DamageError about the first object that is not listed as
// it should be, or nil.
func firstFlaw(m *Manifest, sizes map[string]int64) error {
	for _, o := range m.Objects {
		size, ok := sizes[o.Name]
		switch {
		case !ok:
			return &DamageError{m.ID, o.Name, errors.New("it is missing")}
		case size != o.Size:
			return &DamageError{m.ID, o.Name, fmt.Errorf("it has %d bytes instead of %d", size, o.Size)}
		}
	}
	return nil
}

// reread compares all objects of a set at the destination, and leaves in pending
// those that have other bytes. The flaw is a *DamageError about one of them.
func (s *syncer) reread(ctx context.Context, set *syncSet) (flaw, err error) {
	err = s.all(ctx, len(set.pending), func(i int) error {
		same, err := s.holds(ctx, set, set.pending[i].Object)
		set.pending[i].there = same
		return err
	})
	if err != nil {
		return nil, at("destination", err)
	}
	var other []syncObject
	for _, o := range set.pending {
		if !o.there {
			other = append(other, o)
			flaw = &DamageError{set.ID, o.Name, errors.New("it has other bytes than its hash is of")}
		}
	}
	set.pending = other
	return flaw, nil
}

// compareSeals tells what is wrong with the destination's seal, given that it
// has the source's manifest. The bytes count only if they are asked for: with
// keys to trust, Scan has seen to both seals.
func (s *syncer) compareSeals(ctx context.Context, set *syncSet, sizes map[string]int64) (flaw, err error) {
	size, sealed := sizes[SealName]
	if sealed && size == ed25519.SignatureSize && !s.Checksum {
		return nil, nil
	}
	err = s.one(ctx, func() error {
		want, err := s.readSeal(ctx, s.from, set.Path(SealName))
		if err != nil || want == nil {
			return err
		}
		have, err := s.readSeal(ctx, s.to, set.at.path(SealName))
		if err == nil && !bytes.Equal(have, want) {
			flaw = &DamageError{set.ID, SealName, errors.New("it is not that of the source")}
		}
		return err
	})
	return flaw, err
}

// readSeal reads a seal, nil if there is none.
func (s *syncer) readSeal(ctx context.Context, sink remote.RemoteSink, name string) (sig []byte, err error) {
	err = s.try(ctx, func() (err error) {
		sig, err = readSmall(ctx, sink, name, ed25519.SignatureSize)
		if errors.Is(err, fs.ErrNotExist) {
			sig, err = nil, nil
		}
		return err
	})
	return sig, err
}
