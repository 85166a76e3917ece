package codec_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	stdgzip "compress/gzip"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/assist-move-assist/pgcofre/internal/codec"
)

// rows returns n rows of COPY text, some 430 bytes each, like those of an
// application's audit log: numbers, times, names, JSON, accents.
func rows(n int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	names := []string{"Conceição", "João", "Maria das Dores", "Zoë", "Núbia", "José"}
	actions := []string{"login", "update", "insert", "delete", "export"}
	out := make([][]byte, n)
	for i := range out {
		out[i] = fmt.Appendf(nil, "%d\t2025-08-%02d %02d:%02d:%02d.%06d+00\t%s\t%s\t%08x-%04x-4%03x-a%03x-%012x\t"+
			`{"ip": "10.%d.%d.%d", "agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0 Safari/537.36", "path": "/api/beneficiarias/%d", "before": {"status": "%s", "score": %d}, "after": {"status": "%s", "score": %d}, "note": "linha\\n%s"}`+
			"\t%.6f\t\\N\tt\t{%d,%d,%d}\tobservação %x\n",
			i, 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60), rng.IntN(1e6),
			names[rng.IntN(len(names))], actions[rng.IntN(len(actions))],
			rng.Uint32(), rng.IntN(1<<16), rng.IntN(1<<12), rng.IntN(1<<12), rng.Int64N(1<<48),
			rng.IntN(256), rng.IntN(256), rng.IntN(256), rng.IntN(1e5), actions[rng.IntN(5)], rng.IntN(100),
			actions[rng.IntN(5)], rng.IntN(100), names[rng.IntN(len(names))],
			rng.Float64()*1e4, rng.IntN(1000), rng.IntN(1000), rng.IntN(1000), rng.Uint64())
	}
	return out
}

func compress(t testing.TB, raw []byte, c codec.Compression, to ...age.Recipient) ([]byte, codec.Stats) {
	t.Helper()
	var stored bytes.Buffer
	w, err := codec.NewWriter(&stored, c, to...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return stored.Bytes(), w.Stats()
}

func decompress(src io.Reader, c codec.Compression, with ...age.Identity) ([]byte, codec.Stats, error) {
	r, err := codec.NewReader(src, c, with...)
	if err != nil {
		return nil, codec.Stats{}, err
	}
	defer r.Close()
	raw, err := io.ReadAll(r)
	return raw, r.Stats(), err
}

var compressions = []codec.Compression{
	{}, {Algorithm: codec.Zstd, Level: 3}, {Algorithm: codec.Zstd, Level: 22},
	{Algorithm: codec.Gzip}, {Algorithm: codec.Gzip, Level: 9}, {Algorithm: codec.None},
}

func TestRoundTrip(t *testing.T) {
	payload := bytes.Join(rows(500), nil)
	for _, c := range compressions {
		for _, raw := range [][]byte{nil, []byte("a"), payload} {
			t.Run(fmt.Sprintf("%s/%d", c, len(raw)), func(t *testing.T) {
				stored, wrote := compress(t, raw, c)
				want := codec.Stats{Raw: int64(len(raw)), Stored: int64(len(stored)), SHA256: sha256.Sum256(stored)}
				if wrote != want {
					t.Errorf("writer's stats %+v, want %+v", wrote, want)
				}
				got, read, err := decompress(iotest.HalfReader(bytes.NewReader(stored)), c)
				if err != nil || !bytes.Equal(got, raw) {
					t.Fatalf("read %d bytes, %v", len(got), err)
				}
				if read != want {
					t.Errorf("reader's stats %+v, want %+v", read, want)
				}
			})
		}
	}
}

// The exit is open: other programs read what we store.
func TestStockProgramsRead(t *testing.T) {
	for _, raw := range [][]byte{nil, bytes.Join(rows(500), nil)} {
		gz, _ := compress(t, raw, codec.Compression{Algorithm: codec.Gzip})
		r, err := stdgzip.NewReader(bytes.NewReader(gz))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("compress/gzip: %d bytes, %v", len(got), err)
		}
		for _, c := range compressions {
			name := map[string]string{".gz": "gzip", ".zst": "zstd"}[c.Ext()]
			if name == "" {
				continue
			}
			if !installed(t, name) {
				continue
			}
			stored, _ := compress(t, raw, c)
			cmd := exec.Command(name, "-dc")
			cmd.Stdin = bytes.NewReader(stored)
			if got, err := cmd.Output(); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s reading %s: %d bytes, %v", name, c, len(got), err)
			}
		}
	}
}

