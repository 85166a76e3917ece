package manifest

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/assist-move-assist/pgcofre/remote"
)

// SealName is the name of a set's seal within the set: the 64 bytes of an
// Ed25519 signature (RFC 8032) over the exact bytes of manifest.json.
const SealName = "manifest.sig"

// SealError tells that a set does not bear the seal of a trusted key: nobody
// can say who wrote it, or that it was not altered since.
type SealError struct {
	Set string // its ID, or the name of a record
	Err error
}

func (e *SealError) Error() string {
	return fmt.Sprintf("%s is not sealed by a trusted key: %v", e.Set, e.Err)
}

// Unwrap returns the reason.
func (e *SealError) Unwrap() error { return e.Err }

// Sign returns the seal of a manifest's exact bytes. The signer's key is an
// Ed25519 one; an ed25519.PrivateKey is such a signer.
func Sign(signer crypto.Signer, manifest []byte) ([]byte, error) {
	key, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return nil, fmt.Errorf("manifest: a seal needs an Ed25519 key, not a %T", signer.Public())
	}
	sig, err := signer.Sign(rand.Reader, manifest, crypto.Hash(0))
	if err == nil && !ed25519.Verify(key, manifest, sig) {
		err = errors.New("the signer's signature does not belong to its public key")
	}
	if err != nil {
		return nil, fmt.Errorf("manifest: sealing: %w", err)
	}
	return sig, nil
}

// CheckSeal makes sure that m is what lies in the sink, and that it bears the
// seal of one of the trusted keys; otherwise the error is a [*SealError]. As
// the manifest holds the set's name and the hashes of its objects and parents,
// all these are then as the one who sealed it left them, once they are read
// and their hashes compared. A set that was withheld shows only by its age.
// Without keys nothing is checked.
func CheckSeal(ctx context.Context, sink remote.RemoteSink, m *Manifest, trust []ed25519.PublicKey) error {
	if len(trust) == 0 {
		return nil
	}
	want, err := m.SHA256()
	if err != nil {
		return err
	}
	sealed, err := (&scanner{sink: sink, trust: trust}).read(ctx, place{m.prefix, m.ID})
	if err != nil {
		return err
	}
	if got, _ := sealed.SHA256(); got != want {
		return &SealError{m.ID, errors.New("the sink now holds another manifest than the one given")}
	}
	return nil
}

// readSeal reads the seal beside a manifest.
func readSeal(ctx context.Context, sink remote.RemoteSink, at place) ([]byte, error) {
	sig, err := readSmall(ctx, sink, at.path(SealName), ed25519.SignatureSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &SealError{at.id, fmt.Errorf("it has no %s", SealName)}
	}
	return sig, err
}

// verifySeal holds the bytes of a manifest or a record against a seal.
func verifySeal(name string, text, sig []byte, trust []ed25519.PublicKey) error {
	if !slices.ContainsFunc(trust, func(key ed25519.PublicKey) bool {
		return len(key) == ed25519.PublicKeySize && ed25519.Verify(key, text, sig)
	}) {
		return &SealError{name, fmt.Errorf("its seal is not a signature of these bytes by any of the %d keys given", len(trust))}
	}
	return nil
}
