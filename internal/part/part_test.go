package part_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/assist-move-assist/pgcofre/internal/part"
)

func TestPart(t *testing.T) {
	data := make([]byte, 300_000)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	for _, size := range []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000} {
		for _, limit := range []int{size, size + 1} {
			var p part.Part
			ended, err := p.Fill(t.Context(), iotest.HalfReader(bytes.NewReader(data[:size])), limit)
			if err != nil || ended != (limit > size) || p.Size() != size {
				t.Fatalf("%d of %d bytes, ended %t: %v", p.Size(), size, ended, err)
			}
			if err := iotest.TestReader(p.Body(), data[:size]); err != nil {
				t.Error(err)
			}
			if *p.MD5() != md5.Sum(data[:size]) {
				t.Errorf("MD5 of %d bytes", size)
			}
			p.Free()
			if p.Size() != 0 {
				t.Error("not empty when freed")
			}
		}
	}
}

// TestCRC: the check value of CRC-64/NVME is that of the catalogue of
// parametrised CRC algorithms, https://reveng.sourceforge.io/crc-catalogue/all.htm.
func TestCRC(t *testing.T) {
	sum := uint64(0)
	for _, text := range []string{"1234", "56789"} {
		var p part.Part
		if _, err := p.Fill(t.Context(), bytes.NewReader([]byte(text)), 100); err != nil {
			t.Fatal(err)
		}
		sum = p.CRC(sum)
	}
	if sum != 0xae8b14860a799888 {
		t.Errorf("%x", sum)
	}
}

func TestFillFails(t *testing.T) {
	broken, cause := errors.New("broken"), errors.New("cause")
	done, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for want, try := range map[error]func(p *part.Part) (bool, error){
		broken: func(p *part.Part) (bool, error) { return p.Fill(t.Context(), iotest.ErrReader(broken), 10) },
		cause:  func(p *part.Part) (bool, error) { return p.Fill(done, bytes.NewReader(nil), 10) },
		io.ErrNoProgress: func(p *part.Part) (bool, error) {
			return p.Fill(t.Context(), idle{}, 10)
		},
	} {
		if ended, err := try(&part.Part{}); ended || err != want {
			t.Errorf("%t, %v, want %v", ended, err, want)
		}
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }
