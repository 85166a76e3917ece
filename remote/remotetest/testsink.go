// Package remotetest tests sinks, and what uses them. [TestSink] is the
// conformance suite for any [remote.RemoteSink]; [Probe] finds out what a
// store can do; [Mem] is a sink in memory, and [Faulty] one that fails to
// order.
package remotetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Option changes what [TestSink] does.
type Option func(*suite)

// LargeObject sets the size of the one large object, in bytes. Default:
// 100 MiB.
func LargeObject(size int64) Option {
	return func(s *suite) { s.large = size }
}

// TestSink checks that sink keeps the promises of [remote.RemoteSink], and
// those of the optional interfaces that it offers. The error names every check
// that failed, one a line; nil means that all passed.
//
// It works below a folder of its own, named at random, and removes that in the
// end, also when checks fail or ctx is done. If the sink is a
// [remote.Sweeper] it is told to sweep what is unfinished, whatever its age:
// use a folder or bucket that no one else writes to meanwhile.
func TestSink(ctx context.Context, sink remote.RemoteSink, opts ...Option) error {
	folder := "remotetest-" + strings.ToLower(rand.Text())
	base := suite{ctx: ctx, sink: sink, large: 100 << 20}
	for _, opt := range opts {
		opt(&base)
	}
	var errs []error
	for _, c := range checks {
		if base.only != "" && base.only != c.name {
			continue
		}
		s := base
		s.dir = folder + "/" + strings.ReplaceAll(c.name, " ", "-") + "/"
		if err := c.run(&s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.name, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := base.clean(folder + "/"); err != nil {
		errs = append(errs, fmt.Errorf("clean up: %w", err))
	}
	return errors.Join(errs...)
}

// checks are the parts of the suite. Each works in a folder of its own.
var checks = []struct {
	name string
	run  func(*suite) error
}{
	{"round trip", (*suite).roundTrip},
	{"overwrite", (*suite).overwrite},
	{"odd readers", (*suite).oddReaders},
	{"failing reader", (*suite).failingReader},
	{"all or nothing", (*suite).allOrNothing},
	{"large object", (*suite).largeObject},
	{"listing order", (*suite).listingOrder},
	{"listed objects", (*suite).listedObjects},
	{"prefix", (*suite).prefix},
	{"levels", (*suite).levels},
	{"missing object", (*suite).missingObject},
	{"delete", (*suite).delete},
	{"refused names", (*suite).refusedNames},
	{"done context", (*suite).doneContext},
	{"cancelled put", (*suite).cancelledPut},
	{"cancelled get", (*suite).cancelledGet},
	{"ranges", (*suite).ranges},
	{"exclusive put", (*suite).exclusivePut},
	{"concurrent use", (*suite).concurrentUse},
	{"concurrent folder", (*suite).concurrentFolder},
	{"sweep", (*suite).sweep},
}

// suite is one check at work.
type suite struct {
	ctx   context.Context
	sink  remote.RemoteSink
	large int64  // bytes
	only  string // the one check to run; "" for all
	dir   string // the check's folder, with its slash
}

// clean deletes all below folder.
func (s *suite) clean(folder string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), time.Minute)
	defer cancel()
	var names []string
	for obj, err := range s.sink.List(ctx, folder) {
		if err != nil {
			return err
		}
		names = append(names, obj.Name)
	}
	for _, name := range names {
		if err := s.sink.Delete(ctx, name); err != nil {
			return err
		}
	}
	for obj, err := range s.sink.List(ctx, folder) {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is still listed after it was deleted", obj.Name)
	}
	return nil
}

// content returns n bytes that seed determines.
func content(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := mathrand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = rng.Read(b) // never fails
	return b
}

