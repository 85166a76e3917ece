package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/zeebo/xxh3"
)

// digestOf is the definition, computed the slow way.
func digestOf(text []byte) string {
	sum := new(big.Int)
	n := 0
	for line := range bytes.Lines(text) {
		h := xxh3.Hash128(bytes.TrimSuffix(line, []byte("\n"))).Bytes()
		sum.Add(sum, new(big.Int).SetBytes(h[:]))
		n++
	}
	sum.And(sum, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(1)))
	return fmt.Sprintf("%d:%032x", n, sum)
}

func TestDigest(t *testing.T) {
	all := rows(1000)
	var forth, back, merged codec.Digest
	for _, row := range all {
		forth.AddRow(row[:len(row)-1])
	}
	for i, row := range slices.Backward(all) {
		var part codec.Digest
		part.AddRow(row[:len(row)-1])
		merged.Merge(part)
		if i%2 == 0 {
			back.Merge(part)
		}
	}
	if want := digestOf(bytes.Join(all, nil)); forth.String() != want || !merged.Equal(forth) {
		t.Errorf("digest %v, backwards %v, want %v", forth, merged, want)
	}
	if back.Equal(forth) {
		t.Error("half of the rows give the same digest")
	}
	text, err := json.Marshal(forth)
	var read codec.Digest
	if err := errors.Join(err, json.Unmarshal(text, &read)); err != nil || read != forth {
		t.Errorf("%s read as %v, %v", text, read, err)
	}
	for _, s := range []string{"", "1", "1:", "-1:" + strings.Repeat("0", 32), "01:" + strings.Repeat("0", 32),
		"1:" + strings.Repeat("F", 32), "1:+" + strings.Repeat("0", 31), "1:" + strings.Repeat("0", 33)} {
		if d, err := codec.ParseDigest(s); err == nil {
			t.Errorf("%q read as %v", s, d)
		}
	}
}

func TestRowWriter(t *testing.T) {
	var out bytes.Buffer
	var d codec.Digest
	w := codec.NewRowWriter(&out, &d)
	for _, row := range []string{"1\ta\n", "\n", "2\tb\n"} {
		if n, err := io.WriteString(w, row); n != len(row) || err != nil {
			t.Fatal(n, err)
		}
	}
	for _, bad := range []string{"", "1", "1\n2\n", "1\n2"} {
		if _, err := io.WriteString(w, bad); !errors.Is(err, codec.ErrRow) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	text := "1\ta\n\n2\tb\n"
	if out.String() != text+"\\.\n\n\n" || d.String() != digestOf([]byte(text)) {
		t.Errorf("wrote %q, %v", out.String(), d)
	}
}

func TestNoAllocationPerRow(t *testing.T) {
	all := rows(1)
	for _, algorithm := range []string{codec.Zstd, codec.Gzip, codec.None} {
		c := codec.Compression{Algorithm: algorithm}
		w, err := codec.NewWriter(io.Discard, c)
		if err != nil {
			t.Fatal(err)
		}
		var d codec.Digest
		rw := codec.NewRowWriter(w, &d)
		write := func() { rw.Write(all[0]) }
		for range 10000 { // the compressor's own buffers
			write()
		}
		if n := testing.AllocsPerRun(1000, write); n >= 0.01 {
			t.Errorf("%s: %v allocations a row", c, n)
		}
		w.Close()
	}

	payload := append(bytes.Join(rows(5000), nil), codec.Terminator...)
	n := testing.AllocsPerRun(1, func() {
		if _, err := codec.NewRowReader(bytes.NewReader(payload)).WriteTo(io.Discard); err != nil {
			t.Fatal(err)
		}
	})
	if n > 10 {
		t.Errorf("reading 5000 rows allocates %v times", n)
	}
}

// texts are COPY texts that reach every path of a RowReader, whose buffer has
// 65536 bytes.
func texts() []string {
	const size = 65536
	long := strings.Repeat("0123456789abcdef", 3*size/16)
	out := []string{"", "\n", "\n\n\n", "1\n", "\\\\.\n", "\\.x\n", "x\\.\n", string(bytes.Join(rows(700), nil))}
	for _, n := range []int{size - 6, size - 5, size - 4, size - 3, size - 2, size - 1, size, size + 1, 2*size - 1, 2 * size, 2*size + 1} {
		out = append(out, long[:n]+"\n", "first\n"+long[:n]+"\nlast\n", long[:n]+"\n\n"+long[:n]+"\n")
	}
	return out
}

func TestRowReader(t *testing.T) {
	for i, text := range texts() {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader,
			"byte": iotest.OneByteReader, "dataErr": iotest.DataErrReader,
		} {
			r := codec.NewRowReader(wrap(strings.NewReader(text + codec.Terminator)))
			got, err := io.ReadAll(r)
			if err != nil || string(got) != text {
				t.Errorf("text %d %s: Read %d bytes, %v", i, how, len(got), err)
			}
			if got := r.Digest().String(); got != digestOf([]byte(text)) {
				t.Errorf("text %d %s: digest %v", i, how, got)
			}
			var out bytes.Buffer
			n, err := codec.NewRowReader(wrap(strings.NewReader(text + codec.Terminator))).WriteTo(&out)
			if err != nil || n != int64(len(text)) || out.String() != text {
				t.Errorf("text %d %s: WriteTo %d, %v", i, how, n, err)
			}
		}
	}
}

