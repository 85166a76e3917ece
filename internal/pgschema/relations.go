package pgschema

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Relations lists the tables that a dump with these options must hold still,
// in order of their OIDs: ordinary and partitioned ones, with the
// configuration tables of extensions whose rows are dumped. LOCK TABLE takes
// nothing else that could be read. It needs no lock itself: only catalogs are
// read, and no function that looks at a table.
func Relations(ctx context.Context, conn *pgx.Conn, opts *Options) ([]pgsession.Relation, error) {
	r, err := newReader(ctx, conn, opts)
	if err != nil {
		return nil, err
	}
	for _, read := range []func() error{
		r.readKeywords, r.readFilter, r.readExtensions, r.readExtensionMembers,
		r.readNamespaces, r.readTables, r.readExtensionTables,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	var rels []pgsession.Relation
	for _, t := range r.tables {
		if t.relkind != relTable && t.relkind != relPartitioned {
			continue
		}
		if t.has(compDefinition|compData|compPolicy) || t.data != nil {
			rels = append(rels, pgsession.Relation{OID: t.oid(), Schema: t.schema(), Name: t.name, FileNode: t.fileNode})
		}
	}
	return rels, nil
}
