// Package delta finds out what changed in a table between two snapshots, from
// what a reader of the second one alone can see.
//
// A row that was written since carries the number of its writing transaction
// (xmin): [Since] picks it. A row that was deleted has left nothing behind. So
// every backup records, for each bucket of keys, [Sum]: how many rows there
// are, and a sum of hashes over their keys and over their xmin. The next one
// computes the same of the rows that have not changed since, and of those that
// have, in one scan ([Table.SumsSQL]); [Compare] then says of each bucket that
// nothing is gone from it, or that it must be listed: that the keys of its
// rows be stored ([Table.KeptSQL]), for a restore to remove the others.
//
// All SQL calls functions of pg_catalog and the output functions of key
// columns, as COPY does, and never a cast, which a user may have defined. It
// relies on the settings of package pgsession: an empty search_path and
// standard_conforming_strings on. It runs on servers 13 to 18 and on standbys.
// Keys are hashed in the encoding of the server: what [Geometry.Bucket] gets
// must be in that encoding, too.
package delta
