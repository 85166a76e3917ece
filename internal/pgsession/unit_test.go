package pgsession

import (
	"strings"
	"testing"
)

func TestEndOfRecord(t *testing.T) {
	const page, segment = 8192, 16 << 20
	for insert, want := range map[uint64]uint64{
		5*segment + 40:          5 * segment,                 // the first page of a segment has the long header
		5*segment + 24:          5*segment + 24,              // no record can begin here
		5*segment + 3*page + 24: 5*segment + 3*page,          // any other page
		5*segment + 3*page + 40: 5*segment + 3*page + 40,     // the end of a record that began a page earlier
		5*segment + 3*page + 96: 5*segment + 3*page + 96,     // anywhere
		5*segment + 4*page - 8:  5*segment + 4*page - 8,      // just before a page ends
		0xFFFFFFFF_FF000028:     0xFFFFFFFF_FF000000,         // large
		0x1_00000028:            0x1_00000000,                // beyond 32 bits
		0x1_00000028 + segment:  0x1_00000000 + segment,      // and one more
		0x1_00000028 + page:     0x1_00000028 + uint64(page), // 40 is nothing special here
	} {
		if got := endOfRecord(insert, page, segment); got != want {
			t.Errorf("endOfRecord(%X) = %X, want %X", insert, got, want)
		}
	}
}

func TestParseLSN(t *testing.T) {
	if lsn, err := ParseLSN("1F/2A"); err != nil || lsn != 0x1F_0000002A {
		t.Errorf("%X, %v", lsn, err)
	}
	for _, s := range []string{"", "1", "/", "1/", "G/0", "100000000/0", "0/100000000"} {
		if _, err := ParseLSN(s); err == nil {
			t.Errorf("%q is accepted", s)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	for version, want := range map[int]string{120022: "older than 13", 130000: "", 180004: "", 190000: "newer than 18"} {
		found := checkVersion(version, "x")
		if want == "" && found != nil || want != "" && (len(found) != 1 || !strings.Contains(found[0].What, want)) {
			t.Errorf("%d: %q", version, found)
		}
	}
}
