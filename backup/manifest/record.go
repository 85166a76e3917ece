package manifest

import (
	"bytes"
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

// A record is a small JSON document beside the sets, such as a proof or a
// hold. It names itself and the set that it is about, so that its seal, which
// lies beside it, makes it of no use under another name.

const (
	recordExt = ".json"
	sealExt   = ".sig"
)

// maxRecord is the most that a record may take, in bytes.
const maxRecord = 1 << 20

// recordsAtOnce is how many records are in memory at a time.
const recordsAtOnce = 4 * scanJobs

// Refused is a record that does not count: it cannot be parsed, lies under
// another name than its own, or lacks the seal of a trusted key.
type Refused struct {
	Name string // of the object
	Err  error  // a *SealError where that is why
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

// scanRecords reads every record of a folder, several at a time, and calls each
// with its name and text, one at a time. What each returns makes it refused.
func scanRecords(ctx context.Context, sink remote.RemoteSink, folder string, trust []ed25519.PublicKey, each func(name string, text []byte) error) (refused []Refused, err error) {
	var names []string
	for obj, err := range sink.List(ctx, folder) {
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", folder, err)
		}
		if strings.HasSuffix(obj.Name, recordExt) {
			names = append(names, obj.Name)
		}
	}
	for some := range slices.Chunk(names, recordsAtOnce) {
		texts, errs := make([][]byte, len(some)), make([]error, len(some))
		inParallel(scanJobs, len(some), func(i int) { texts[i], errs[i] = readRecord(ctx, sink, some[i], trust) })
		for i, name := range some {
			err := errs[i]
			var seal *SealError
			switch {
			case errors.Is(err, fs.ErrNotExist): // it was deleted since
				continue
			case err != nil && !errors.As(err, &seal):
				return nil, fmt.Errorf("reading %s: %w", name, err)
			case err == nil:
				err = each(name, texts[i])
			}
			if err != nil {
				refused = append(refused, Refused{name, err})
			}
		}
	}
	return refused, nil
}

func readRecord(ctx context.Context, sink remote.RemoteSink, name string, trust []ed25519.PublicKey) ([]byte, error) {
	text, err := readSmall(ctx, sink, name, maxRecord)
	if err != nil || len(trust) == 0 {
		return text, err
	}
	sig, err := readSmall(ctx, sink, name+sealExt, ed25519.SignatureSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &SealError{name, errors.New("it has no seal")}
	} else if err != nil {
		return nil, err
	}
	return text, verifySeal(name, text, sig, trust)
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
