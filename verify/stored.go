package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// Stored reads every stored byte of a set, of whatever kind, and holds sizes
// and sha256 against the manifest. It decrypts nothing and so needs no
// identity: a machine that must not be able to read its backups can still tell
// that they are as they were stored. Damage is in the report, as of Integrity;
// that the rows are those of the database only Integrity proves.
func (v *Verifier) Stored(ctx context.Context, set *manifest.Manifest) (*Report, error) {
	if v.Sink == nil {
		return nil, errNoSink
	}
	if err := manifest.CheckSeal(ctx, v.Sink, set, v.Trust); err != nil {
		return nil, err
	}
	rep := &Report{Set: set.ID, Start: time.Now().UTC(), Objects: len(set.Objects), Bytes: set.StoredSize()}
	rep.limit("the bytes are those that were stored: they were neither decrypted nor decompressed, and no rows were counted")
	m := newMeter(v.Progress, set.StoredSize())
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(v.jobs())
	for _, obj := range set.Objects {
		g.Go(func() error {
			defer m.add(obj.Size, false)
			flaw, err := v.readStored(ctx, set.Path(obj.Name), obj)
			if flaw != "" {
				rep.find("object "+obj.Name, "%s", flaw)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	m.add(0, true)
	rep.Took = time.Since(rep.Start)
	return rep, nil
}

// readStored reads an object and says what is wrong with its bytes.
func (v *Verifier) readStored(ctx context.Context, name string, want manifest.Object) (flaw string, err error) {
	r, err := v.Sink.Get(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "it is missing", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	defer r.Close()
	err = want.CheckStored(r)
	var other *manifest.MismatchError
	switch {
	case errors.As(err, &other):
		return other.Error(), nil
	case err != nil:
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return "", nil
}
