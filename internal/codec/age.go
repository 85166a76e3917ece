package codec

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"filippo.io/age"
)

// AgeExt is what the name of an encrypted object ends in, behind the extension
// of its compression. Such an object is a file of age (age-encryption.org/v1)
// with a file key of its own.
const AgeExt = ".age"

// Encrypted tells from an object's name whether it is encrypted.
func Encrypted(name string) bool { return strings.HasSuffix(name, AgeExt) }

// maxWorkFactor is the highest work factor of a passphrase, as a power of two:
// what age itself writes unless told otherwise. One key takes 256 MiB and
// about a second; the 22 that age would read take 4 GiB and 15.
const maxWorkFactor = 18

// maxHeaderError is how many characters are kept of what age says of a header:
// it quotes lines of up to 2 MiB, the most that it reads of one.
const maxHeaderError = 300

func encrypt(dst io.Writer, recipients []age.Recipient) (io.WriteCloser, error) {
	bounded := make([]age.Recipient, len(recipients))
	for i, r := range recipients {
		if s, ok := r.(*age.ScryptRecipient); ok {
			r = passphraseRecipient{s}
		}
		bounded[i] = r
	}
	w, err := age.Encrypt(dst, bounded...)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	return w, nil
}

func decrypt(src io.Reader, identities []age.Identity) (io.Reader, error) {
	bounded := make([]age.Identity, len(identities))
	for i, id := range identities {
		switch own := id.(type) {
		case *age.ScryptIdentity:
			id = passphraseIdentity{own}
		case *age.X25519Identity, *age.HybridIdentity:
		default:
			id = otherIdentity{own}
		}
		bounded[i] = id
	}
	r, err := age.Decrypt(src, bounded...)
	var wrong *age.NoIdentityMatchError
	switch {
	case errors.As(err, &wrong):
		return nil, fmt.Errorf("decrypting: %w", wrong)
	case err != nil:
		return nil, fmt.Errorf("decrypting: %.*w", maxHeaderError, err)
	}
	return r, nil
}

// deriving lets one key at a time be made from a passphrase, as each takes
// memory by the hundred MiB, whatever number of objects is open.
var deriving sync.Mutex

type passphraseRecipient struct{ *age.ScryptRecipient }

var _ age.RecipientWithLabels = passphraseRecipient{}

func (r passphraseRecipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	deriving.Lock()
	defer deriving.Unlock()
	stanzas, labels, err := r.ScryptRecipient.WrapWithLabels(fileKey)
	if err == nil {
		err = checkWorkFactor(stanzas)
	}
	return stanzas, labels, err
}

type passphraseIdentity struct{ *age.ScryptIdentity }

var _ age.Identity = passphraseIdentity{}

func (i passphraseIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if err := checkWorkFactor(stanzas); err != nil {
		return nil, err
	}
	deriving.Lock()
	defer deriving.Unlock()
	return i.ScryptIdentity.Unwrap(stanzas)
}

// IdentityError tells that an identity which is not one of age's own failed: a
// plugin that does not run, a device that is not there.
type IdentityError struct{ Err error }

func (e *IdentityError) Error() string { return "the identity failed: " + e.Err.Error() }

// Unwrap returns what the identity failed with.
func (e *IdentityError) Unwrap() error { return e.Err }

type otherIdentity struct{ age.Identity }

func (i otherIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := i.Identity.Unwrap(stanzas)
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		err = &IdentityError{err}
	}
	return key, err
}

// checkWorkFactor leaves what else may be wrong with a stanza to age.
func checkWorkFactor(stanzas []*age.Stanza) error {
	for _, s := range stanzas {
		if s.Type != "scrypt" || len(s.Args) != 2 {
			continue
		}
		if n, err := strconv.Atoi(s.Args[1]); err == nil && n > maxWorkFactor {
			return fmt.Errorf("the passphrase has a work factor of %d, the highest that is read is %d", n, maxWorkFactor)
		}
	}
	return nil
}
