package restore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
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

// source is what a set says of itself, and what it builds on.
type source struct {
	set      proof.Set
	contents *manifest.Contents
	archive  *toc.Archive
	chain    *proof.Chain // nil: the set is a full one
}

// readSet reads a set's own description, and those of the sets that it builds on.
func (r *Restorer) readSet(ctx context.Context, set *manifest.Manifest) (s source, err error) {
	if set.Kind != manifest.Full && set.Kind != manifest.Incremental {
		return s, fmt.Errorf("restore: set %s is %s, not a backup of a database", set.ID, set.Kind)
	}
	if s.set, err = r.open(ctx, set); err != nil {
		return s, err
	}
	if set.Kind == manifest.Incremental {
		if s.chain, err = proof.OpenChain(ctx, s.set, r.Trust); err != nil {
			return s, err
		}
	}
	if s.contents, err = s.set.Contents(ctx); err != nil {
		return s, s.chain.Blame(err)
	}
	if s.archive, err = s.set.Archive(ctx); err != nil {
		return s, s.chain.Blame(err)
	}
	if bad := proof.CheckArchive(set, s.contents, s.archive); len(bad) > 0 {
		return s, s.chain.Blame(bad[0])
	}
	if s.chain == nil {
		return s, nil
	}
	return s, s.chain.Read(ctx, s.contents)
}

// layers are those of the table that an entry loads, if its rows are in several
// sets.
func (s *source) layers(e *toc.Entry) *proof.Layers {
	if e.Desc != "TABLE DATA" {
		return nil
	}
	return s.chain.Layers(e.Namespace.String(), e.Tag)
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
