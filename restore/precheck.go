package restore

import (
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// readable reads every object that the restore will need, to its end, where its
// checksum is compared: what is in the database is not given up for a set that
// does not hold what it says.
func (p *Plan) readable(ctx context.Context) error {
	type part struct {
		set  proof.Set
		name string
	}
	var parts []part
	need := func(s proof.Set, names ...string) {
		for _, name := range names {
			parts = append(parts, part{s, name})
		}
	}
	for _, e := range p.archive.Entries {
		if e.File.String() == "" || !p.wanted(e) {
			continue
		}
		switch l := p.layers(e); {
		case l != nil:
			l.Each(func(s proof.Set, object string) { need(s, object) })
		case e.Desc == "BLOBS":
			err := p.set.LargeObjects(ctx, e.File.String(), func(_ uint32, object string) error {
				need(p.set, object)
				return nil
			})
			if err != nil {
				return err
			}
		default:
			name, _ := proof.Stored(p.set.Manifest, e.File.String()) // it is there: the plan looked
			need(p.set, name)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opts.jobs())
	for _, part := range parts {
		g.Go(func() error {
			obj, err := part.set.Open(ctx, part.name)
			if err != nil {
				return err
			}
			defer obj.Close()
			_, err = io.Copy(io.Discard, obj)
			return err
		})
	}
	return g.Wait()
}
