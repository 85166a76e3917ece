// Package toc reads and writes the table of contents of a PostgreSQL archive:
// the file toc.dat of a directory that pg_dump -Fd writes and pg_restore reads,
// and the same bytes at the start of a custom-format file.
//
// [Read] takes archive versions 1.12 (PostgreSQL 9.0) to 1.16 (17 and 18), and
// [Archive.WriteTo] writes 1.14 to 1.16. What is read and written again
// unchanged gives the same bytes. The format is PostgreSQL's
// (src/bin/pg_dump/pg_backup_archiver.c: ReadHead, ReadToc, WriteHead, WriteToc):
//
//   - an integer is a sign byte (0 or 1) and IntSize bytes, lowest first;
//   - a string is an integer length and its bytes; length -1 is NULL, which is
//     not the empty string; object identifiers and dependencies are decimal text;
//   - the dependencies of an entry end with a NULL string.
//
// [WriteSQL] prints the schema as pg_restore -s prints it. [Session] gives the
// same statements one entry at a time, for a program that runs them.
//
// Nothing here is safe for concurrent use while an Archive is being changed.
package toc
