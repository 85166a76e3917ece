package manifest

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
)

// A record is a small JSON document beside the sets, such as a proof, a hold or
// what is kept of a run. It names itself, or the set that it is about, so that
// its seal, which lies beside it, makes it of no use under another name.

const (
	recordExt = ".json"
	sealExt   = ".sig"
)

// maxRecord is the most that a record may take, in bytes.
const maxRecord = 1 << 20

// recordsAtOnce is how many records are in memory at a time.
const recordsAtOnce = 4 * scanJobs

// Refused is a record that does not count: it cannot be read or parsed, lies
// under another name than its own, or lacks the seal of a trusted key.
type Refused struct {
	Name string // of the object
	Err  error  // a *SealError where that is why, or the sink's
}

// putRecord stores a record, behind its seal if there is a signer.
func putRecord(ctx context.Context, sink remote.RemoteSink, name string, record any, seal crypto.Signer) error {
	text, err := marshal(record)
	if err != nil {
		return err
	}
	if seal != nil {
		sig, err := Sign(seal, text)
		if err != nil {
			return err
		}
		if _, err := sink.Put(ctx, name+sealExt, bytes.NewReader(sig), nil); err != nil {
			return err
		}
	}
	_, err = sink.Put(ctx, name, bytes.NewReader(text), nil)
	return err
}

// deleteRecord removes a record and its seal.
func deleteRecord(ctx context.Context, sink remote.RemoteSink, name string) error {
	if err := sink.Delete(ctx, name); err != nil {
		return err
	}
	return sink.Delete(ctx, name+sealExt)
}

// unreadError is the sink's, of a record that is there.
type unreadError struct{ err error }

func (e *unreadError) Error() string { return fmt.Sprintf("it cannot be read: %v", e.err) }
func (e *unreadError) Unwrap() error { return e.err }

// listRecords lists the records whose names begin with prefix, by name.
func (s *scanner) listRecords(ctx context.Context, prefix string) (records []remote.Object, err error) {
	for obj, err := range s.sink.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", prefix, err)
		}
		if strings.HasSuffix(obj.Name, recordExt) {
			records = append(records, obj)
		}
	}
	slices.SortFunc(records, func(a, b remote.Object) int { return cmp.Compare(a.Name, b.Name) })
	return records, nil
}

// readRecords reads records, several at a time, and calls each with their names
// and texts, one at a time. What that returns makes one refused, as does the
// sink's error; an error of its own is that ctx is done.
func (s *scanner) readRecords(ctx context.Context, from *cache, records []remote.Object, each func(name string, text []byte) error) (refused []Refused, err error) {
	for some := range slices.Chunk(records, recordsAtOnce) {
		texts, errs := make([][]byte, len(some)), make([]error, len(some))
		inParallel(scanJobs, len(some), func(i int) { texts[i], errs[i] = s.readRecord(ctx, from, some[i]) })
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		for i, obj := range some {
			err := errs[i]
			if errors.Is(err, fs.ErrNotExist) { // it was deleted since
				continue
			}
			if err == nil {
				err = each(obj.Name, texts[i])
			}
			if err != nil {
				refused = append(refused, Refused{obj.Name, err})
			}
		}
	}
	return refused, nil
}

func (s *scanner) readRecord(ctx context.Context, from *cache, obj remote.Object) ([]byte, error) {
	if text, sig, ok := from.get(obj); ok && (len(s.trust) == 0 || verifySeal(obj.Name, text, sig, s.trust) == nil) {
		return text, nil
	}
	text, err := readSmall(ctx, s.sink, obj.Name, maxRecord)
	if err != nil {
		return nil, &unreadError{err}
	}
	var sig []byte
	if len(s.trust) > 0 {
		sig, err = readSmall(ctx, s.sink, obj.Name+sealExt, ed25519.SignatureSize)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &SealError{obj.Name, errors.New("it has no seal")}
		} else if err != nil {
			return nil, &unreadError{err}
		}
		if err := verifySeal(obj.Name, text, sig, s.trust); err != nil {
			return nil, err
		}
	}
	from.put(obj, text, sig, 0)
	return text, nil
}

// namesOf lists the names of objects.
func namesOf(objects []remote.Object) (names []string) {
	for _, obj := range objects {
		names = append(names, obj.Name)
	}
	return names
}

// parseRecord reads a record of the given name into what v points to.
func parseRecord[T any](text []byte, v *T) error {
	if err := checkSize(text, maxRecord, maxRecord/8); err != nil {
		return err
	}
	var head struct{ Format int }
	if err := json.Unmarshal(text, &head); err != nil {
		return err
	}
	if head.Format < 1 || head.Format > FormatVersion {
		return fmt.Errorf("format %d is not one that this program reads: 1 to %d", head.Format, FormatVersion)
	}
	return unmarshal(text, v)
}