// installed tells whether a program is there; where everything is required, it
// must be.
func installed(t *testing.T, name string) bool {
	t.Helper()
	_, err := exec.LookPath(name)
	if err != nil && os.Getenv("PGCOFRE_REQUIRE") == "all" {
		t.Fatalf("%s is not installed: apt-get install %s", name, name)
	}
	return err == nil
}

// And we read what other programs compressed, of several frames or members.
func TestReadsForeign(t *testing.T) {
	raw := bytes.Join(rows(500), nil)
	for _, name := range []string{"gzip", "zstd"} {
		if !installed(t, name) {
			continue
		}
		cmd := exec.Command(name, "-c")
		cmd.Stdin = bytes.NewReader(raw)
		one, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		c := codec.CompressionOf(map[string]string{"gzip": "x.gz", "zstd": "x.zst"}[name])
		got, stats, err := decompress(bytes.NewReader(append(one, one...)), c)
		if err != nil || !bytes.Equal(got, append(raw, raw...)) || stats.Stored != int64(2*len(one)) {
			t.Errorf("%s: %d bytes of %d stored, %v", name, len(got), stats.Stored, err)
		}
	}
}

func TestDamageIsAnError(t *testing.T) {
	raw := bytes.Join(rows(300), nil)
	broken := errors.New("connection lost")
	for _, c := range []codec.Compression{{}, {Algorithm: codec.Gzip}} {
		stored, _ := compress(t, raw, c)
		for cut := range len(stored) {
			if cut > 64 && cut < len(stored)-64 && cut%4999 != 0 {
				continue
			}
			if _, _, err := decompress(bytes.NewReader(stored[:cut]), c); err == nil {
				t.Errorf("%s cut to %d of %d bytes reads without error", c, cut, len(stored))
			}
		}
		if _, _, err := decompress(bytes.NewReader(append(stored[:len(stored):len(stored)], "rest"...)), c); err == nil {
			t.Errorf("%s: bytes after the end read without error", c)
		}
		flipped := bytes.Clone(stored)
		flipped[len(flipped)/2] ^= 1
		if got, _, err := decompress(bytes.NewReader(flipped), c); err == nil {
			t.Errorf("%s: flipped bit reads without error, equal %v", c, bytes.Equal(got, raw))
		}
		for _, err := range []error{broken, io.ErrUnexpectedEOF} {
			src := io.MultiReader(bytes.NewReader(stored), iotest.ErrReader(err))
			if _, _, got := decompress(src, c); !errors.Is(got, err) {
				t.Errorf("%s: error behind the last byte became %v, want %v", c, got, err)
			}
		}
	}
	if _, err := codec.NewReader(strings.NewReader(""), codec.Compression{Algorithm: "lz4"}); err == nil {
		t.Error("lz4 accepted")
	}
}

func TestWindowIsBounded(t *testing.T) {
	for size, ok := range map[int]bool{128 << 20: true, 256 << 20: false} {
		// A frame that declares its window: magic, descriptor, window, one
		// empty last raw block.
		exponent := map[int]byte{128 << 20: 17, 256 << 20: 18}[size]
		frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3, 1, 0, 0}
		_, _, err := decompress(bytes.NewReader(frame), codec.Compression{})
		if (err == nil) != ok {
			t.Errorf("window of %d MiB: %v", size>>20, err)
		}
		if !ok && !errors.Is(err, zstd.ErrWindowSizeExceeded) {
			t.Errorf("window of %d MiB: %v", size>>20, err)
		}
	}
}

