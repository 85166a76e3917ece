package backup

import (
	"context"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/remote"
)

// ConsolidateWithin is Consolidate with room for so many keys in memory.
func ConsolidateWithin(ctx context.Context, sink remote.RemoteSink, set *manifest.Manifest, opts *ConsolidateOptions, room int64) (*Result, error) {
	c, err := newConsolidation(set, opts)
	if err != nil {
		return nil, err
	}
	c.room = room
	return Run(ctx, sink, c, &c.Options)
}
