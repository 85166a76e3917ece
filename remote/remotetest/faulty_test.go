package remotetest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

func TestFaulty(t *testing.T) {
	ctx := t.Context()
	broken := errors.New("broken")
	mem := remotetest.NewMem()
	f := &remotetest.Faulty{RemoteSink: mem}
	put := func(content string) (remote.Object, error) {
		return f.Put(ctx, "x", strings.NewReader(content), nil)
	}
	read := func() string {
		rc, err := f.Get(ctx, "x")
		if err != nil {
			return err.Error()
		}
		defer rc.Close()
		data, err := io.ReadAll(rc)
		if err != nil {
			return string(data) + "|" + err.Error()
		}
		return string(data)
	}
	if _, err := put("content"); err != nil {
		t.Fatal(err)
	}

	f.OnGet = func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
		return remotetest.FlipBit(r, 2), nil
	}
	if got := read(); got != "co\x7etent" {
		t.Errorf("a flipped bit gives %q", got)
	}
	f.OnGet = func(_ context.Context, _ string, r io.Reader) (io.Reader, error) {
		return remotetest.FailAfter(r, 3, broken), nil
	}
	if got := read(); got != "con|broken" {
		t.Errorf("a failing reader gives %q", got)
	}
	f.OnGet = func(context.Context, string, io.Reader) (io.Reader, error) { return nil, broken }
	if got := read(); got != "broken" {
		t.Errorf("a failing Get gives %q", got)
	}
	f.OnGet = nil

	f.AfterPut = func(_ context.Context, _ string, obj remote.Object, err error) (remote.Object, error) {
		obj.Size = 1
		return obj, err
	}
	if obj, err := put("long content"); obj.Size != 1 || err != nil {
		t.Errorf("a lying Put gives %+v, %v", obj, err)
	}
	f.AfterPut = nil

	f.OnPut = func(ctx context.Context, _ string, r io.Reader) (io.Reader, error) { return r, remotetest.Hang(ctx) }
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := f.Put(short, "x", strings.NewReader("y"), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a Put that hangs gives %v", err)
	}
	f.OnDelete = func(context.Context, string) error { return broken }
	if err := f.Delete(ctx, "x"); !errors.Is(err, broken) {
		t.Errorf("a failing Delete gives %v", err)
	}
	f.OnList = func(context.Context, string, listing) listing {
		return func(yield func(object, error) bool) { yield(object{}, broken) }
	}
	if _, err := remote.Stat(ctx, f, "x"); !errors.Is(err, broken) {
		t.Errorf("Stat by a failing List gives %v", err)
	}
	if got := read(); got != "long content" {
		t.Errorf("after all this the object holds %q", got)
	}
}

// TestFlipBit flips in every place, whatever the steps of reading are.
func TestFlipBit(t *testing.T) {
	data := []byte("0123456789")
	for step := 1; step <= len(data); step++ {
		for at := range data {
			r := remotetest.FlipBit(bytes.NewReader(data), int64(at))
			var got []byte
			for buf := make([]byte, step); ; {
				n, err := r.Read(buf)
				got = append(got, buf[:n]...)
				if err != nil {
					break
				}
			}
			want := bytes.Clone(data)
			want[at] ^= 0x10
			if !bytes.Equal(got, want) {
				t.Fatalf("byte %d, steps of %d: %q", at, step, got)
			}
		}
	}
}
