package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// blobBatch is how many large objects make a task.
const blobBatch = 200

// blobDump is one BLOBS entry: its large objects and their index.
type blobDump struct {
	*pgschema.LargeObjects
	mu     sync.Mutex
	digest codec.Digest
}

func (d *dump) planBlobs() []*task {
	var tasks []*task
	for _, group := range d.schema.LargeObjects {
		b := &blobDump{LargeObjects: group}
		d.blobs = append(d.blobs, b)
		for batch := range slices.Chunk(group.OIDs, blobBatch) {
			tasks = append(tasks, &task{run: func(ctx context.Context, c *connection, k *task) error {
				for _, oid := range batch {
					if err := d.copyBlob(ctx, c, b, oid); err != nil {
						return err
					}
				}
				return nil
			}})
		}
	}
	return tasks
}

func blobFile(oid uint32) string { return fmt.Sprintf("blob_%d.dat", oid) }

func (d *dump) copyBlob(ctx context.Context, c *connection, b *blobDump, oid uint32) error {
	var sum hash.Hash
	_, err := d.w.put(ctx, blobFile(oid), c.release, func(out io.Writer) error {
		sum = sha256.New()
		if err := readBlob(ctx, c, oid, io.MultiWriter(out, sum)); err != nil {
			return c.broken(ctx, fmt.Errorf("copying large object %d: %w", oid, err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.digest.AddRow(proof.BlobRow(oid, sum.Sum(nil)))
	return nil
}

func readBlob(ctx context.Context, c *connection, oid uint32, out io.Writer) error {
	w, err := c.get(ctx)
	if err != nil {
		return err
	}
	return proof.Blob(ctx, w.Conn(), oid, out)
}

// putIndex stores the file that tells pg_restore which file holds which large
// object.
func (b *blobDump) putIndex(ctx context.Context, w *Writer) error {
	_, err := w.Put(ctx, b.Entry.File.String(), func(out io.Writer) error {
		buf := bufio.NewWriter(out)
		for _, oid := range b.OIDs {
			fmt.Fprintf(buf, "%d %s\n", oid, blobFile(oid))
		}
		return buf.Flush()
	})
	return err
}

// blobContents sums up all large objects: their number, and the digest of
// rows made of OID and the sha256 of the content.
func (d *dump) blobContents() manifest.LargeObjects {
	var sum codec.Digest
	for _, b := range d.blobs {
		sum.Merge(b.digest)
	}
	return manifest.LargeObjects{Count: sum.Rows, Digest: sum.String()}
}
