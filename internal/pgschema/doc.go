// Package pgschema reads the system catalogs of a PostgreSQL database and
// turns them into the entries of an archive's table of contents.
//
// What it produces is what the pg_dump of the server's own major release
// would: the same descriptions, tags, owners, sections, dependencies and
// statement text, in the same order. That makes pg_dump the oracle of its
// tests, and stock pg_restore a reader of its output.
//
// The work goes in four steps, each a pass over everything: the families
// (one file each) read their catalogs in bulk and register objects; pg_depend
// adds the arrows between them; the objects are sorted so that nothing comes
// before what it needs, with the known loops cut; and each object emits its
// entries, its comment and its privileges behind it.
//
// An object of a kind that no family handles is an error that names it.
package pgschema
