package delta

import "fmt"

// Bitmap has a bit for each bucket, bucket 0 in the lowest bit of the first
// byte. An empty one has no bit set.
type Bitmap []byte

// Has reports whether the bit of a bucket is set.
func (b Bitmap) Has(bucket int) bool {
	return bucket/8 < len(b) && b[bucket/8]>>(bucket%8)&1 != 0
}

// set sets the bit of a bucket, of so many.
func (b Bitmap) set(bucket, buckets int) Bitmap {
	if b == nil {
		b = make(Bitmap, (buckets+7)/8)
	}
	b[bucket/8] |= 1 << (bucket % 8)
	return b
}

// HistoryError says that the rows that did not change since the parent are not
// among the parent's: another history of the database is going on, as after a
// failover that lost transactions, or in a copy.
type HistoryError struct {
	Bucket       int
	Parent, Kept Sum
}

func (e *HistoryError) Error() string {
	if e.Kept.Rows > e.Parent.Rows {
		return fmt.Sprintf("bucket %d has %d rows from before the parent, which had %d: this is another history of the database",
			e.Bucket, e.Kept.Rows, e.Parent.Rows)
	}
	return fmt.Sprintf("bucket %d has %d rows from before the parent, which are not those that the parent had: this is another history of the database",
		e.Bucket, e.Kept.Rows)
}

func checkBuckets(parent Sums, now *Counts) error {
	if len(now.Kept) != len(parent) || len(now.Changed) != len(parent) {
		return fmt.Errorf("sums of %d buckets cannot be compared with those of %d", len(now.Kept), len(parent))
	}
	return nil
}

// CheckHistory refuses rows that did not change since the parent, and yet were
// not there: the error is a [*HistoryError].
func CheckHistory(parent Sums, now *Counts) error {
	if err := checkBuckets(parent, now); err != nil {
		return err
	}
	for i, p := range parent {
		if kept := now.Kept[i]; kept.Rows > p.Rows || kept.Rows == p.Rows && kept != p {
			return &HistoryError{Bucket: i, Parent: p, Kept: kept}
		}
	}
	return nil
}

// Compare says which buckets are to be listed: those from which rows may have
// been deleted since the parent. It returns none when no bucket is. The errors
// are those of [CheckHistory].
//
// What is missing from a bucket was updated or deleted, or its key changed. It
// was all updated if as many changed rows are there as are missing, and with
// the same keys; rows that were inserted beside hide that, and cost no more
// than a list.
func Compare(parent Sums, now *Counts) (listed Bitmap, err error) {
	if err := CheckHistory(parent, now); err != nil {
		return nil, err
	}
	for i, p := range parent {
		kept, changed := now.Kept[i], now.Changed[i]
		missing := p.Rows - kept.Rows
		if missing == 0 || changed.Rows == missing && changed.Keys == p.Keys-kept.Keys {
			continue
		}
		listed = listed.set(i, len(parent))
	}
	return listed, nil
}
