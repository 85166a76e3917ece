// Package backup takes backups: it runs a [Source] against a sink and commits
// what the source produced as one set, or nothing.
//
// [Dumper] is the source of a whole PostgreSQL database. It needs no client
// program: it reads the catalogs and streams COPY over pgx, under one
// exported snapshot, in parallel, and writes PostgreSQL's directory archive
// format, which stock pg_restore reads.
//
// [Incremental] is the same database, of which a set holds what changed since
// another set: rows that were written, told by their transactions, and which
// were deleted, told by sums over keys. A set and those that it builds on are
// restored together, exactly to the snapshot of the last. [Consolidate] makes a
// full set of them, without the database.
//
// A set exists when its manifest does. [Run] writes the manifest last, after
// every object is durable in the sink and was read back; a run that fails or
// is cancelled removes what it had put, and what it cannot remove no reader
// takes for a backup, unless the sink failed to remove the manifest itself: see
// Run.
//
// A backup runs no user-defined function, cast or operator, takes no lock
// stronger than ACCESS SHARE, writes no temporary file, and holds in memory a
// few buffers for each job and the widest row. Two things that only a superuser
// can set up do run: a login event trigger (17 and newer), and a cast that
// replaces PostgreSQL's own between two of its own types.
package backup
