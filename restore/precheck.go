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
	var names []string
	for _, e := range p.archive.Entries {
		if e.File.String() == "" || !p.wanted(e) {
			continue
		}
		if e.Desc != "BLOBS" {
			name, _ := proof.Stored(p.set.Manifest, e.File.String()) // it is there: the plan looked
			names = append(names, name)
			continue
		}
		err := p.set.LargeObjects(ctx, e.File.String(), func(_ uint32, object string) error {
			names = append(names, object)
			return nil
		})
		if err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(p.opts.jobs())
	for _, name := range names {
		g.Go(func() error {
			obj, err := p.set.Open(ctx, name)
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
