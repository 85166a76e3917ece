package verify

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// rest compares what is not rows: sequences, large objects and the schema.
func (c *comparison) rest(ctx context.Context, archive *toc.Archive, set *manifest.Manifest, opts *CompareOptions) error {
	conn, err := pgsession.Connect(ctx, c.config, c.settings)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if err := c.sequences(ctx, conn); err != nil {
		return err
	}
	got, err := proof.Blobs(ctx, conn)
	if err != nil {
		return err
	}
	c.rep.LargeObjects = got.Rows
	if want := c.contents.LargeObjects; got.Rows != want.Count || (got.Rows > 0 && got.String() != want.Digest) {
		c.rep.find("large objects", "%d, whose content is not that of the %d in the backup", got.Rows, want.Count)
	}
	return c.schema(ctx, conn, archive, set, opts)
}

func (c *comparison) sequences(ctx context.Context, conn *pgx.Conn) error {
	for _, s := range c.contents.Sequences {
		what := "sequence " + pgsession.QuoteIdent(s.Schema, s.Name)
		last, called, err := proof.Sequence(ctx, conn, s.Schema, s.Name)
		switch {
		case err != nil && (ctx.Err() != nil || conn.IsClosed()):
			return err
		case err != nil:
			c.rep.find(what, "%v", err)
		case last != s.Last || called != s.Called:
			c.rep.find(what, "its last value is %d (used: %t), the backup's %d (used: %t)", last, called, s.Last, s.Called)
		}
		c.rep.Sequences++
	}
	return nil
}

// schema reads the catalogs of the database and compares their definitions
// with the archive's.
func (c *comparison) schema(ctx context.Context, conn *pgx.Conn, archive *toc.Archive, set *manifest.Manifest, opts *CompareOptions) error {
	var version int
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int4").Scan(&version); err != nil {
		return err
	}
	if backed := set.Database.ServerVersion; version/10000 != backed/10000 {
		c.rep.limit("the schema was not compared: the server is release %d, the backup's %d, and they write definitions differently",
			version/10000, backed/10000)
		return nil
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	live, err := pgschema.Read(ctx, conn, &pgschema.Options{})
	if err != nil {
		return fmt.Errorf("reading the schema of the database: %w", err)
	}
	if !opts.comparesPrivileges() {
		c.rep.limit("privileges were not compared, nor policies where roles were mapped: the restore changed or left out what they name")
	}
	entries := live.Entries
	if len(c.contents.Prerequisites) > 0 {
		entries = within(entries, archive.Entries)
		c.rep.limit("the schema was compared where the backup has some: it needs more than it holds, which was there before")
	}
	want, got := definitions(archive.Entries, opts), definitions(entries, opts)
	c.rep.Entries = len(want)
	c.diff(want, got)
	return nil
}
