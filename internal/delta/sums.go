package delta

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sum is what is known of the rows of a bucket, whatever their order. The zero
// value is that of no rows.
type Sum struct {
	Rows int64
	// Keys is the sum modulo 2^64 of the hashes of the keys: it tells which
	// rows they are. 0 where there is no key.
	Keys uint64
	// Versions is the sum modulo 2^32 of a hash over key and raw xmin of each
	// row: it tells the rows from those of another history of the database, in
	// which other transactions have the same numbers. Only servers compute it.
	Versions uint32
}

func (s *Sum) add(o Sum) {
	s.Rows += o.Rows
	s.Keys += o.Keys
	s.Versions += o.Versions
}

// Sums has one Sum for each bucket.
type Sums []Sum

// Total is the Sum of all buckets.
func (s Sums) Total() Sum {
	var t Sum
	for _, b := range s {
		t.add(b)
	}
	return t
}

// AppendBinary appends the sums to b: for each bucket the count of rows as an
// unsigned varint and, unless that is 0, Keys and Versions in little-endian
// order. [ParseSums] reads it. The error is always nil.
func (s Sums) AppendBinary(b []byte) ([]byte, error) {
	for _, sum := range s {
		b = binary.AppendUvarint(b, uint64(sum.Rows))
		if sum.Rows > 0 {
			b = binary.LittleEndian.AppendUint64(b, sum.Keys)
			b = binary.LittleEndian.AppendUint32(b, sum.Versions)
		}
	}
	return b, nil
}

// ParseSums reads the sums of so many buckets, and nothing but what
// AppendBinary writes. It takes no more memory than b and buckets deserve.
func ParseSums(b []byte, buckets int) (Sums, error) {
	if buckets < 1 || buckets > mostBuckets || len(b) < buckets {
		return nil, fmt.Errorf("sums of %d buckets in %d bytes", buckets, len(b))
	}
	sums := make(Sums, buckets)
	for i := range sums {
		rows, n := binary.Uvarint(b)
		if n <= 0 || rows >= 1<<62 || n > 1 && b[n-1] == 0 {
			return nil, errors.New("sums of buckets: a count of rows is damaged")
		}
		if b = b[n:]; rows == 0 {
			continue
		}
		if len(b) < 12 {
			return nil, errors.New("sums of buckets: cut off")
		}
		sums[i] = Sum{int64(rows), binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])}
		b = b[12:]
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("sums of buckets: %d bytes too many", len(b))
	}
	return sums, nil
}
