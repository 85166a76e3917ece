package backup

import "context"

// Source produces the objects of one backup set.
type Source interface {
	// SourceName is the stable name of what is backed up. History, the
	// suspect guard, retention and "latest" are judged for each name on its
	// own, so that several databases can share a sink.
	SourceName() string

	// Backup calls w.Begin once and then w.Put for every object. It returns
	// when all of them are stored. It must honour ctx, and must not use w
	// after it returned.
	Backup(ctx context.Context, w *Writer) error
}
