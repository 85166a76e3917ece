package remotetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

type defect struct {
	name   string
	check  string // must report it
	damage func(b *broken)
}

// defects are mistakes that sinks make.
var defects = []defect{
	{"a bit flips", "round trip", func(b *broken) {
		b.spoilt(func(_ string, r io.Reader) io.Reader { return remotetest.FlipBit(r, 300) })
	}},
	{"the end is lost", "round trip", func(b *broken) {
		b.spoilt(func(_ string, r io.Reader) io.Reader { return io.LimitReader(r, 1<<20) })
	}},
	{"reading fails", "round trip", func(b *broken) {
		b.spoilt(func(_ string, r io.Reader) io.Reader {
			return remotetest.FailAfter(r, 4000, errors.New("connection reset"))
		})
	}},
	{"large objects are cut", "large object", func(b *broken) {
		b.spoilt(func(name string, r io.Reader) io.Reader {
			if strings.HasSuffix(name, "/large") {
				return io.LimitReader(r, 10<<20-1)
			}
			return r
		})
	}},
	{"Put lies about the size", "round trip", func(b *broken) {
		b.described(func(o object) object { o.Size++; return o })
	}},
	{"Put names another object", "round trip", func(b *broken) {
		b.described(func(o object) object { o.Name = "/" + o.Name; return o })
	}},
	{"Put refuses empty objects", "round trip", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			data, err := io.ReadAll(r)
			if err == nil && len(data) == 0 {
				err = errors.New("nothing to store")
			}
			return b.putOr(ctx, name, data, err)
		}
	}},
	{"the first content stays", "overwrite", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			obj, err := b.Mem.PutExclusive(ctx, name, r, nil)
			if errors.Is(err, fs.ErrExist) {
				return b.Mem.Stat(ctx, name)
			}
			return obj, err
		}
	}},
	{"the version is the size", "overwrite", func(b *broken) {
		version := func(o object) object { o.Version = string(rune('a' + o.Size%20)); return o }
		b.described(version)
		b.stat = func(ctx context.Context, name string) (object, error) {
			obj, err := b.Mem.Stat(ctx, name)
			return version(obj), err
		}
	}},
	{"a Read of 0 bytes ends the object", "odd readers", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			var data []byte
			buf := make([]byte, 4096)
			for {
				n, err := r.Read(buf)
				data = append(data, buf[:n]...)
				if n == 0 || err != nil {
					if err == io.EOF {
						err = nil
					}
					return b.putOr(ctx, name, data, err)
				}
			}
		}
	}},
	{"bytes that come with io.EOF are dropped", "odd readers", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			var data []byte
			buf := make([]byte, 32<<10)
			for {
				n, err := r.Read(buf)
				if err == io.EOF {
					return b.putOr(ctx, name, data, nil)
				}
				data = append(data, buf[:n]...)
				if err != nil {
					return b.putOr(ctx, name, nil, err)
				}
			}
		}
	}},
	{"a failed Put leaves what it read", "failing reader", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			data, err := io.ReadAll(r)
			obj, putErr := b.Mem.Put(ctx, name, bytes.NewReader(data), nil)
			return obj, errors.Join(err, putErr)
		}
	}},
	{"a failed Put deletes the former object", "failing reader", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			obj, err := b.Mem.Put(ctx, name, r, nil)
			if err != nil && remote.CheckName(name) == nil {
				err = errors.Join(err, b.Mem.Delete(context.WithoutCancel(ctx), name))
			}
			return obj, err
		}
	}},
	{"the reader's error is swallowed", "failing reader", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			data, _ := io.ReadAll(r)
			return b.Mem.Put(ctx, name, bytes.NewReader(data), nil)
		}
	}},
	{"the object is there while it is written", "all or nothing", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			if _, err := b.Mem.Put(ctx, name, strings.NewReader(""), nil); err != nil {
				return object{}, err
			}
			obj, err := b.Mem.Put(ctx, name, r, nil)
			if err != nil {
				err = errors.Join(err, b.Mem.Delete(context.WithoutCancel(ctx), name))
			}
			return obj, err
		}
	}},
	{"a cancelled Put goes on", "cancelled put", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			if err := ctx.Err(); err != nil {
				return object{}, err
			}
			return b.Mem.Put(context.WithoutCancel(ctx), name, r, nil)
		}
	}},
	{"a cancelled Get goes on", "cancelled get", func(b *broken) {
		b.get = func(ctx context.Context, name string) (io.ReadCloser, error) {
			return b.Mem.Get(context.WithoutCancel(ctx), name)
		}
	}},
	{"Delete ignores the context", "done context", func(b *broken) {
		b.delete = func(ctx context.Context, name string) error {
			return b.Mem.Delete(context.WithoutCancel(ctx), name)
		}
	}},
	{"the listing walks folders", "listing order", func(b *broken) {
		b.relisted(func(all []object) []object {
			slices.SortFunc(all, func(a, b object) int {
				return slices.Compare(strings.Split(a.Name, "/"), strings.Split(b.Name, "/"))
			})
			return all
		})
	}},
	{"the listing decodes names", "listing order", func(b *broken) {
		b.relisted(func(all []object) []object {
			for i := range all {
				all[i].Name = strings.ReplaceAll(all[i].Name, "+", " ")
			}
			return all
		})
	}},
	{"the listing stops at a page", "listing order", func(b *broken) {
		b.relisted(func(all []object) []object { return all[:min(len(all), 20)] })
	}},
	{"the listing has no times", "listed objects", func(b *broken) {
		b.relisted(func(all []object) []object {
			for i := range all {
				all[i].ModTime = time.Time{}
			}
			return all
		})
	}},
	{"the listing has no sizes", "listed objects", func(b *broken) {
		b.relisted(func(all []object) []object {
			for i := range all {
				all[i].Size = 0
			}
			return all
		})
	}},
	{"a prefix is a folder", "prefix", func(b *broken) {
		b.list = func(ctx context.Context, prefix string) listing {
			if prefix != "" && !strings.HasSuffix(prefix, "/") {
				if _, err := b.Mem.Stat(ctx, prefix); err == nil {
					return b.Mem.List(ctx, prefix)
				}
				prefix += "/"
			}
			return b.Mem.List(ctx, prefix)
		}
	}},
	{"one level shows what is below", "levels", func(b *broken) { b.listLevel = b.Mem.List }},
	{"a missing object's error is nondescript", "missing object", func(b *broken) {
		b.get = func(ctx context.Context, name string) (io.ReadCloser, error) {
			rc, err := b.Mem.Get(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				err = errors.New("status 404")
			}
			return rc, err
		}
	}},
	{"a missing object is empty", "missing object", func(b *broken) {
		b.get = func(ctx context.Context, name string) (io.ReadCloser, error) {
			rc, err := b.Mem.Get(ctx, name)
			if errors.Is(err, fs.ErrNotExist) {
				return io.NopCloser(strings.NewReader("")), nil
			}
			return rc, err
		}
	}},
	{"deleting what is not there fails", "missing object", func(b *broken) {
		b.delete = func(ctx context.Context, name string) error {
			if _, err := b.Mem.Stat(ctx, name); err != nil {
				return err
			}
			return b.Mem.Delete(ctx, name)
		}
	}},
	{"nothing is deleted", "delete", func(b *broken) {
		b.delete = func(ctx context.Context, name string) error { _, err := b.Mem.Stat(ctx, name); return err }
	}},
	{"Delete takes the name for a prefix", "delete", func(b *broken) {
		b.delete = func(ctx context.Context, name string) error {
			err := b.Mem.Delete(ctx, name)
			for obj := range b.Mem.List(ctx, name) {
				if err == nil && obj.Name != "" {
					err = b.Mem.Delete(ctx, obj.Name)
				}
			}
			return err
		}
	}},
	{"names are cleaned", "refused names", func(b *broken) {
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			obj, err := b.Mem.Put(ctx, strings.TrimPrefix(name, "/"), r, nil)
			obj.Name = name
			return obj, err
		}
	}},
	{"ranges are off by one", "ranges", func(b *broken) {
		b.getRange = func(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
			if length > 0 {
				length++ // as in the last byte's place of an HTTP range
			}
			return b.Mem.GetRange(ctx, name, offset, length)
		}
	}},
	{"a range behind the end fails", "ranges", func(b *broken) {
		b.getRange = func(ctx context.Context, name string, offset, length int64) (io.ReadCloser, error) {
			if obj, err := b.Mem.Stat(ctx, name); err == nil && offset > 0 && offset >= obj.Size {
				return nil, errors.New("status 416")
			}
			return b.Mem.GetRange(ctx, name, offset, length)
		}
	}},
	{"the precondition is ignored", "exclusive put", func(b *broken) {
		b.exclusive = func(ctx context.Context, name string, r io.Reader) (object, error) {
			return b.Mem.Put(ctx, name, r, nil)
		}
	}},
	{"the precondition is checked too early", "exclusive put", func(b *broken) {
		var all sync.WaitGroup
		all.Add(8) // as many as race
		b.exclusive = func(ctx context.Context, name string, r io.Reader) (object, error) {
			if _, err := b.Mem.Stat(ctx, name); err == nil {
				return object{}, fs.ErrExist
			}
			if strings.HasSuffix(name, "/race") {
				all.Done()
				all.Wait()
			}
			return b.Mem.Put(ctx, name, r, nil)
		}
	}},
	{"a folder vanishes under a Put", "concurrent folder", func(b *broken) {
		var mu sync.Mutex
		files := map[string]map[string]bool{} // by open folder
		locked := func(f func()) { mu.Lock(); defer mu.Unlock(); f() }
		b.put = func(ctx context.Context, name string, r io.Reader) (obj object, err error) {
			folder := path.Dir(name)
			open := map[string]bool{}
			locked(func() {
				if files[folder] == nil {
					files[folder] = open
				}
				open = files[folder]
			})
			for i, gone := 0, false; i < 1000 && !gone; i++ {
				runtime.Gosched() // others delete meanwhile
				locked(func() { gone = open["gone"] })
			}
			locked(func() {
				if open["gone"] {
					err = errors.New("no such folder")
					return
				}
				open[name] = true
				obj, err = b.Mem.Put(ctx, name, r, nil)
			})
			return obj, err
		}
		b.delete = func(ctx context.Context, name string) error {
			folder := path.Dir(name)
			locked(func() {
				open := files[folder]
				delete(open, name)
				if len(open) == 0 && open != nil {
					open["gone"] = true
					delete(files, folder)
				}
			})
			return b.Mem.Delete(ctx, name)
		}
	}},
	{"writers share a buffer", "concurrent use", func(b *broken) {
		var mu sync.Mutex
		shared := map[string][]byte{}
		b.put = func(ctx context.Context, name string, r io.Reader) (object, error) {
			data, err := io.ReadAll(r)
			mu.Lock()
			defer mu.Unlock()
			if strings.HasSuffix(name, "concurrent-use/shared") && err == nil {
				// Each writes over what the former left, and does not cut it.
				data = append(data, shared[name][min(len(data), len(shared[name])):]...)
				shared[name] = data
			}
			obj, err := b.putOr(ctx, name, data, err)
			if err == nil && len(shared[name]) > 0 {
				obj.Size = int64(len(data))
			}
			return obj, err
		}
	}},
	{"Sweep takes objects too", "sweep", func(b *broken) {
		b.sweep = func(ctx context.Context) error {
			for obj, err := range b.Mem.List(ctx, "") {
				if err != nil {
					return err
				}
				if strings.HasSuffix(obj.Name, "sweep/x") {
					return b.Mem.Delete(ctx, obj.Name)
				}
			}
			return nil
		}
	}},
}

// TestDefects proves that the suite can fail: each defect is reported by the
// check made for it.
func TestDefects(t *testing.T) {
	for _, d := range defects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			b := &broken{Mem: remotetest.NewMem()}
			d.damage(b)
			err := remotetest.TestSink(t.Context(), b, remotetest.LargeObject(10<<20), remotetest.Only(d.check))
			if err == nil {
				t.Fatal("TestSink finds nothing wrong")
			}
			if !strings.Contains("\n"+err.Error(), "\n"+d.check+": ") {
				t.Errorf("the check %q finds nothing wrong; reported is:\n%v", d.check, err)
			}
		})
	}
}

// TestSound proves that the defects, and not the sink that carries them, are
// what the suite reports.
func TestSound(t *testing.T) {
	b := &broken{Mem: remotetest.NewMem()}
	if err := remotetest.TestSink(t.Context(), b, remotetest.LargeObject(1<<20)); err != nil {
		t.Fatal(err)
	}
}
