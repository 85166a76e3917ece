package restore

import (
	"context"
	"fmt"
	"io"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// blobChunk is how much of a large object is sent at a time.
const blobChunk = 1 << 20

// blobs loads the large objects that a BLOBS entry's index lists, in one
// transaction for each: pg_dump made them, empty, earlier in the archive.
func (w *worker) blobs(ctx context.Context, e *toc.Entry) error {
	return w.set.LargeObjects(ctx, e.File.String(), func(oid uint32, object string) error {
		if err := w.blob(ctx, oid, object); err != nil {
			return fmt.Errorf("restoring large object %d: %w", oid, err)
		}
		return nil
	})
}

func (w *worker) blob(ctx context.Context, oid uint32, name string) error {
	obj, err := w.set.Open(ctx, name)
	if err != nil {
		return err
	}
	defer obj.Close()
	tx, err := w.conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	buf := make([]byte, blobChunk)
	for offset := int64(0); ; {
		n, err := io.ReadFull(obj, buf)
		if n > 0 {
			_, perr := tx.Exec(ctx, "SELECT pg_catalog.lo_put($1::pg_catalog.oid, $2::pg_catalog.int8, $3::pg_catalog.bytea)", oid, offset, buf[:n])
			if perr != nil {
				return perr
			}
			offset += int64(n)
			w.meter.add(int64(n))
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		} else if err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}
