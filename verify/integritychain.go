package verify

import (
	"context"
	"errors"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// part is an object of a set that the one proven builds on.
type part struct {
	set  proof.Set
	name string
	size int64
}

// readChain finds out what an incremental set builds on. That something of it is
// missing or damaged is a finding.
func (i *integrity) readChain(ctx context.Context) error {
	if i.set.Kind != manifest.Incremental {
		return nil
	}
	chain, err := proof.OpenChain(ctx, i.set, i.Trust)
	if err == nil {
		err = chain.Read(ctx, i.contents)
	}
	var link *LinkError
	if errors.As(err, &link) {
		i.rep.find("set "+link.Link, "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	i.chain = chain
	i.rep.limit("the rows of tables that changed are those that each set stored: that they make up the tables of this point, a restore alone proves")
	for _, t := range i.contents.Tables {
		l := chain.Layers(t.Schema, t.Name)
		if l == nil {
			continue
		}
		l.Each(func(s proof.Set, name string) {
			if s.ID == i.set.ID {
				return
			}
			o, _ := s.Object(name)
			i.older = append(i.older, part{s, name, o.Size})
			i.rep.Objects++
			i.rep.Bytes += o.Size
		})
	}
	i.meter.grow(i.rep.Bytes)
	return nil
}

// checkLayers holds what was read of a table's sets against what each says of it.
func (i *integrity) checkLayers(l *proof.Layers) bool {
	ok := i.checkDigest(l.Base.Set, l.Base.Table, "rows", l.Base.Objects, l.Base.Digest)
	for _, c := range l.Changes {
		ok = i.checkChange(c.Set, c.Table) && ok
	}
	return ok
}

// checkChange does so with the changes that one set has of a table.
func (i *integrity) checkChange(s proof.Set, t manifest.Table) bool {
	ok := i.checkDigest(s, t, "changed rows", t.Objects, t.Delta.Digest)
	if t.Delta.Kept != "" {
		ok = i.checkDigest(s, t, "kept keys", []string{t.Delta.Kept}, t.Delta.KeptDigest) && ok
	}
	return ok
}