func TestRowReaderIsReader(t *testing.T) {
	text := []byte("1\ta\n2\tb\n")
	r := codec.NewRowReader(strings.NewReader(string(text) + codec.Terminator))
	if err := iotest.TestReader(r, text); err != nil {
		t.Error(err)
	}
}

func TestRowReaderRefuses(t *testing.T) {
	lost := errors.New("connection lost")
	for _, text := range texts() {
		for end, want := range map[string]error{
			"": codec.ErrUnterminated, "\\": codec.ErrUnterminated, "\\.": codec.ErrUnterminated, "1": codec.ErrUnterminated,
			"\\.\n": codec.ErrTrailing, "\\.\n\n": codec.ErrTrailing, "\\.\n\n\n\n": codec.ErrTrailing,
			"\\.\n\n\n1\n": codec.ErrTrailing, "\\.\n1\n": codec.ErrTrailing, "\\.\n" + strings.Repeat("\n", 70000): codec.ErrTrailing,
		} {
			_, err := io.ReadAll(codec.NewRowReader(strings.NewReader(text + end)))
			if !errors.Is(err, want) {
				t.Errorf("%d bytes ending in %.20q: %v, want %v", len(text), end, err, want)
			}
			src := io.MultiReader(strings.NewReader(text+end), iotest.ErrReader(lost))
			if _, err := io.ReadAll(codec.NewRowReader(src)); !errors.Is(err, lost) && !errors.Is(err, codec.ErrTrailing) {
				t.Errorf("%d bytes ending in %.20q, then a lost connection: %v", len(text), end, err)
			}
		}
		src := io.MultiReader(strings.NewReader(text+codec.Terminator), iotest.ErrReader(lost))
		if _, err := io.ReadAll(codec.NewRowReader(src)); !errors.Is(err, lost) {
			t.Errorf("connection lost behind the terminator: %v", err)
		}
	}
}

func FuzzRowReader(f *testing.F) {
	f.Add([]byte("1\ta\n2\t\\N\n\\.\n\n\n"), 0)
	f.Add([]byte("\\.\n\n\n"), 65530)
	f.Add([]byte("\n\n\\.\n\n\n\n"), 65536)
	f.Add([]byte("x"), 3)
	f.Fuzz(func(t *testing.T, payload []byte, pad int) {
		// The padding moves the payload across the end of the buffer.
		payload = append(bytes.Repeat([]byte{'x'}, int(uint(pad)%200000)), payload...)
		text, whole := bytes.CutSuffix(payload, []byte(codec.Terminator))
		whole = whole && (len(text) == 0 || text[len(text)-1] == '\n') &&
			!bytes.Contains(append([]byte("\n"), text...), []byte("\n\\.\n"))

		r := codec.NewRowReader(bytes.NewReader(payload))
		var out bytes.Buffer
		_, err := io.Copy(&out, r)
		if (err == nil) != whole {
			t.Fatalf("whole %v, but %v", whole, err)
		}
		if whole && (!bytes.Equal(out.Bytes(), text) || r.Digest().String() != digestOf(text)) {
			t.Fatalf("got %q, %v", out.Bytes(), r.Digest())
		}
		if !bytes.HasPrefix(payload, out.Bytes()) {
			t.Fatal("handed out what is not there")
		}
	})
}
