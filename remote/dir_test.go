package remote_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func newDir(t testing.TB) *remote.Dir {
	t.Helper()
	dir, err := remote.NewDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tree lists every file and folder below root, hidden or not.
func tree(t *testing.T, root string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if path != root {
			paths = append(paths, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func put(t *testing.T, sink remote.RemoteSink, name, content string) {
	t.Helper()
	if _, err := sink.Put(t.Context(), name, strings.NewReader(content), nil); err != nil {
		t.Fatal(err)
	}
}

func names(t *testing.T, objects iter.Seq2[remote.Object, error]) (names []string) {
	t.Helper()
	for obj, err := range objects {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, obj.Name)
	}
	return names
}

func TestDir(t *testing.T) {
	dir := newDir(t)
	if err := remotetest.TestSink(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if left := tree(t, dir.String()); len(left) > 0 {
		t.Errorf("the suite's objects are deleted, but left are %q", left)
	}
}

func TestNewDir(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := remote.NewDir("a/b/c")
	if err != nil {
		t.Fatal(err)
	}
	if want, _ := filepath.Abs("a/b/c"); dir.String() != want {
		t.Errorf("String is %q, want %q", dir, want)
	}
	t.Chdir("/") // the path was made absolute
	put(t, dir, "x", "x")

	file := filepath.Join(dir.String(), "x")
	for _, path := range []string{"", file, file + "/below"} {
		if _, err := remote.NewDir(path); err == nil {
			t.Errorf("NewDir(%q) succeeds", path)
		}
	}
}

func TestDirModes(t *testing.T) {
	dir := newDir(t)
	put(t, dir, "set/x", "secret")
	for path, want := range map[string]fs.FileMode{"set": fs.ModeDir | 0o700, "set/x": 0o600} {
		fi, err := os.Stat(filepath.Join(dir.String(), path))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, fi.Mode(), want)
		}
	}
}

func TestDirFailedPutLeavesNothing(t *testing.T) {
	dir := newDir(t)
	broken := errors.New("the source broke")
	r := remotetest.FailAfter(bytes.NewReader(make([]byte, 1<<20)), 1<<19, broken)
	if _, err := dir.Put(t.Context(), "full/set/x", r, nil); !errors.Is(err, broken) {
		t.Fatalf("Put gives %v", err)
	}
	if left := tree(t, dir.String()); len(left) > 0 {
		t.Errorf("left are %q", left)
	}

	func() {
		defer func() { _ = recover() }()
		_, _ = dir.Put(t.Context(), "full/set/x", panicking{}, nil)
	}()
	if left := tree(t, dir.String()); len(left) > 0 {
		t.Errorf("a reader that panics leaves %q", left)
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic("a reader's defect") }

// TestDirFolderAndObject: a name is an object or a folder, and the error says
// which was there first.
func TestDirFolderAndObject(t *testing.T) {
	dir := newDir(t)
	put(t, dir, "a/b", "1")
	put(t, dir, "c", "2")
	for _, name := range []string{"a", "c/d"} {
		if _, err := dir.Put(t.Context(), name, strings.NewReader("x"), nil); err == nil {
			t.Errorf("Put of %q succeeds", name)
		}
	}
	if err := dir.Delete(t.Context(), "a"); err != nil {
		t.Errorf("Delete of a folder, where there is no object: %v", err)
	}
	if got := tree(t, dir.String()); !slices.Equal(got, []string{"a", "a/b", "c"}) {
		t.Errorf("left are %q", got)
	}
}

func TestDirListsObjectsOnly(t *testing.T) {
	dir := newDir(t)
	root := dir.String()
	put(t, dir, "set/x", "1")
	for _, path := range []string{".hidden", ".git/config", "set/.DS_Store"} {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(root, "set/fifo"), 0o600),
		os.Mkdir(filepath.Join(root, "empty"), 0o700),
		os.Symlink("set", filepath.Join(root, "link")),
		os.Symlink("x", filepath.Join(root, "set/link"))); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"", "set", "set/"} {
		if got := names(t, dir.List(t.Context(), prefix)); !slices.Equal(got, []string{"set/x"}) {
			t.Errorf("List of %q gives %q", prefix, got)
		}
	}
	if got := names(t, dir.List(t.Context(), "link/")); got != nil {
		t.Errorf("List through a link gives %q", got)
	}
	if got := names(t, dir.ListLevel(t.Context(), "")); !slices.Equal(got, []string{"set/"}) {
		t.Errorf("ListLevel gives %q", got)
	}
	for _, name := range []string{"set/fifo", "set/link"} {
		if rc, err := dir.Get(t.Context(), name); err == nil {
			rc.Close()
			t.Errorf("Get of %q, no regular file, succeeds", name)
		}
	}
}

// TestDirLinksOutside: links to a file and a folder outside give access to
// neither.
func TestDirLinksOutside(t *testing.T) {
	dir, outside := newDir(t), t.TempDir()
	secret := filepath.Join(outside, "secret")
	if err := errors.Join(
		os.WriteFile(secret, []byte("keep"), 0o600),
		os.Mkdir(filepath.Join(outside, "empty"), 0o700),
		os.Symlink(secret, filepath.Join(dir.String(), "file")),
		os.Symlink(outside, filepath.Join(dir.String(), "folder"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "folder/secret"} {
		if rc, err := dir.Get(t.Context(), name); err == nil {
			rc.Close()
			t.Errorf("Get of %q reads what is outside", name)
		}
		if obj, err := dir.Stat(t.Context(), name); err == nil {
			t.Errorf("Stat of %q describes what is outside: %+v", name, obj)
		}
		if err := dir.Delete(t.Context(), name); err == nil {
			t.Errorf("Delete of %q succeeds", name)
		}
	}
	for _, name := range []string{"folder/new", "folder/empty/new"} {
		if _, err := dir.Put(t.Context(), name, strings.NewReader("x"), nil); err == nil {
			t.Errorf("Put of %q writes outside", name)
		}
	}
	put(t, dir, "file", "mine") // takes the link's place, not its target's
	if got := names(t, dir.List(t.Context(), "")); !slices.Equal(got, []string{"file"}) {
		t.Errorf("List gives %q", got)
	}
	if got := tree(t, outside); !slices.Equal(got, []string{"empty", "secret"}) {
		t.Errorf("outside are now %q", got)
	}
	if got, err := os.ReadFile(secret); string(got) != "keep" {
		t.Errorf("the file outside holds %q, %v", got, err)
	}
}

// TestDirGone: a disk that is not mounted must not look like an empty store.
func TestDirGone(t *testing.T) {
	dir := newDir(t)
	if err := os.Remove(dir.String()); err != nil {
		t.Fatal(err)
	}
	_, getErr := dir.Get(t.Context(), "x")
	_, statErr := dir.Stat(t.Context(), "x")
	_, putErr := dir.Put(t.Context(), "x", strings.NewReader("x"), nil)
	_, sweepErr := dir.Sweep(t.Context(), dirTime(t))
	var listErr error
	for _, listErr = range dir.List(t.Context(), "") {
	}
	for call, err := range map[string]error{
		"Get": getErr, "Stat": statErr, "Put": putErr, "Sweep": sweepErr, "List": listErr, "Delete": dir.Delete(t.Context(), "x"),
	} {
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "is gone") {
			t.Errorf("%s in a folder that is gone gives %v", call, err)
		}
	}
}

// TestDirListWhileFoldersVanish deletes what comes next while listing.
func TestDirListWhileFoldersVanish(t *testing.T) {
	dir := newDir(t)
	for _, name := range []string{"a/1", "a/2", "b/1", "b/c/1", "d"} {
		put(t, dir, name, name)
	}
	var got []string
	for obj, err := range dir.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, obj.Name)
		for _, name := range []string{"a/2", "b/1", "b/c/1"} {
			if err := dir.Delete(t.Context(), name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if want := []string{"a/1", "d"}; !slices.Equal(got, want) {
		t.Errorf("List gives %q, want %q", got, want)
	}
}

func TestDirReaderOutlivesDelete(t *testing.T) {
	dir := newDir(t)
	put(t, dir, "x", "former")
	rc, err := dir.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	defer rc.Close()
	put(t, dir, "x", "new")
	if err := dir.Delete(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(rc); string(got) != "former" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
}
