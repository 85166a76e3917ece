package codec

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/zeebo/xxh3"
)

// Digest tells two sets of rows apart whatever their order: the count of rows,
// and the sum modulo 2^128 of the XXH3-128 hash (seed 0) of each row's COPY
// text without its newline. A row that occurs twice counts twice. It guards
// against mistakes and damage, not against someone who builds collisions.
// The zero value is the digest of no rows.
type Digest struct {
	Rows   int64
	Hi, Lo uint64 // the halves of the sum
}

// AddRow adds one row, given without its newline.
func (d *Digest) AddRow(row []byte) {
	d.add(xxh3.Hash128(row))
}

// Merge adds the rows of o.
func (d *Digest) Merge(o Digest) {
	d.Rows += o.Rows
	d.sum(o.Hi, o.Lo)
}

// Equal reports whether d and o have as many rows and the same sum.
func (d Digest) Equal(o Digest) bool { return d == o }

// String returns the count of rows in decimal, a colon, and the sum as 32
// lower-case hexadecimal digits.
func (d Digest) String() string {
	return fmt.Sprintf("%d:%016x%016x", d.Rows, d.Hi, d.Lo)
}

// ParseDigest reads what String returns, and nothing else.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	rows, sum, _ := strings.Cut(s, ":")
	if len(sum) == 32 {
		d.Rows, _ = strconv.ParseInt(rows, 10, 64)
		d.Hi, _ = strconv.ParseUint(sum[:16], 16, 64)
		d.Lo, _ = strconv.ParseUint(sum[16:], 16, 64)
	}
	if d.Rows < 0 || d.String() != s {
		return Digest{}, fmt.Errorf("digest %q: want the count of rows, a colon and 32 hexadecimal digits", s)
	}
	return d, nil
}

// MarshalText returns String's form.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDigest does.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDigest(string(text))
	return err
}

func (d *Digest) add(row xxh3.Uint128) {
	d.Rows++
	d.sum(row.Hi, row.Lo)
}

func (d *Digest) sum(hi, lo uint64) {
	var carry uint64
	d.Lo, carry = bits.Add64(d.Lo, lo, 0)
	d.Hi, _ = bits.Add64(d.Hi, hi, carry)
}