// put stores data in the check's folder and checks the answer.
func (s *suite) put(name string, data []byte) (remote.Object, error) {
	name = s.dir + name
	obj, err := s.sink.Put(s.ctx, name, bytes.NewReader(data), nil)
	if err != nil {
		return obj, fmt.Errorf("put of %q, %d bytes: %w", name, len(data), err)
	}
	if obj.Name != name || obj.Size != int64(len(data)) {
		return obj, fmt.Errorf("put of %q, %d bytes, answers name %q and %d bytes", name, len(data), obj.Name, obj.Size)
	}
	return obj, nil
}

// putAll stores small objects of distinct content.
func (s *suite) putAll(names ...string) error {
	for i, name := range names {
		if _, err := s.put(name, content(uint64(i), 10+i)); err != nil {
			return err
		}
	}
	return nil
}

// get reads an object of the check's folder.
func (s *suite) get(name string) ([]byte, error) {
	rc, err := s.sink.Get(s.ctx, s.dir+name)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	data, err := io.ReadAll(rc)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("get of %q, read: %w", s.dir+name, err), rc.Close())
	}
	if err := rc.Close(); err != nil {
		return nil, fmt.Errorf("get of %q, close: %w", s.dir+name, err)
	}
	return data, nil
}

// holds checks that an object has this content, by Get, Stat and List.
func (s *suite) holds(name string, want []byte) error {
	got, err := s.get(name)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("get of %q gives %d bytes that differ from the %d stored%s", s.dir+name, len(got), len(want), firstDifference(got, want))
	}
	obj, err := remote.Stat(s.ctx, s.sink, s.dir+name)
	if err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if obj.Name != s.dir+name || obj.Size != int64(len(want)) {
		return fmt.Errorf("stat of %q, %d bytes, answers name %q and %d bytes", s.dir+name, len(want), obj.Name, obj.Size)
	}
	names, err := s.names(name)
	if err == nil && !slices.Contains(names, name) {
		err = fmt.Errorf("%q is not listed", s.dir+name)
	}
	return err
}

func firstDifference(a, b []byte) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf(", first at byte %d", i)
		}
	}
	return ""
}

// absent checks that there is no such object, by Get, Stat and List.
func (s *suite) absent(name string) error {
	rc, err := s.sink.Get(s.ctx, s.dir+name)
	if err == nil {
		return errors.Join(fmt.Errorf("get of %q, which is not there, succeeds", s.dir+name), rc.Close())
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("get of %q, which is not there, is not fs.ErrNotExist: %w", s.dir+name, err)
	}
	if _, err := remote.Stat(s.ctx, s.sink, s.dir+name); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("stat of %q, which is not there, is not fs.ErrNotExist: %w", s.dir+name, orNil(err))
	}
	names, err := s.names(name)
	if err == nil && slices.Contains(names, name) {
		err = fmt.Errorf("%q, which is not there, is listed", s.dir+name)
	}
	return err
}

// errNil stands for the success of what had to fail.
var errNil = errors.New("it succeeds")

func orNil(err error) error {
	if err == nil {
		return errNil
	}
	return err
}

// list lists below a prefix in the check's folder.
func (s *suite) list(prefix string) (objects []remote.Object, err error) {
	for obj, err := range s.sink.List(s.ctx, s.dir+prefix) {
		if err != nil {
			return nil, fmt.Errorf("list of %q: %w", s.dir+prefix, err)
		}
		objects = append(objects, obj)
	}
	return objects, nil
}

// names lists like list, and returns names within the check's folder.
func (s *suite) names(prefix string) ([]string, error) {
	objects, err := s.list(prefix)
	names := make([]string, len(objects))
	for i, obj := range objects {
		names[i] = strings.TrimPrefix(obj.Name, s.dir)
	}
	return names, err
}

// lists checks that a prefix lists exactly these names of the check's folder.
func (s *suite) lists(prefix string, want ...string) error {
	got, err := s.names(prefix)
	if err != nil {
		return err
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("list of %q gives %q instead of %q", s.dir+prefix, got, want)
	}
	return nil
}
