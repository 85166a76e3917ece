package codec

import (
	"fmt"
	"strconv"
	"strings"
)

// The algorithms of a [Compression].
const (
	Zstd = "zstd" // Zstandard, RFC 8878: the default
	Gzip = "gzip" // RFC 1952, for pg_restore older than 16
	None = "none" // stored as it is
)

// Compression says how an object's bytes are compressed. The zero value is
// zstd at its fastest level.
type Compression struct {
	Algorithm string // Zstd, Gzip or None; "" means Zstd
	Level     int    // zstd 1 to 22, gzip 1 to 9; 0 is the default: zstd's fastest, gzip's middle
}

// ParseCompression reads "zstd", "gzip", "none", or one of the first two with
// a level: "zstd:3", "gzip:9".
func ParseCompression(s string) (Compression, error) {
	name, level, leveled := strings.Cut(s, ":")
	c := Compression{Algorithm: name}
	if leveled {
		n, err := strconv.Atoi(level)
		if err != nil || n == 0 {
			return Compression{}, fmt.Errorf("compression %q: the level after the colon must be a number from 1", s)
		}
		c.Level = n
	}
	if name == "" {
		return Compression{}, fmt.Errorf("compression %q: want zstd, gzip or none", s)
	}
	if err := c.check(); err != nil {
		return Compression{}, err
	}
	return c, nil
}

// CompressionOf tells from an object's name how its bytes are compressed. What
// bears neither ".zst" nor ".gz", with or without AgeExt behind it, is not
// compressed.
func CompressionOf(name string) Compression {
	name = strings.TrimSuffix(name, AgeExt)
	switch {
	case strings.HasSuffix(name, ".zst"):
		return Compression{Algorithm: Zstd}
	case strings.HasSuffix(name, ".gz"):
		return Compression{Algorithm: Gzip}
	}
	return Compression{Algorithm: None}
}

// Ext returns what the name of an object so compressed ends in: ".zst", ".gz"
// or "".
func (c Compression) Ext() string {
	switch c.algorithm() {
	case Zstd:
		return ".zst"
	case Gzip:
		return ".gz"
	}
	return ""
}

// String returns the form that ParseCompression reads.
func (c Compression) String() string {
	if c.Level == 0 {
		return c.algorithm()
	}
	return c.algorithm() + ":" + strconv.Itoa(c.Level)
}

func (c Compression) algorithm() string {
	if c.Algorithm == "" {
		return Zstd
	}
	return c.Algorithm
}

func (c Compression) check() error {
	var highest int
	switch c.algorithm() {
	case Zstd:
		highest = 22
	case Gzip:
		highest = 9
	case None:
	default:
		return fmt.Errorf("compression %q is unknown: want zstd, gzip or none", c.Algorithm)
	}
	if c.Level < 0 || c.Level > highest {
		return fmt.Errorf("compression %q has no level %d: the highest is %d", c.algorithm(), c.Level, highest)
	}
	return nil
}
