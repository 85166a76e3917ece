package remotetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Capabilities say what a store was seen to do. What a sink's type offers a
// store behind it may still lack: one that does not know a precondition's
// header, say, ignores it.
type Capabilities struct {
	Ranges    bool // parts are read as asked, without the rest
	Stat      bool // an object is described without listing
	Exclusive bool // a second exclusive Put is refused, and the first object stays
	Levels    bool // one level is listed without what is below
	Sweep     bool // leftovers can be removed; not tried
	Versions  bool // another content of the same size has another Version
	Checked   bool // a small object's Put returned Checked: the store's own checksum was ours

	// ClockAhead is how much the store's clock is ahead of ours, give or take
	// the duration of a Put; negative if behind. What judges the age of objects
	// must allow for it.
	ClockAhead time.Duration
}

// Probe finds out what the store behind sink can do, with a small object that
// it deletes in the end. An error tells that the four methods of
// [remote.RemoteSink] themselves do not work, so that it also shows whether
// the sink may be written to.
func Probe(ctx context.Context, sink remote.RemoteSink) (c Capabilities, err error) {
	s := &suite{ctx: ctx, sink: sink, dir: "remotetest-" + strings.ToLower(rand.Text()) + "/"}
	defer func() { err = errors.Join(err, s.clean(s.dir)) }()

	first, err := s.put("probe", []byte("first"))
	if err != nil {
		return c, err
	}
	now := time.Now()
	if err := s.holds("probe", []byte("first")); err != nil {
		return c, err
	}
	obj, err := remote.Stat(ctx, sink, s.dir+"probe")
	if err != nil {
		return c, err
	}
	c.ClockAhead = obj.ModTime.Sub(now)
	second, err := s.put("probe", []byte("other"))
	if err != nil {
		return c, err
	}
	c.Checked = first.Checked
	c.Versions = first.Version != "" && first.Version != second.Version
	_, c.Stat = sink.(remote.Stater)
	_, c.Levels = sink.(remote.LevelLister)
	_, c.Sweep = sink.(remote.Sweeper)
	if c.Ranges, err = s.probeRange(); err != nil {
		return c, err
	}
	c.Exclusive, err = s.probeExclusive()
	return c, err
}

// probeRange reads the middle of "other".
func (s *suite) probeRange() (bool, error) {
	g, ok := s.sink.(remote.RangeGetter)
	if !ok {
		return false, nil
	}
	rc, err := g.GetRange(s.ctx, s.dir+"probe", 1, 3)
	if err != nil {
		return false, fmt.Errorf("range read: %w", err)
	}
	got, err := io.ReadAll(rc)
	return string(got) == "the", errors.Join(err, rc.Close())
}

// probeExclusive tries to overwrite "other".
func (s *suite) probeExclusive() (bool, error) {
	e, ok := s.sink.(remote.ExclusivePutter)
	if !ok {
		return false, nil
	}
	_, err := e.PutExclusive(s.ctx, s.dir+"probe", strings.NewReader("third"), nil)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return false, s.ctx.Err() // no permission for it, or no such feature
	}
	got, getErr := s.get("probe")
	return err != nil && bytes.Equal(got, []byte("other")), getErr
}
