package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"
)

// Dir is a sink in a local folder: every object is a file, every slash in its
// name a folder. It may be copied by stock tools, and files copied into it are
// objects.
//
// What Put stored survives a crash of the machine. Folders and files are made
// for the owner alone (modes 0700 and 0600). A name cannot be an object and a
// folder at once: with "a/b" there, "a" cannot be stored.
//
// Hidden files, those whose names [CheckName] refuses, symbolic links and what
// else is not a regular file are no objects; a link that leads out of the folder is refused wherever it stands
// in a path. Dir needs a file system with hard links for PutExclusive only.
//
// Several processes may use one folder at a time. The folder is opened anew
// for each call, so a volume may be mounted there later; while the folder
// itself is missing every call fails, and not with [fs.ErrNotExist].
type Dir struct {
	path string
}

var (
	_ RemoteSink      = (*Dir)(nil)
	_ RangeGetter     = (*Dir)(nil)
	_ Stater          = (*Dir)(nil)
	_ ExclusivePutter = (*Dir)(nil)
	_ LevelLister     = (*Dir)(nil)
	_ Sweeper         = (*Dir)(nil)
)

// NewDir returns the sink in the folder at path, which it creates if needed,
// with its parents.
func NewDir(path string) (*Dir, error) {
	if path == "" {
		return nil, fmt.Errorf("open folder: %w: the path is empty", fs.ErrInvalid)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	if err := makeRoot(abs); err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	d := &Dir{path: abs}
	root, err := d.open()
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	return d, root.Close()
}

// makeRoot creates the folder at path and its parents, durably.
func makeRoot(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := makeRoot(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(syncFolder(f), f.Close())
}

// String returns the folder's absolute path.
func (d *Dir) String() string { return d.path }

// open returns the folder. All access goes through it, so that no symbolic
// link leads outside.
func (d *Dir) open() (*os.Root, error) {
	root, err := os.OpenRoot(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		// An unmounted disk must not look like an empty store.
		return nil, fmt.Errorf("the folder %s is gone: mount it or create it again", d.path)
	}
	return root, err
}

// do runs one operation on an object, with the folder open.
func (d *Dir) do(ctx context.Context, op, name string, f func(root *os.Root) error) error {
	err := ctx.Err()
	if err == nil {
		err = CheckName(name)
	}
	if err == nil {
		var root *os.Root
		if root, err = d.open(); err == nil {
			err = f(root)
			root.Close()
		}
	}
	if err != nil {
		return &Error{Op: op, Sink: d.path, Name: name, Err: err}
	}
	return nil
}

// Get opens an object. The file stays readable when it is replaced or deleted.
func (d *Dir) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	return d.GetRange(ctx, name, 0, -1)
}

// GetRange opens a part of an object; see [RangeGetter].
func (d *Dir) GetRange(ctx context.Context, name string, offset, length int64) (rc io.ReadCloser, err error) {
	err = d.do(ctx, "get", name, func(root *os.Root) error {
		if err := CheckRange(offset, length); err != nil {
			return err
		}
		if _, err := statObject(root, name); err != nil {
			return err
		}
		// Whatever has taken the file's place since must not make us wait.
		f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return missing(err)
		}
		if fi, err := f.Stat(); err != nil || !fi.Mode().IsRegular() {
			return errors.Join(err, f.Close(), fmt.Errorf("%s is no longer a regular file", name))
		}
		if _, err := f.Seek(offset, io.SeekStart); err != nil {
			return errors.Join(err, f.Close())
		}
		rc = cutRange(&file{Reader: ctxReader{ctx, f}, Closer: f}, length)
		return nil
	})
	return rc, err
}

// Stat describes an object.
func (d *Dir) Stat(ctx context.Context, name string) (obj Object, err error) {
	err = d.do(ctx, "stat", name, func(root *os.Root) error {
		fi, err := statObject(root, name)
		if err == nil {
			obj = describe(name, fi)
		}
		return err
	})
	return obj, err
}

// Delete removes an object, durably, and the folders that it leaves empty.
func (d *Dir) Delete(ctx context.Context, name string) error {
	return d.do(ctx, "delete", name, func(root *os.Root) error {
		_, err := statObject(root, name)
		if err == nil {
			err = missing(root.Remove(name))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return syncFolders(root, d.prune(root, path.Dir(name)))
	})
}

// prune removes folder and its parents as long as they are empty, and returns
// the first that stays. A Put that loses its folder so makes it again.
func (d *Dir) prune(root *os.Root, folder string) string {
	for ; folder != "."; folder = path.Dir(folder) {
		if ignoreMissing(d.removeFolder(root, folder)) != nil {
			break
		}
	}
	return folder
}

// removeFolder removes a folder if it is empty.
func (d *Dir) removeFolder(root *os.Root, folder string) error {
	// Root.Remove would also remove an object that took the folder's place
	// meanwhile; rmdir cannot, but does not know of the root. So the root says
	// first whether the path stays inside.
	if _, err := root.Lstat(folder); err != nil {
		return err
	}
	return syscall.Rmdir(filepath.Join(d.path, filepath.FromSlash(folder)))
}

// statObject describes the regular file that is the object.
func statObject(root *os.Root, name string) (fs.FileInfo, error) {
	fi, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, missing(err)
	case fi.IsDir():
		return nil, fmt.Errorf("%w: %s is a folder", fs.ErrNotExist, name)
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file but %s", name, fi.Mode().Type())
	}
	return fi, nil
}

// missing turns the error that an object stands where a folder should be into
// what it means: there is no such object.
func missing(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	}
	return err
}

// describe makes the Object of a file. Every Put makes a new file while the
// former one exists, so the inode tells two contents of one size and time apart.
func describe(name string, fi fs.FileInfo) Object {
	obj := Object{Name: name, Size: fi.Size(), ModTime: fi.ModTime()}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		obj.Version = fmt.Sprintf("%x-%x-%x", obj.Size, obj.ModTime.UnixNano(), st.Ino)
	}
	return obj
}

// syncFolders makes the entries of folder and its parents durable.
func syncFolders(root *os.Root, folder string) error {
	for {
		f, err := root.Open(folder)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // emptied and removed meanwhile; its parent's entry counts
		} else if err == nil {
			err = errors.Join(syncFolder(f), f.Close())
		}
		if err != nil || folder == "." {
			return err
		}
		folder = path.Dir(folder)
	}
}

// syncFolder makes a folder's entries durable, where the file system knows how.
func syncFolder(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// hidden tells whether a file or folder is none of a sink's names.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }

// file is an open object.
type file struct {
	io.Reader
	io.Closer
}

// ctxReader fails once its context is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
