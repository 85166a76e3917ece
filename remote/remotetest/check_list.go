package remotetest

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
)

// oddNames are names that sinks get wrong: in the order of bytes, where
// folders ("a/b") mix with files ("a-b", "a.b", "a0"), and in the encoding of
// URLs and listings.
var oddNames = []string{
	"a b", "a!b", "a-b", "a.b", "a/b", "a/bb/c/d", "a/c", "a0", "aa", "a~",
	"Z", "_", "b+c", "b%2Fc", "b%c", "b&c=d", "b#c", "b?c", "b'c", `b"c`, "b<c>", "b*c", "b:c;d,e", "b@c", "b|c", "b[c]{d}", "b$c`d", "b^c",
	" leading and trailing ", "ends.", "x..y", "tilde~", "-dash", "--", "con", "caf\u00e9", "\u00e7\u00e3o/\u00f1", "\u65e5\u672c\u8a9e", "\U0001f418/\U0001f418", "\u00a0",
	"full/20250808T020000Z-k7f3/toc.dat", "full/20250808T020000Z-k7f3/4312.2.dat.zst", "full/20250808T020000Z-k7f3/manifest.json",
}

func (s *suite) listingOrder() error {
	names := slices.Clone(oddNames)
	// Many elements, and a long name.
	names = append(names, strings.Repeat("n/", 30)+"m", s.longName())
	for i, name := range names {
		if _, err := s.put(name, content(uint64(i), i)); err != nil {
			return err
		}
	}
	for i, name := range names {
		if err := s.holds(name, content(uint64(i), i)); err != nil {
			return err
		}
	}
	slices.Sort(names)
	if err := s.lists("", names...); err != nil {
		return err
	}
	// More than the pages of 1,000 in which object stores list would be slow to
	// build here; a listing left early must not hinder the next.
	for range s.sink.List(s.ctx, s.dir) {
		break
	}
	objects := s.sink.List(s.ctx, s.dir)
	for range 2 {
		n := 0
		for _, err := range objects {
			if err != nil {
				return fmt.Errorf("list: %w", err)
			}
			n++
		}
		if n != len(names) {
			return fmt.Errorf("a listing ranged over twice gives %d objects instead of %d", n, len(names))
		}
	}
	return nil
}

// longName is the longest name, or half as long for a sink that has no room for
// it because it keeps everything below a prefix.
func (s *suite) longName() string {
	name := func(length int) string {
		room := length - len(s.dir)
		return strings.TrimSuffix(strings.Repeat(strings.Repeat("l", 199)+"/", room/200)+strings.Repeat("l", room%200), "/")
	}
	long := name(remote.MaxName)
	if _, err := remote.Stat(s.ctx, s.sink, s.dir+long); errors.Is(err, fs.ErrInvalid) {
		return name(remote.MaxName / 2)
	}
	return long
}

// listedObjects checks what a listing says of its objects.
func (s *suite) listedObjects() error {
	var put []remote.Object
	for i, name := range []string{"a", "b/c", "d"} {
		obj, err := s.put(name, content(uint64(i), 100*i))
		if err != nil {
			return err
		}
		put = append(put, obj)
	}
	listed, err := s.list("")
	if err != nil {
		return err
	}
	if len(listed) != len(put) {
		return fmt.Errorf("list gives %d objects instead of %d", len(listed), len(put))
	}
	for i, obj := range listed {
		stat, err := remote.Stat(s.ctx, s.sink, obj.Name)
		if err != nil {
			return fmt.Errorf("stat: %w", err)
		}
		// Of a store's clock no more is asked than the right day.
		if age := time.Since(obj.ModTime); age.Abs() > 24*time.Hour {
			return fmt.Errorf("%q is listed as stored at %s, %s from now", obj.Name, obj.ModTime, -age)
		}
		if !stat.ModTime.Truncate(time.Second).Equal(obj.ModTime.Truncate(time.Second)) {
			return fmt.Errorf("%q was stored at %s by Stat, and at %s by List", obj.Name, stat.ModTime, obj.ModTime)
		}
		if obj.Size != put[i].Size || stat.Size != put[i].Size {
			return fmt.Errorf("%q has %d bytes by Put, %d by Stat, %d by List", obj.Name, put[i].Size, stat.Size, obj.Size)
		}
		if stat.Version != put[i].Version || obj.Version != put[i].Version {
			return fmt.Errorf("%q has version %q by Put, %q by Stat, %q by List", obj.Name, put[i].Version, stat.Version, obj.Version)
		}
	}
	return nil
}

func (s *suite) prefix() error {
	if err := s.putAll("a-b", "a/b", "a/bc", "a/c/d", "a0", "ab", "b", "\u00e9t\u00e9"); err != nil {
		return err
	}
	for _, t := range []struct {
		prefix string
		want   []string
	}{
		{"a", []string{"a-b", "a/b", "a/bc", "a/c/d", "a0", "ab"}},
		{"a/", []string{"a/b", "a/bc", "a/c/d"}},
		{"a/b", []string{"a/b", "a/bc"}},
		{"a/bc", []string{"a/bc"}},
		{"a/c", []string{"a/c/d"}},
		{"a/c/", []string{"a/c/d"}},
		{"a/c/d", []string{"a/c/d"}},
		{"a/c/d/", nil},
		{"a/d", nil},
		{"b", []string{"b"}},
		{"b/", nil},
		{"B", nil},
		{"\u00e9", []string{"\u00e9t\u00e9"}},
		{"nothing/of/this", nil},
	} {
		if err := s.lists(t.prefix, t.want...); err != nil {
			return err
		}
	}
	for _, prefix := range []string{"/", "../", "a//", "a/../", "a\\", "a/."} {
		var last error
		for _, err := range s.sink.List(s.ctx, prefix) {
			last = err
		}
		if !errors.Is(last, fs.ErrInvalid) {
			return fmt.Errorf("list of %q, with which no name begins, is not fs.ErrInvalid: %w", prefix, orNil(last))
		}
	}
	return nil
}

// levels compares the sink's own ListLevel with what List says.
func (s *suite) levels() error {
	if err := s.putAll("a-b", "a/b", "a/c/d", "a/c/e", "a0", "b", "c/d/e/f"); err != nil {
		return err
	}
	for _, t := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"a-b", "a/", "a0", "b", "c/"}},
		{"a", []string{"a-b", "a/", "a0"}},
		{"a/", []string{"a/b", "a/c/"}},
		{"a/c", []string{"a/c/"}},
		{"c/d/e/", []string{"c/d/e/f"}},
		{"d/", nil},
	} {
		var got []string
		for obj, err := range remote.ListLevel(s.ctx, s.sink, s.dir+t.prefix) {
			if err != nil {
				return fmt.Errorf("level list of %q: %w", s.dir+t.prefix, err)
			}
			if strings.HasSuffix(obj.Name, "/") != (obj == remote.Object{Name: obj.Name}) {
				return fmt.Errorf("level list of %q gives %+v: an object's fields are filled, a folder's are not", s.dir+t.prefix, obj)
			}
			got = append(got, strings.TrimPrefix(obj.Name, s.dir))
		}
		if !slices.Equal(got, t.want) {
			return fmt.Errorf("level list of %q gives %q instead of %q", s.dir+t.prefix, got, t.want)
		}
	}
	return nil
}
