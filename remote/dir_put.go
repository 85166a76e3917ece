package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"
)

// unfinished begins the hidden names of objects on their way in.
const unfinished = ".pgcofre-put-"

// copySize is how much is copied at a time, in bytes.
const copySize = 128 << 10

// Put stores an object: it writes to a hidden name in the same folder, syncs
// the file, renames it, and syncs the folders.
func (d *Dir) Put(ctx context.Context, name string, r io.Reader, _ *PutOptions) (Object, error) {
	return d.put(ctx, name, r, (*os.Root).Rename)
}

// PutExclusive is Put with a hard link in place of the renaming, which fails
// where the name exists.
func (d *Dir) PutExclusive(ctx context.Context, name string, r io.Reader, _ *PutOptions) (Object, error) {
	return d.put(ctx, name, r, func(root *os.Root, temp, name string) error {
		if err := root.Link(temp, name); err != nil {
			return err
		}
		_ = root.Remove(temp) // the object is there; what stays, Sweep takes
		return nil
	})
}

func (d *Dir) put(ctx context.Context, name string, r io.Reader, publish func(root *os.Root, temp, name string) error) (obj Object, err error) {
	err = d.do(ctx, "put", name, func(root *os.Root) (err error) {
		temp, f, err := create(root, path.Dir(name))
		if err != nil {
			d.prune(root, path.Dir(name))
			return err
		}
		done := false
		defer func() { // also when r panics
			if !done {
				err = errors.Join(err, d.discard(root, temp))
			}
		}()
		fi, err := fill(ctx, f, r)
		if err == nil {
			err = publish(root, temp, name)
		}
		if err != nil {
			return err
		}
		done = true
		obj = describe(name, fi)
		// All parents, as another Put may have made one of them just now and
		// not have synced it yet.
		return syncFolders(root, path.Dir(name))
	})
	if err != nil {
		return Object{}, err
	}
	return obj, nil
}

// create opens a new hidden file in folder, which it makes if needed. A Delete
// at work may remove the empty folder in between: then it makes it again.
func create(root *os.Root, folder string) (temp string, f *os.File, err error) {
	temp = path.Join(folder, unfinished+rand.Text())
	for range 100 {
		if err = root.MkdirAll(folder, 0o700); err == nil {
			f, err = root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}
		// MkdirAll says that a folder exists which was there when it tried to
		// make it, and gone when it looked.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return temp, f, err
}

// fill writes all of r to f, durably, and closes f.
func fill(ctx context.Context, f *os.File, r io.Reader) (fs.FileInfo, error) {
	// Struct and ctxReader hide the methods by which io.CopyBuffer would copy
	// in larger steps without looking at the context.
	_, err := io.CopyBuffer(struct{ io.Writer }{f}, ctxReader{ctx, r}, make([]byte, copySize))
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = f.Sync()
	}
	var fi fs.FileInfo
	if err == nil {
		fi, err = f.Stat()
	}
	return fi, errors.Join(err, f.Close())
}

// discard removes an unfinished file, and the folders made for it if nothing
// else is in them.
func (d *Dir) discard(root *os.Root, temp string) error {
	err := root.Remove(temp)
	d.prune(root, path.Dir(temp))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Sweep removes the hidden files of Puts that died and wrote nothing since
// olderThan, and empty folders as old. It counts the files.
func (d *Dir) Sweep(ctx context.Context, olderThan time.Time) (removed int, err error) {
	root, err := d.open()
	if err == nil {
		removed, err = d.sweep(ctx, root, ".", olderThan)
		root.Close()
	}
	if err != nil {
		return removed, &Error{Op: "sweep", Sink: d.path, Err: err}
	}
	return removed, nil
}

// sweep sweeps one folder and what is below it.
func (d *Dir) sweep(ctx context.Context, root *os.Root, folder string, olderThan time.Time) (removed int, err error) {
	made, err := root.Lstat(folder)
	if err != nil {
		return 0, ignoreMissing(err)
	}
	entries, err := readFolder(root, folder)
	if err != nil {
		return 0, ignoreMissing(err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		name := path.Join(folder, e.Name())
		switch {
		case e.IsDir() && !hidden(e.Name()):
			n, err := d.sweep(ctx, root, name, olderThan)
			removed += n
			if err != nil {
				return removed, err
			}
		case e.Type().IsRegular() && strings.HasPrefix(e.Name(), unfinished):
			fi, err := root.Lstat(name)
			if err == nil && fi.ModTime().Before(olderThan) {
				if err = root.Remove(name); err == nil {
					removed++
				}
			}
			if ignoreMissing(err) != nil {
				return removed, err
			}
		}
	}
	if folder != "." && made.ModTime().Before(olderThan) {
		// Fails, as it should, where the folder is not empty.
		_ = d.removeFolder(root, folder)
	}
	return removed, nil
}

// ignoreMissing drops the error that a file vanished meanwhile.
func ignoreMissing(err error) error {
	if errors.Is(missing(err), fs.ErrNotExist) {
		return nil
	}
	return err
}
