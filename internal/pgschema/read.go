package pgschema

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Read reads the catalogs through conn, which must be inside the snapshot's
// transaction with the session settings of package pgsession.
func Read(ctx context.Context, conn *pgx.Conn, opts *Options) (*Schema, error) {
	r, err := newReader(ctx, conn, opts)
	if err != nil {
		return nil, err
	}
	// The order matters: a family finds what an earlier one registered.
	for _, read := range []func() error{
		r.readRoles,
		r.readKeywords,
		r.readFilter,
		r.readDatabase,
		r.readExtensions,
		r.readExtensionMembers,
		r.readNamespaces,
		r.readTables,
		r.readOwnedSequences,
		r.readTypes,
		r.readFunctions,
		r.readLanguages,
		r.readAggregates,
		r.readOperators,
		r.readOperatorClasses,
		r.readAccessMethods,
		r.readConversions,
		r.readTextSearch,
		r.readForeignServers,
		r.readTransforms,
		r.readDefaultACLs,
		r.readCollations,
		r.readCasts,
		r.readInherits,
		r.readEventTriggers,
		r.readExtensionTables,
		r.readColumns,
		r.readIndexes,
		r.readStatistics,
		r.readConstraints,
		r.readTriggers,
		r.readRules,
		r.readPolicies,
		r.readPublications,
		r.refuseUnsupported,
		r.readTableData,
		r.readMatViewRefresh,
		r.readLargeObjects,
		r.readDependencies,
		r.readPrivileges,
		r.readComments,
		r.readLabels,
		r.checkReadable,
		r.readSequences,
		r.checkSchemaNames,
	} {
		if err := read(); err != nil {
			return nil, err
		}
	}
	order, err := r.sort()
	if err != nil {
		return nil, err
	}
	e := &emitter{r: r}
	e.preamble() // ENCODING, STDSTRINGS, SEARCHPATH
	e.database() // DATABASE, its comment, privileges and DATABASE PROPERTIES
	for _, d := range order {
		d.emit(e)
	}
	if e.err != nil {
		return nil, e.err
	}
	e.resolveDependencies()
	r.schema.Entries = e.entries
	r.schema.Prerequisites = e.prerequisites()
	r.schema.Roles = e.roles()
	return r.schema, nil
}