func TestWriterErrors(t *testing.T) {
	full := errors.New("disk full")
	for _, c := range compressions {
		w, err := codec.NewWriter(failing{full}, c)
		if err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("x"))
		if err := w.Close(); !errors.Is(err, full) {
			t.Errorf("%s: Close says %v", c, err)
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Errorf("%s: write after Close", c)
		}
		// The encoder went back to the pool; it must have forgotten the error.
		if stored, _ := compress(t, []byte("x"), c); len(stored) == 0 {
			t.Errorf("%s: nothing stored after an error of another writer", c)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestParseCompression(t *testing.T) {
	for s, ext := range map[string]string{"zstd": ".zst", "zstd:3": ".zst", "gzip": ".gz", "gzip:9": ".gz", "none": ""} {
		c, err := codec.ParseCompression(s)
		if err != nil || c.String() != s || c.Ext() != ext {
			t.Errorf("%q: %+v %q %q, %v", s, c, c.String(), c.Ext(), err)
		}
		if got := codec.CompressionOf("4312.dat" + ext); got.Algorithm != c.Algorithm {
			t.Errorf("name with %q is %v, want %v", ext, got, c)
		}
	}
	for _, s := range []string{"", "lz4", "zstd:", "zstd:0", "zstd:23", "zstd:-1", "gzip:10", "none:1", ":3", "zstd:3:4"} {
		if c, err := codec.ParseCompression(s); err == nil {
			t.Errorf("%q accepted as %v", s, c)
		}
	}
}

func FuzzReader(f *testing.F) {
	k := x25519(f)
	for i, c := range compressions {
		for _, to := range [][]age.Recipient{nil, {k.recipient}} {
			stored, _ := compress(f, []byte("1\tJoão\n2\t\\N\n"), c, to...)
			f.Add(stored, i, to != nil)
			f.Add(append(stored, stored...), i, to != nil)
		}
	}
	f.Fuzz(func(t *testing.T, stored []byte, which int, encrypted bool) {
		c := compressions[uint(which)%uint(len(compressions))]
		var with []age.Identity
		if encrypted {
			with = append(with, k.identity)
		}
		r, err := codec.NewReader(iotest.OneByteReader(bytes.NewReader(stored)), c, with...)
		if err != nil {
			return
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(r, 16<<20))
		if err != nil || n == 16<<20 {
			return
		}
		want := codec.Stats{Raw: n, Stored: int64(len(stored)), SHA256: sha256.Sum256(stored)}
		if got := r.Stats(); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	all := rows(4096)
	var size int
	for _, row := range all {
		size += len(row)
	}
	b.Logf("%d bytes a row", size/len(all))
	for _, c := range []codec.Compression{{}, {Algorithm: codec.Zstd, Level: 3}, {Algorithm: codec.Gzip}, {Algorithm: codec.None}} {
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			var d codec.Digest
			var stats codec.Stats
			for b.Loop() {
				w, err := codec.NewWriter(io.Discard, c)
				if err != nil {
					b.Fatal(err)
				}
				rw := codec.NewRowWriter(w, &d)
				for _, row := range all {
					if _, err := rw.Write(row); err != nil {
						b.Fatal(err)
					}
				}
				if err := errors.Join(rw.Close(), w.Close()); err != nil {
					b.Fatal(err)
				}
				stats = w.Stats()
			}
			b.ReportMetric(float64(stats.Raw)/float64(stats.Stored), "ratio")
		})
	}
}

func BenchmarkReader(b *testing.B) {
	raw := append(bytes.Join(rows(4096), nil), codec.Terminator...)
	for _, c := range []codec.Compression{{}, {Algorithm: codec.Gzip}, {Algorithm: codec.None}} {
		stored, _ := compress(b, raw, c)
		b.Run(c.String(), func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := codec.NewReader(bytes.NewReader(stored), c)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := codec.NewRowReader(r).WriteTo(io.Discard); err != nil {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}
