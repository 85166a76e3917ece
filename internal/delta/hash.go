package delta

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math/bits"
	"strconv"
)

// How the columns of a key are hashed. Integers and UUIDs are hashed as the
// values they are, which takes a server a fraction of the time that their text
// would; each value has one text only. The kinds are recorded with a table's
// sums, so their names and hashes never change.
const (
	Text    = "text" // by the text that COPY writes
	Integer = "int"  // smallint, integer, bigint
	UUID    = "uuid"
)

// Hash is the server's hashtextextended, for a collation that is deterministic
// (hash_bytes_extended in src/common/hashfn.c, on a little-endian machine):
// Bob Jenkins's lookup3 with a seed.
func Hash(seed uint64, field []byte) uint64 {
	a, b, c := start(seed, uint32(len(field)))
	for ; len(field) >= 12; field = field[12:] {
		a += binary.LittleEndian.Uint32(field)
		b += binary.LittleEndian.Uint32(field[4:])
		c += binary.LittleEndian.Uint32(field[8:])
		a, b, c = mix(a, b, c)
	}
	// The length was counted in the lowest byte of c, so that the rest leaves
	// it out.
	var rest [12]byte
	copy(rest[:], field)
	a += binary.LittleEndian.Uint32(rest[:])
	b += binary.LittleEndian.Uint32(rest[4:])
	c += binary.LittleEndian.Uint32(rest[8:]) << 8
	return final(a, b, c)
}

// hashInteger is hashint8extended(v, v # seed). That function folds the upper
// half of v into the lower one (src/backend/access/hash/hashfunc.c); with v in
// the seed as well no two values are alike.
func hashInteger(seed uint64, v int64) uint64 {
	low, high := uint32(v), uint32(v>>32)
	if v < 0 {
		high = ^high
	}
	a, b, c := start(seed^uint64(v), 4)
	return final(a+(low^high), b, c)
}

// hashField hashes one field of a key, given as COPY writes it, unescaped.
func hashField(kind string, seed uint64, field []byte) (uint64, error) {
	switch kind {
	case Integer:
		v, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0, errors.New("a key's field is not an integer")
		}
		return hashInteger(seed, v), nil
	case UUID:
		var digits [32]byte
		n := 0
		for _, c := range field {
			if c == '-' {
				continue
			}
			if n < len(digits) {
				digits[n] = c
			}
			n++
		}
		var raw [16]byte
		if _, err := hex.Decode(raw[:], digits[:]); err != nil || n != len(digits) {
			return 0, errors.New("a key's field is not a UUID")
		}
		return Hash(seed, raw[:]), nil
	}
	return Hash(seed, field), nil
}

func start(seed uint64, length uint32) (a, b, c uint32) {
	a = 0x9e3779b9 + 3923095 + length
	b, c = a, a
	if seed != 0 {
		return mix(a+uint32(seed>>32), b+uint32(seed), c)
	}
	return a, b, c
}

func mix(a, b, c uint32) (uint32, uint32, uint32) {
	a = (a - c) ^ bits.RotateLeft32(c, 4)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 6)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 8)
	b += a
	a = (a - c) ^ bits.RotateLeft32(c, 16)
	c += b
	b = (b - a) ^ bits.RotateLeft32(a, 19)
	a += c
	c = (c - b) ^ bits.RotateLeft32(b, 4)
	b += a
	return a, b, c
}

func final(a, b, c uint32) uint64 {
	c = (c ^ b) - bits.RotateLeft32(b, 14)
	a = (a ^ c) - bits.RotateLeft32(c, 11)
	b = (b ^ a) - bits.RotateLeft32(a, 25)
	c = (c ^ b) - bits.RotateLeft32(b, 16)
	a = (a ^ c) - bits.RotateLeft32(c, 4)
	b = (b ^ a) - bits.RotateLeft32(a, 14)
	c = (c ^ b) - bits.RotateLeft32(b, 24)
	return uint64(b)<<32 | uint64(c)
}
