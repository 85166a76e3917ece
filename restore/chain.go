package restore

import (
	"context"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// LinkError refuses to restore an incremental set of which a link is missing,
// damaged or not what it was. It names the link, and offers the newest older
// point that does without it.
type LinkError = proof.LinkError

// Link is one of the sets that a restore reads.
type Link struct {
	Set      string        `json:"set"`
	Kind     manifest.Kind `json:"kind"`
	DataTime time.Time     `json:"data_time"` // the moment that its data is of
	// ReadBytes is what is read of its rows and large objects, as they are
	// stored. Rows that changed are read twice: first for their keys.
	ReadBytes int64 `json:"read_bytes"`
}

// readSet reads what the set says of itself, and those that it builds on.
func (p *Plan) readSet(ctx context.Context) (err error) {
	if p.set.Kind == manifest.Incremental {
		if p.chain, err = proof.OpenChain(ctx, p.set, p.restorer.Trust); err != nil {
			return err
		}
	}
	if p.contents, err = p.set.Contents(ctx); err != nil {
		return p.chain.Blame(err)
	}
	if p.archive, err = p.set.Archive(ctx); err != nil {
		return p.chain.Blame(err)
	}
	if bad := proof.CheckArchive(p.set.Manifest, p.contents, p.archive); len(bad) > 0 {
		return p.chain.Blame(bad[0])
	}
	if p.chain == nil {
		return nil
	}
	return p.chain.Read(ctx, p.contents)
}

// measureChain fills in what there is to read of an incremental set and of those
// that it builds on.
func (p *Plan) measureChain() {
	links := map[string]*Link{}
	for _, s := range p.chain.Sets {
		links[s.ID] = &Link{Set: s.ID, Kind: s.Kind, DataTime: s.DataTime}
	}
	p.RawBytes, p.ReadBytes = 0, 0
	read := func(s proof.Set, times int64, names ...string) {
		for _, name := range names {
			o, _ := s.Object(name)
			links[s.ID].ReadBytes += times * o.Size
			p.ReadBytes += times * o.Size
			p.RawBytes += times * o.Raw
		}
	}
	for _, t := range p.contents.Tables {
		l := p.chain.Layers(t.Schema, t.Name)
		if l == nil {
			read(p.set, 1, t.Objects...)
			continue
		}
		read(l.Base.Set, 1, l.Base.Objects...)
		for _, c := range l.Changes {
			read(c.Set, 2, c.Objects...)
			read(c.Set, 1, c.Delta.Kept)
		}
	}
	for _, o := range p.set.Objects {
		if strings.HasPrefix(o.Name, "blob") {
			read(p.set, 1, o.Name)
		}
	}
	for _, s := range p.chain.Sets {
		p.Chain = append(p.Chain, *links[s.ID])
	}
}
