package remote

import (
	"cmp"
	"context"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
)

// List lists the objects in name order. It holds the entries of one folder of
// each depth in memory.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return d.list(ctx, prefix, false)
}

// ListLevel lists one level; see [LevelLister]. It looks into each folder only
// until it has found one object; one that it cannot look into it gives as well,
// so that one damaged folder does not hide the others.
func (d *Dir) ListLevel(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return d.list(ctx, prefix, true)
}

func (d *Dir) list(ctx context.Context, prefix string, level bool) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		err := ctx.Err()
		if err == nil {
			err = CheckPrefix(prefix)
		}
		if err == nil {
			err = d.walk(ctx, prefix, level, func(obj Object) bool { return yield(obj, nil) })
		}
		if err != nil {
			yield(Object{}, &Error{Op: "list", Sink: d.path, Name: prefix, Err: err})
		}
	}
}

// walk calls yield for what is listed until it returns false.
func (d *Dir) walk(ctx context.Context, prefix string, level bool, yield func(Object) bool) error {
	root, err := d.open()
	if err != nil {
		return err
	}
	// Go down to the folder that the prefix names, so that its siblings need
	// not be read. base, with its slash, is the name of the folder reached.
	base := ""
	for {
		elem, _, below := strings.Cut(prefix[len(base):], "/")
		if !below {
			break
		}
		sub, err := openFolder(root, elem)
		root.Close()
		if err != nil {
			return ignoreMissing(err)
		}
		root, base = sub, base+elem+"/"
	}
	defer root.Close()
	w := &walker{ctx: ctx, prefix: prefix, level: level, yield: yield}
	_, err = w.folder(root, base)
	return err
}

type walker struct {
	ctx    context.Context
	prefix string
	level  bool // fold what is behind the next slash
	yield  func(Object) bool
}

// folder walks root, whose name is base, and tells whether to go on.
func (w *walker) folder(root *os.Root, base string) (more bool, err error) {
	entries, err := readFolder(root, ".")
	if err != nil {
		return true, ignoreMissing(err)
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return false, err
		}
		name := base + e.Name()
		more = true
		switch {
		case CheckName(name) != nil || !strings.HasPrefix(name, w.prefix): // none of ours, as hidden ones are
		case e.IsDir():
			more, err = w.below(root, e.Name(), name+"/")
		case e.Type().IsRegular():
			more, err = w.object(root, e.Name(), name)
		}
		if err != nil || !more {
			return false, err
		}
	}
	return true, nil
}

// object gives one file, unless it vanished.
func (w *walker) object(root *os.Root, elem, name string) (more bool, err error) {
	fi, err := root.Lstat(elem)
	if err != nil || !fi.Mode().IsRegular() {
		return true, ignoreMissing(err)
	}
	return w.yield(describe(name, fi)), nil
}

// below gives what a folder holds, or the folder itself if it holds anything.
func (w *walker) below(root *os.Root, elem, name string) (more bool, err error) {
	if !w.level {
		return w.inside(root, elem, name)
	}
	found := false
	first := &walker{ctx: w.ctx, yield: func(Object) bool { found = true; return false }}
	_, err = first.inside(root, elem, name)
	if err := w.ctx.Err(); err != nil {
		return false, err
	}
	if err == nil && !found {
		return true, nil
	}
	return w.yield(Object{Name: name}), nil
}

// inside walks one folder of root.
func (w *walker) inside(root *os.Root, elem, name string) (more bool, err error) {
	sub, err := openFolder(root, elem)
	if err != nil {
		return true, ignoreMissing(err)
	}
	defer sub.Close()
	return w.folder(sub, name)
}

// openFolder opens a folder inside root, but not a symbolic link to one: what
// is listed is listed under one name.
func openFolder(root *os.Root, elem string) (*os.Root, error) {
	fi, err := root.Lstat(elem)
	if err == nil && !fi.IsDir() {
		err = &fs.PathError{Op: "open", Path: elem, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, err
	}
	return root.OpenRoot(elem)
}

// readFolder returns the entries of a folder so ordered that a walk meets
// whole names in byte order: a folder sorts with its slash, behind "a-b" and
// before "a0".
func readFolder(root *os.Root, name string) ([]fs.DirEntry, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	key := func(e fs.DirEntry) string {
		if e.IsDir() {
			return e.Name() + "/"
		}
		return e.Name()
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(key(a), key(b)) })
	return entries, nil
}
