package restore

import (
	"context"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/proof"
	"github.com/assist-move-assist/pgcofre/remote"
)

// Contents reads what a set of a database holds: its tables with their rows
// and digests, and what was left out. Its bytes are held against the manifest;
// what is wrong with them is a [*manifest.DamageError].
func Contents(ctx context.Context, sink remote.RemoteSink, set *manifest.Manifest) (*manifest.Contents, error) {
	return proof.Contents(ctx, sink, set)
}
