package manifest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// carry does to a set what compare found out, and commits it.
func (s *syncer) carry(ctx context.Context, set *syncSet) {
	defer close(set.ended)
	if set.outcome.Err != nil || set.outcome.Action == SyncSame {
		return
	}
	err := s.copyObjects(ctx, set)
	if err == nil {
		err = s.await(ctx, set)
	}
	if err == nil {
		err = s.one(ctx, func() error { return s.commit(ctx, set) })
	}
	if err != nil {
		set.outcome.fail(err)
		s.Logger.Error("set not copied", "set", set.ID, "err", err)
		return
	}
	s.Logger.Info("set copied", "set", set.ID, "action", set.outcome.Action, "objects", set.copied.objects, "bytes", set.copied.bytes)
}

// copyObjects brings all objects of a set that the destination lacks. Until
// the set is committed the destination does not list it.
func (s *syncer) copyObjects(ctx context.Context, set *syncSet) error {
	if set.listed {
		name := set.at.path(Name)
		if err := s.one(ctx, func() error { return s.try(ctx, func() error { return s.to.Delete(ctx, name) }) }); err != nil {
			return at("destination", err)
		}
	}
	return s.all(ctx, len(set.pending), func(i int) error {
		o := set.pending[i]
		if o.there {
			same, err := s.holds(ctx, set, o.Object)
			if err != nil {
				return at("destination", err)
			}
			if same {
				return nil
			}
		}
		return s.try(ctx, func() error { return s.copyObject(ctx, set, o.Object) })
	})
}

// await waits for what the set needs, and fails if a later run may bring that.
func (s *syncer) await(ctx context.Context, set *syncSet) error {
	for _, n := range set.needs {
		select {
		case <-n.ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		var damage *DamageError
		if err := n.outcome.Err; err != nil && !errors.As(err, &damage) {
			return fmt.Errorf("it waits for %s, which it needs and which failed", n.ID)
		}
	}
	return nil
}

// copyObject copies one object if it is as the manifest says.
func (s *syncer) copyObject(ctx context.Context, set *syncSet, o Object) error {
	rc, err := s.from.Get(ctx, set.Path(o.Name))
	if errors.Is(err, fs.ErrNotExist) {
		err = &DamageError{set.ID, o.Name, err}
	}
	if err != nil {
		return at("source", err)
	}
	defer rc.Close()
	r := &provenReader{r: rc, set: set.ID, want: o, sum: sha256.New(), passed: func(n int) { s.meter.add(set.ID, 0, int64(n)) }}
	err = s.store(ctx, set.at.path(o.Name), r, o)
	if r.err != nil {
		err = at("source", r.err) // whatever the destination makes of it
	} else if err == nil && !r.proven {
		err = at("destination", fmt.Errorf("%s was stored without being read to its end", set.at.path(o.Name)))
	}
	if err != nil {
		s.meter.add(set.ID, 0, -r.n)
		return err
	}
	s.meter.add(set.ID, 1, 0)
	set.copied.Lock()
	set.copied.add(1, o.Size)
	set.copied.Unlock()
	return nil
}

// provenReader gives what the manifest says, or an error in place of its end.
type provenReader struct {
	r      io.Reader
	set    string
	want   Object
	sum    hash.Hash
	passed func(n int)

	n      int64
	proven bool  // all was read and is right
	err    error // of r, or a *DamageError
}

func (p *provenReader) Read(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.r.Read(b)
	p.n += int64(n)
	p.sum.Write(b[:n])
	p.passed(n)
	switch {
	case err != nil && err != io.EOF:
		p.err = err
	case p.n > p.want.Size || err == io.EOF && p.n < p.want.Size:
		p.err = &DamageError{p.set, p.want.Name, fmt.Errorf("it has not the %d bytes that the manifest says", p.want.Size)}
	case err == io.EOF && hex.EncodeToString(p.sum.Sum(nil)) != p.want.SHA256:
		p.err = &DamageError{p.set, p.want.Name, errors.New("it has other bytes than its hash is of")}
	}
	if p.err != nil {
		return 0, p.err
	}
	p.proven = err == io.EOF
	return n, err
}

// store puts an object, and makes sure that the destination holds it.
func (s *syncer) store(ctx context.Context, name string, r io.Reader, want Object) error {
	obj, err := s.to.Put(ctx, name, r, nil)
	right := obj.Size == want.Size
	if err == nil && right && !obj.Checked {
		right, err = readsAs(ctx, s.to, name, want, func(int) {})
	}
	if err == nil && !right {
		err = errors.Join(fmt.Errorf("%s does not hold what was stored there, and is deleted", name), s.to.Delete(ctx, name))
	}
	return at("destination", err)
}

// holds tells whether the destination has an object with the right bytes.
func (s *syncer) holds(ctx context.Context, set *syncSet, o Object) (same bool, err error) {
	err = s.try(ctx, func() error {
		var n int64
		var err error
		same, err = readsAs(ctx, s.to, set.at.path(o.Name), o, func(read int) {
			n += int64(read)
			s.meter.add(set.ID, 0, int64(read))
		})
		if same {
			s.meter.add(set.ID, 1, 0)
		} else {
			s.meter.add(set.ID, 0, -n)
		}
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // it went since it was listed
		}
		return err
	})
	return same, err
}

