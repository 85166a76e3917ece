package verify_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
	"github.com/assist-move-assist/pgcofre/verify"
)

// Without any key, what was altered, cut, lengthened or lost is found.
func TestStored(t *testing.T) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]struct {
		spoil func(b []byte) []byte // nil deletes
		want  string
	}{
		"whole":      {func(b []byte) []byte { return b }, ""},
		"altered":    {func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "sha256"},
		"cut":        {func(b []byte) []byte { return b[:len(b)-1] }, "the manifest says"},
		"lengthened": {func(b []byte) []byte { return append(b, 0) }, "has more than"},
		"lost":       {nil, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			sink := remotetest.NewMem()
			set, err := backup.Run(t.Context(), sink, newDatabase(), &backup.Options{Recipients: []age.Recipient{id.Recipient()}, Seal: private})
			if err != nil {
				t.Fatal(err)
			}
			path := set.Path(set.Objects[0].Name)
			if spoil.spoil == nil {
				err = sink.Delete(t.Context(), path)
			} else {
				_, err = sink.Put(t.Context(), path, bytes.NewReader(spoil.spoil(content(t, sink, path))), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
			rep, err := (&verify.Verifier{Sink: sink, Trust: []ed25519.PublicKey{public}}).Stored(t.Context(), set.Manifest)
			if err != nil {
				t.Fatal(err)
			}
			if spoil.want == "" {
				if rep.Err() != nil || len(rep.Limits) != 1 || rep.Bytes != set.StoredSize() {
					t.Errorf("%+v", rep)
				}
				return
			}
			if len(rep.Findings) != 1 || rep.Findings[0].What != "object "+set.Objects[0].Name || !strings.Contains(rep.Findings[0].Problem, spoil.want) {
				t.Errorf("findings %v", rep.Findings)
			}
		})
	}
	sink := remotetest.NewMem()
	set, err := backup.Run(t.Context(), sink, newDatabase(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var seal *manifest.SealError
	if _, err := (&verify.Verifier{Sink: sink, Trust: []ed25519.PublicKey{public}}).Stored(t.Context(), set.Manifest); !errors.As(err, &seal) {
		t.Errorf("not sealed: %v", err)
	}
}
