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
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// key is one who can read: an identity, and the recipient that it is of.
type key struct {
	name      string
	identity  age.Identity
	recipient age.Recipient
}

func x25519(t testing.TB) key {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return key{"X25519", id, id.Recipient()}
}

func hybrid(t testing.TB) key {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return key{"hybrid", id, id.Recipient()}
}

func passphrase(t testing.TB, words string, workFactor int) key {
	t.Helper()
	id, err := age.NewScryptIdentity(words)
	if err != nil {
		t.Fatal(err)
	}
	to, err := age.NewScryptRecipient(words)
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(workFactor)
	return key{"passphrase", id, to}
}

// payload is n bytes that compress a little.
func payload(rng *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte('a' + rng.IntN(20))
	}
	return out
}

// agePiece is how many bytes age encrypts at a time.
const agePiece = 64 << 10

var plainly = codec.Compression{Algorithm: codec.None}

func TestEncryptedRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	sizes := []int{0, 1, agePiece - 1, agePiece, agePiece + 1, 2*agePiece - 1, 2 * agePiece, 2*agePiece + 1}
	for range 8 {
		sizes = append(sizes, rng.IntN(1<<20))
	}
	for _, k := range []key{x25519(t), hybrid(t), passphrase(t, "café com leite", 2)} {
		for _, c := range []codec.Compression{{}, {Algorithm: codec.Gzip}, plainly} {
			for _, size := range sizes {
				raw := payload(rng, size)
				stored, wrote := compress(t, raw, c, k.recipient)
				want := codec.Stats{Raw: int64(size), Stored: int64(len(stored)), SHA256: sha256.Sum256(stored)}
				if wrote != want {
					t.Errorf("%s, %s, %d bytes: writer's stats %+v, want %+v", k.name, c, size, wrote, want)
				}
				got, read, err := decompress(iotest.HalfReader(bytes.NewReader(stored)), c, k.identity)
				if err != nil || !bytes.Equal(got, raw) {
					t.Fatalf("%s, %s, %d bytes: read %d, %v", k.name, c, size, len(got), err)
				}
				if read != want {
					t.Errorf("%s, %s, %d bytes: reader's stats %+v, want %+v", k.name, c, size, read, want)
				}
			}
		}
	}
}

func TestSeveralRecipients(t *testing.T) {
	raw := bytes.Join(rows(50), nil)
	for _, generate := range []func(testing.TB) key{x25519, hybrid} {
		a, b, stranger := generate(t), generate(t), generate(t)
		stored, _ := compress(t, raw, codec.Compression{}, a.recipient, b.recipient)
		again, _ := compress(t, raw, codec.Compression{}, a.recipient, b.recipient)
		if bytes.Contains(again, stored[len(stored)-1000:]) {
			t.Errorf("%s: the same bytes are encrypted alike twice: is the file key the same?", a.name)
		}
		for _, with := range [][]age.Identity{{a.identity}, {b.identity}, {stranger.identity, b.identity}} {
			if got, _, err := decompress(bytes.NewReader(stored), codec.Compression{}, with...); err != nil || !bytes.Equal(got, raw) {
				t.Errorf("%s: read %d bytes, %v", a.name, len(got), err)
			}
		}
		var wrong *age.NoIdentityMatchError
		if _, err := codec.NewReader(bytes.NewReader(stored), codec.Compression{}, stranger.identity, x25519(t).identity); !errors.As(err, &wrong) {
			t.Errorf("%s: strangers read %v", a.name, err)
		}
	}
	if w, err := codec.NewWriter(io.Discard, codec.Compression{}, x25519(t).recipient, hybrid(t).recipient); err == nil || !strings.Contains(err.Error(), "post-quantum") {
		t.Errorf("post-quantum beside classic recipients: %v, %v", w, err)
	}
}

// brokenIdentity is one that cannot be asked.
type brokenIdentity struct{ err error }

func (i brokenIdentity) Unwrap([]*age.Stanza) ([]byte, error) { return nil, i.err }