// readsAs tells whether a sink holds an object with the right bytes.
func readsAs(ctx context.Context, sink remote.RemoteSink, name string, want Object, passed func(n int)) (same bool, err error) {
	rc, err := sink.Get(ctx, name)
	if err != nil {
		return false, err
	}
	defer rc.Close()
	err = want.CheckStored(io.TeeReader(rc, writerFunc(passed)))
	if isMismatch(err) {
		return false, nil
	}
	return err == nil, err
}

type writerFunc func(n int)

func (f writerFunc) Write(p []byte) (int, error) {
	f(len(p))
	return len(p), nil
}

// commit makes a set appear, of which all objects are there.
func (s *syncer) commit(ctx context.Context, set *syncSet) error {
	var text []byte
	err := s.try(ctx, func() (err error) {
		text, err = readSmall(ctx, s.from, set.Path(Name), MaxSize)
		return err
	})
	var seal []byte
	if err == nil {
		seal, err = s.readSeal(ctx, s.from, set.Path(SealName))
	}
	switch sum := sha256.Sum256(text); {
	case err != nil:
	case hex.EncodeToString(sum[:]) != set.sum:
		err = fmt.Errorf("the manifest of %s is another one than a moment ago: sync again", set.ID)
	case seal != nil && len(seal) != ed25519.SignatureSize:
		err = &DamageError{set.ID, SealName, errors.New("it is no seal")}
	case len(s.Trust) > 0:
		err = verifySeal(set.ID, text, seal, s.Trust)
	}
	if err != nil {
		return at("source", err)
	}

	// Once more, as others may have deleted what they took for abandoned.
	sizes, err := s.list(ctx, s.to, set.Manifest, set.at)
	if err == nil && firstFlaw(set.Manifest, sizes) != nil {
		// No *DamageError, which a later run would find again.
		err = fmt.Errorf("it lost what was copied there: %v", firstFlaw(set.Manifest, sizes))
	}
	if _, sealed := sizes[SealName]; err == nil && sealed && seal == nil {
		err = s.try(ctx, func() error { return s.to.Delete(ctx, set.at.path(SealName)) })
	}
	if err != nil {
		return at("destination", err)
	}
	for _, part := range []struct {
		name  string
		bytes []byte
	}{{SealName, seal}, {Name, text}} {
		if part.bytes == nil {
			continue
		}
		sum := sha256.Sum256(part.bytes)
		err := s.try(ctx, func() error {
			return s.store(ctx, set.at.path(part.name), bytes.NewReader(part.bytes), Object{Size: int64(len(part.bytes)), SHA256: hex.EncodeToString(sum[:])})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pauses are those between the attempts at one object. The providers' own
// retries come before.
var pauses = []time.Duration{200 * time.Millisecond, time.Second, 5 * time.Second}

// try calls f until it succeeds, fails for good, or failed too often.
func (s *syncer) try(ctx context.Context, f func() error) error {
	for _, pause := range pauses {
		err := f()
		if err == nil || ctx.Err() != nil || isFinal(err) {
			return err
		}
		s.Logger.Warn("trying again", "err", err, "pause", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w, after %w", context.Cause(ctx), err)
		}
	}
	return f()
}

// isFinal tells whether another attempt would end alike.
func isFinal(err error) bool {
	var damage *DamageError
	return errors.As(err, &damage) || remote.IsLasting(err)
}

// at says on which side an error came up.
func at(side string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the %s: %w", side, err)
}
