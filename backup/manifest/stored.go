package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// MismatchError tells that an object's stored bytes are not those that its
// manifest records.
type MismatchError struct{ why string }

func (e *MismatchError) Error() string { return e.why }

// CheckStored reads an object as it is stored, and no further than one byte
// past its size. If it is not what the manifest records, the error is a
// [*MismatchError]; any other is the reader's.
func (o Object) CheckStored(r io.Reader) error {
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(r, o.Size+1))
	switch {
	case err != nil:
		return err
	case n > o.Size:
		return &MismatchError{fmt.Sprintf("it has more than the %d bytes that the manifest says", o.Size)}
	case n < o.Size:
		return &MismatchError{fmt.Sprintf("it has %d bytes, the manifest says %d", n, o.Size)}
	case hex.EncodeToString(h.Sum(nil)) != o.SHA256:
		return &MismatchError{"its sha256 is not the manifest's"}
	}
	return nil
}

// isMismatch tells whether an object was read and is another.
func isMismatch(err error) bool {
	var m *MismatchError
	return errors.As(err, &m)
}