func TestIdentityFails(t *testing.T) {
	k := x25519(t)
	stored, _ := compress(t, nil, plainly, k.recipient)
	unplugged := errors.New("no such device")
	var failed *codec.IdentityError
	if _, err := codec.NewReader(bytes.NewReader(stored), plainly, brokenIdentity{unplugged}); !errors.As(err, &failed) || !errors.Is(err, unplugged) {
		t.Errorf("an identity that fails: %v", err)
	}
	if r, err := codec.NewReader(bytes.NewReader(stored), plainly, brokenIdentity{unplugged}, k.identity); err != nil {
		t.Errorf("beside the right one: %v, %v", r, err)
	}
	var wrong *age.NoIdentityMatchError
	if _, err := codec.NewReader(bytes.NewReader(stored), plainly, brokenIdentity{age.ErrIncorrectIdentity}); !errors.As(err, &wrong) || errors.As(err, &failed) {
		t.Errorf("a foreign identity that is the wrong one: %v", err)
	}
}

func TestEncryptedNames(t *testing.T) {
	for name, want := range map[string]string{
		"3.dat": codec.None, "3.dat.zst": codec.Zstd, "toc.dat.age": codec.None, "3.dat.zst.age": codec.Zstd, "3.dat.gz.age": codec.Gzip,
		"3.dat.age.zst": codec.Zstd, "3.dat.zst.age.age": codec.None,
	} {
		if got := codec.CompressionOf(name).Algorithm; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got := codec.Encrypted(name); got != strings.HasSuffix(name, ".age") {
			t.Errorf("%s: encrypted %v", name, got)
		}
	}
}

func TestEncryptedDamageIsAnError(t *testing.T) {
	raw := payload(rand.New(rand.NewPCG(5, 6)), 3*agePiece)
	k := x25519(t)
	broken := errors.New("connection lost")
	for _, c := range []codec.Compression{{}, {Algorithm: codec.Gzip}, plainly} {
		stored, _ := compress(t, raw, c, k.recipient)
		header := len(stored) - len(raw)
		try := func(what string, damaged []byte) {
			t.Helper()
			if _, _, err := decompress(bytes.NewReader(damaged), c, k.identity); err == nil || err == io.EOF {
				t.Errorf("%s, %s: read without error", c, what)
			}
		}
		for i := range stored {
			if i < 250 || i%4999 == 0 || i > len(stored)-20 {
				try(fmt.Sprintf("cut at %d", i), stored[:i])
				flipped := bytes.Clone(stored)
				flipped[i] ^= 1 << (i % 8)
				try(fmt.Sprintf("a bit of byte %d flipped", i), flipped)
			}
		}
		// Where one of age's pieces ends.
		if c == plainly {
			for piece := range 3 {
				try("cut between pieces", stored[:header-3*16+piece*(agePiece+16)])
			}
		}
		for _, rest := range []string{"\x00", "rest", string(stored)} {
			try("bytes behind the end", append(bytes.Clone(stored), rest...))
		}
		for _, at := range []int{0, 10, 100, len(stored) / 2, len(stored)} {
			for _, err := range []error{broken, io.ErrUnexpectedEOF} {
				src := io.MultiReader(bytes.NewReader(stored[:at]), iotest.ErrReader(err))
				_, _, got := decompress(src, c, k.identity)
				if got == nil || (!errors.Is(got, err) && err == broken) {
					t.Errorf("%s: %v behind byte %d became %v", c, err, at, got)
				}
			}
		}
	}
}

// What is cut short where a compressed frame ends is cut short nevertheless,
// although a zstd reader takes it for the end.
func TestCutBetweenFrames(t *testing.T) {
	k := x25519(t)
	// A frame and a skippable one, together one piece of age's.
	frame, _ := compress(t, []byte("0123456789"), codec.Compression{})
	pad := agePiece - len(frame) - 8
	frame = append(frame, 0x50, 0x2a, 0x4d, 0x18, byte(pad), byte(pad>>8), 0, 0)
	frame = append(frame, make([]byte, pad)...)
	var stored bytes.Buffer
	w, err := age.Encrypt(&stored, k.recipient)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(frame)
	header := stored.Len()
	w.Write(frame)
	cut := stored.Len()
	if err := w.Close(); err != nil || cut <= header {
		t.Fatal(cut, err)
	}
	if got, _, err := decompress(bytes.NewReader(stored.Bytes()), codec.Compression{}, k.identity); err != nil || len(got) != 20 {
		t.Errorf("whole: %d bytes, %v", len(got), err)
	}
	if got, _, err := decompress(bytes.NewReader(stored.Bytes()[:cut]), codec.Compression{}, k.identity); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %d bytes, %v", len(got), err)
	}
}

