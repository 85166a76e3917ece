package manifest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"

	"github.com/assist-move-assist/pgcofre/remote"
)

// ArchiveName is the name of an incremental set's table of contents, before what
// compression and encryption add to it. That of a full set is "toc.dat", where
// pg_restore looks for it: it would take an incremental's changes for all rows.
const ArchiveName = "schema.dat"

// MaxBuckets is the most buckets that a table's keys are divided into.
const MaxBuckets = 1 << 18

// Delta says how a table of an incremental set differs from the set's parent.
// Where a table has one, its Objects hold the rows alone that were written since
// the parent's snapshot; each replaces the parent's row of the same key. Which of
// the parent's other rows are gone is told by buckets of keys: from a bucket that
// is Listed all rows are gone whose keys are not among the kept ones.
type Delta struct {
	Was    *TableName `json:"was,omitempty"`   // its name in the parent, if it had another
	Rows   int64      `json:"rows"`            // in Objects
	Digest string     `json:"digest"`          // of the rows in Objects
	Clock  []string   `json:"clock,omitempty"` // the columns by which rows were taken for written, if not by transactions: what left them alone is missing

	Listed     []byte `json:"listed,omitempty"` // a bit a bucket, the lowest of the first byte for bucket 0; none if empty
	Kept       string `json:"kept,omitempty"`   // the object with the keys of listed buckets whose rows were not written since the parent: COPY text of the key's columns
	KeptRows   int64  `json:"kept_rows,omitempty"`
	KeptDigest string `json:"kept_digest,omitempty"`
}

// Key is what the rows of a table are told apart by, and how they are divided
// into buckets, see FORMAT.md.
type Key struct {
	Index   string   `json:"index"`   // the unique index, in the table's schema
	Columns []string `json:"columns"` // in the index's order
	Buckets int      `json:"buckets"` // a power of two
	Shift   int      `json:"shift,omitempty"`
	Kinds   []string `json:"kinds"` // how each column is hashed
}

// TableProof is the content of some of a table's buckets; a table without a key
// has one.
type TableProof struct {
	From int    `json:"from"` // the first bucket
	To   int    `json:"to"`   // the one behind the last
	Rows int64  `json:"rows"`
	Sum  string `json:"sum"` // 16 hexadecimal digits, see FORMAT.md
}

func (t *Table) checkDelta() error {
	if t.Proof != nil {
		if err := t.checkProof(); err != nil {
			return err
		}
	}
	if t.Keys != "" && !isSum(t.Keys) {
		return fmt.Errorf("keys %.80q are not a sum", t.Keys)
	}
	if t.Key != nil {
		if err := t.Key.check(); err != nil {
			return err
		}
	}
	d := t.Delta
	if d == nil {
		return nil
	}
	if err := checkDigest(d.Digest, d.Rows); err != nil {
		return err
	}
	if err := checkDigest(d.KeptDigest, d.KeptRows); err != nil {
		return fmt.Errorf("kept keys: %w", err)
	}
	switch {
	case d.Digest == "":
		return errors.New("the rows that changed have no digest")
	case d.Kept != "" && d.KeptDigest == "":
		return errors.New("the kept keys have no digest")
	case d.Kept == "" && d.KeptRows > 0:
		return fmt.Errorf("%d kept keys, but no object with them", d.KeptRows)
	case t.Key == nil && (d.Rows > 0 || len(d.Listed) > 0 || d.Kept != ""):
		return errors.New("rows changed or went, but there is no key to tell them by")
	case len(d.Listed) > 0 && len(d.Listed) != (t.Key.Buckets+7)/8:
		return fmt.Errorf("%d bytes list the buckets, %d buckets need %d", len(d.Listed), t.Key.Buckets, (t.Key.Buckets+7)/8)
	}
	if d.Kept == "" {
		return nil
	}
	return remote.CheckName(d.Kept)
}

func (k *Key) check() error {
	switch {
	case len(k.Columns) == 0:
		return errors.New("a key without columns")
	case k.Buckets < 1 || k.Buckets > MaxBuckets || bits.OnesCount(uint(k.Buckets)) != 1:
		return fmt.Errorf("%d buckets: want a power of two, at most %d", k.Buckets, MaxBuckets)
	case k.Shift < 0 || k.Shift > 63:
		return fmt.Errorf("buckets by keys shifted by %d", k.Shift)
	case len(k.Kinds) != len(k.Columns):
		return fmt.Errorf("%d columns are hashed in %d ways", len(k.Columns), len(k.Kinds))
	}
	return nil
}

func (t *Table) checkProof() error {
	p, buckets := t.Proof, 1
	if t.Key != nil {
		buckets = t.Key.Buckets
	}
	switch {
	case p.From < 0 || p.To <= p.From || p.To > buckets:
		return fmt.Errorf("a proof of buckets %d to %d, there are %d", p.From, p.To, buckets)
	case p.Rows < 0 || p.Rows > t.Rows:
		return fmt.Errorf("a proof of %d rows, there are %d", p.Rows, t.Rows)
	case !isSum(p.Sum):
		return fmt.Errorf("proof %.80q is not a sum", p.Sum)
	}
	return nil
}

// isSum reports whether s is a sum modulo 2^64: 16 lower-case hexadecimal digits.
func isSum(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 8 && hex.EncodeToString(b) == s
}
