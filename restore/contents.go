package restore

import (
	"context"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

// Contents reads what a set of a database holds: its tables with their rows
// and digests, and what was left out. It needs no Target. Its bytes are held
// against the manifest.
//
// Errors: [*manifest.SealError], [*IdentityError], [*manifest.DamageError], and
// what the sink returns.
func (r *Restorer) Contents(ctx context.Context, set *manifest.Manifest) (*manifest.Contents, error) {
	s, err := r.open(ctx, set)
	if err != nil {
		return nil, err
	}
	return s.Contents(ctx)
}