// An encrypted nothing is no compressed object.
func TestEncryptedNothing(t *testing.T) {
	k := x25519(t)
	stored, _ := compress(t, nil, plainly, k.recipient)
	for _, c := range []codec.Compression{{}, {Algorithm: codec.Gzip}} {
		if _, _, err := decompress(bytes.NewReader(stored), c, k.identity); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// endless is a stream that goes on for ever, and counts what was taken of it.
type endless struct {
	head  io.Reader
	cycle string
	taken int
}

func (e *endless) Read(p []byte) (int, error) {
	n, err := e.head.Read(p)
	if err == io.EOF {
		for n < len(p) {
			n += copy(p[n:], e.cycle)
		}
	}
	e.taken += n
	return n, nil
}

// Headers are written by whoever can write to the sink.
func TestHostileHeaders(t *testing.T) {
	const intro = "age-encryption.org/v1\n"
	identities := []age.Identity{x25519(t).identity, hybrid(t).identity, passphrase(t, "words", 1).identity}
	for what, src := range map[string]*endless{
		"a first line without end": {head: strings.NewReader(""), cycle: "a"},
		"a line without end":       {head: strings.NewReader(intro), cycle: "a"},
		"a long line":              {head: strings.NewReader(intro + strings.Repeat("\x00", 1<<20) + "\n"), cycle: "a"},
		"an argument without end":  {head: strings.NewReader(intro + "-> X25519 "), cycle: "a"},
		"arguments without end":    {head: strings.NewReader(intro + "-> X25519"), cycle: " a"},
		"a body without end":       {head: strings.NewReader(intro + "-> X25519 a\n"), cycle: strings.Repeat("A", 64) + "\n"},
		"stanzas without end":      {head: strings.NewReader(intro), cycle: "-> X25519 a\nAA\n"},
		"zeros without end":        {head: strings.NewReader(intro + "-> X25519 a\n"), cycle: "\x00"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := codec.NewReader(src, codec.Compression{}, identities...)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: read", what)
		} else if len(err.Error()) > 500 {
			t.Errorf("%s: an error of %d bytes", what, len(err.Error()))
		}
		if src.taken > 3<<20 {
			t.Errorf("%s: %d bytes were taken", what, src.taken)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
			t.Errorf("%s: %d MiB were allocated", what, took>>20)
		}
	}
}

// A passphrase's work factor is written with the object, and not believed.
func TestWorkFactorIsBounded(t *testing.T) {
	header := "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA %d\n" +
		strings.Repeat("A", 43) + "\n--- " + strings.Repeat("A", 43) + "\n"
	k := passphrase(t, "words", 1)
	for _, n := range []int{19, 22, 30, 1 << 40} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := codec.NewReader(strings.NewReader(fmt.Sprintf(header, n)), plainly, k.identity)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "work factor") {
			t.Errorf("2^%d: %v", n, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
			t.Errorf("2^%d: %d KiB were allocated", n, took>>10)
		}
	}
	var wrong *age.NoIdentityMatchError
	stored, _ := compress(t, nil, plainly, passphrase(t, "other words", 1).recipient)
	if _, err := codec.NewReader(bytes.NewReader(stored), plainly, k.identity); !errors.As(err, &wrong) {
		t.Errorf("wrong passphrase: %v", err)
	}
	// age lets a passphrase stand alone only; so do we.
	if _, err := codec.NewWriter(io.Discard, plainly, k.recipient, x25519(t).recipient); err == nil {
		t.Error("a passphrase beside a key is accepted")
	}
	// What could not be read is not written: this takes 512 MiB.
	if os.Getenv("PGCOFRE_LONG") == "" {
		return
	}
	if _, err := codec.NewWriter(io.Discard, plainly, passphrase(t, "words", 19).recipient); err == nil || !strings.Contains(err.Error(), "work factor") {
		t.Errorf("written with 2^19: %v", err)
	}
}

// The exit is open: the age program decrypts what we store.
func TestStockAgeReads(t *testing.T) {
	program := oracle.Age(t)
	a, b := x25519(t), x25519(t)
	for _, c := range []codec.Compression{{}, {Algorithm: codec.Gzip}, plainly} {
		for _, size := range []int{0, agePiece, 3*agePiece + 1} {
			raw := payload(rand.New(rand.NewPCG(7, 8)), size)
			stored, _ := compress(t, raw, c, a.recipient, b.recipient)
			for _, k := range []key{a, b} {
				file := filepath.Join(t.TempDir(), "key")
				if err := os.WriteFile(file, []byte(fmt.Sprintln(k.identity)), 0o600); err != nil {
					t.Fatal(err)
				}
				cmd := exec.Command(program, "-d", "-i", file)
				cmd.Stdin = bytes.NewReader(stored)
				packed, err := cmd.Output()
				if err != nil {
					t.Fatalf("age reading %s of %d bytes: %v", c, size, err)
				}
				if got, _, err := decompress(bytes.NewReader(packed), c); err != nil || !bytes.Equal(got, raw) {
					t.Errorf("age reading %s of %d bytes: %d, %v", c, size, len(got), err)
				}
			}
		}
	}
}

// And we read what the program encrypted.
func TestReadsStockAge(t *testing.T) {
	program := oracle.Age(t)
	k := x25519(t)
	raw := payload(rand.New(rand.NewPCG(9, 10)), agePiece+1)
	cmd := exec.Command(program, "-e", "-r", fmt.Sprint(k.recipient))
	cmd.Stdin = bytes.NewReader(raw)
	stored, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, _, err := decompress(bytes.NewReader(stored), plainly, k.identity); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestEncryptedWriterErrors(t *testing.T) {
	full := errors.New("disk full")
	k := x25519(t)
	if _, err := codec.NewWriter(failing{full}, plainly, k.recipient); !errors.Is(err, full) {
		t.Errorf("the header's error became %v", err)
	}
	for _, c := range []codec.Compression{{}, plainly} {
		var stored bytes.Buffer
		w, err := codec.NewWriter(&limited{&stored, 1000, full}, c, k.recipient)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(payload(rand.New(rand.NewPCG(11, 12)), 1000))
		if err := w.Close(); !errors.Is(err, full) {
			t.Errorf("%s: Close says %v", c, err)
		}
		if err := w.Close(); err != nil {
			t.Errorf("%s: closing again says %v", c, err)
		}
	}
}

// limited fails when more than n bytes were written to it.
type limited struct {
	io.Writer
	n   int
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, l.err
	}
	return l.Writer.Write(p)
}

// What is given up on the way leaves neither goroutines nor encoders that
// remember.
func TestEncryptedGivenUp(t *testing.T) {
	k := x25519(t)
	raw := payload(rand.New(rand.NewPCG(13, 14)), 3*agePiece)
	stored, _ := compress(t, raw, codec.Compression{}, k.recipient)
	before := runtime.NumGoroutine()
	for range 20 {
		w, err := codec.NewWriter(io.Discard, codec.Compression{}, k.recipient)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(raw)
		r, err := codec.NewReader(bytes.NewReader(stored), codec.Compression{}, k.identity)
		if err != nil {
			t.Fatal(err)
		}
		io.CopyN(io.Discard, r, 10)
		r.Close()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	if got, _, err := decompress(bytes.NewReader(stored), codec.Compression{}, k.identity); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// The layer's own cost: what is written is not compressed.
func BenchmarkEncrypt(b *testing.B) {
	raw := payload(rand.New(rand.NewPCG(15, 16)), 16<<20)
	x, pq := x25519(b), hybrid(b)
	for name, to := range map[string][]age.Recipient{
		"none": nil, "X25519": {x.recipient}, "hybrid": {pq.recipient},
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				w, err := codec.NewWriter(io.Discard, plainly, to...)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.Write(raw); err != nil {
					b.Fatal(err)
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecrypt(b *testing.B) {
	raw := payload(rand.New(rand.NewPCG(15, 16)), 16<<20)
	x, pq := x25519(b), hybrid(b)
	for name, k := range map[string]struct {
		to   []age.Recipient
		with []age.Identity
	}{
		"none": {}, "X25519": {[]age.Recipient{x.recipient}, []age.Identity{x.identity}}, "hybrid": {[]age.Recipient{pq.recipient}, []age.Identity{pq.identity}},
	} {
		stored, _ := compress(b, raw, plainly, k.to...)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := codec.NewReader(bytes.NewReader(stored), plainly, k.with...)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
