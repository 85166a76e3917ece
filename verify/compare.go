package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
	"github.com/assist-move-assist/pgcofre/internal/proof"
)

// CompareOptions says how a database was restored. The zero value, and nil,
// expect everything as it was backed up.
type CompareOptions struct {
	NoOwner      bool              // ownership was left out
	NoPrivileges bool              // privileges were left out
	Roles        map[string]string // roles that were mapped, backup's name to target's
}

// comparesPrivileges tells whether privileges can be compared as text: they
// name owners and roles, which must be those of the backup.
func (o *CompareOptions) comparesPrivileges() bool {
	return !o.NoPrivileges && !o.NoOwner && len(o.Roles) == 0
}

// Compare holds a database against a set: the rows of every table by their
// digest (of an incremental set those of tables that changed by their keys, and
// by the content of a part of them), every sequence, all large objects, and the schema by the text of
// its definitions. It only reads; nothing else may write to the database
// meanwhile. Differences are in the report; the error is for what kept them
// from being looked for, and so is damage: [*manifest.SealError],
// [*IdentityError], [*manifest.DamageError], of an incremental set [*LinkError],
// and what the sink and the database return.
func (v *Verifier) Compare(ctx context.Context, set *manifest.Manifest, database *pgx.ConnConfig, opts *CompareOptions) (*Report, error) {
	s, err := v.open(ctx, set)
	if err != nil {
		return nil, err
	}
	if opts == nil {
		opts = &CompareOptions{}
	}
	contents, err := s.Contents(ctx)
	if err != nil {
		return nil, err
	}
	archive, err := s.Archive(ctx)
	if err != nil {
		return nil, err
	}
	if set.Kind == manifest.Incremental {
		chain, err := proof.OpenChain(ctx, s, v.Trust)
		if err == nil {
			err = chain.Read(ctx, contents)
		}
		if err != nil {
			return nil, err
		}
	}
	groups, err := proof.Groups(contents)
	if err != nil {
		return nil, fmt.Errorf("set %s: contents.json: %w", set.ID, err)
	}
	c := &comparison{
		Verifier: v, config: database, contents: contents,
		rep: &Report{Set: set.ID, Database: database.Database, Start: time.Now().UTC()},
		settings: pgsession.Settings{
			ClientEncoding: contents.Settings.ClientEncoding, LCMonetary: contents.Settings.LCMonetary,
		},
	}
	var rows int64
	var tables []func(context.Context, *pgx.Conn) error
	for _, g := range groups {
		rows += g.Want.Rows
		tables = append(tables, func(ctx context.Context, conn *pgx.Conn) error { return c.table(ctx, conn, g) })
	}
	for _, t := range contents.Tables {
		if t.Delta != nil && t.Digest == "" {
			rows += t.Rows
			tables = append(tables, func(ctx context.Context, conn *pgx.Conn) error { return c.changed(ctx, conn, t) })
		}
	}
	c.meter = newMeter(v.Progress, rows)
	if err := c.tables(ctx, tables); err != nil {
		return nil, err
	}
	if err := c.rest(ctx, archive, set, opts); err != nil {
		return nil, err
	}
	for _, x := range contents.Excluded {
		c.rep.limit("%s %s is not in the backup: %s", x.Kind, x.Name, x.Reason)
	}
	c.meter.add(0, true)
	c.rep.Took = time.Since(c.rep.Start)
	return c.rep, nil
}

type comparison struct {
	*Verifier
	config   *pgx.ConnConfig
	contents *manifest.Contents
	settings pgsession.Settings
	rep      *Report
	meter    *meter
}

// tables compares the rows, several tables at a time.
func (c *comparison) tables(ctx context.Context, tables []func(context.Context, *pgx.Conn) error) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan func(context.Context, *pgx.Conn) error)
	g.Go(func() error {
		defer close(queue)
		for _, compare := range tables {
			select {
			case queue <- compare:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	for range c.jobs() {
		g.Go(func() error {
			conn, err := pgsession.Connect(ctx, c.config, c.settings)
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			for compare := range queue {
				if err := compare(ctx, conn); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (c *comparison) table(ctx context.Context, conn *pgx.Conn, g *proof.Group) error {
	got, err := g.Live(ctx, conn)
	if err != nil {
		if ctx.Err() != nil || conn.IsClosed() {
			return err
		}
		c.rep.find("table "+g.Table(), "%v", err)
		return nil
	}
	c.meter.add(got.Rows, false)
	switch {
	case got.Rows != g.Want.Rows:
		c.rep.find("table "+g.Table(), "%d rows, the backup has %d", got.Rows, g.Want.Rows)
	case g.CountOnly:
		c.rep.limit("table %s: only its rows were counted, because its partitions have their columns in several orders", g.Table())
	case !got.Equal(g.Want):
		c.rep.find("table "+g.Table(), "the content of its %d rows differs from the backup's", got.Rows)
	}
	c.rep.count(got.Rows)
	return nil
}

// changed compares a table of which the set holds changes alone: the count and
// the keys of its rows, and the content of as many as the set has a proof of.
func (c *comparison) changed(ctx context.Context, conn *pgx.Conn, t manifest.Table) error {
	what := "table " + pgsession.QuoteIdent(t.Schema, t.Name)
	problem, err := proof.CheckRows(ctx, conn, t)
	if err != nil {
		if ctx.Err() != nil || conn.IsClosed() {
			return err
		}
		problem = err.Error()
	}
	if problem != "" {
		c.rep.find(what, "%s", problem)
	}
	c.meter.add(t.Rows, false)
	proven := int64(0)
	if t.Proof != nil {
		proven = t.Proof.Rows
	}
	if proven < t.Rows {
		c.rep.limit("%s: the keys of its %d rows were compared, and the content of %d", what, t.Rows, proven)
	}
	c.rep.count(t.Rows)
	return nil
}
