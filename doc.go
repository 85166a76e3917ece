// Package pgcofre is the map of a library that backs up PostgreSQL databases
// from inside Go programs, without PostgreSQL's client programs. It holds no
// code; import the packages below it.
//
// To take a backup:
//
//   - [github.com/assist-move-assist/pgcofre/backup]: Run takes one backup, a
//     Dumper is the database that it is taken of, an Incremental the same with
//     what changed since the last one.
//   - [github.com/assist-move-assist/pgcofre/remote]: RemoteSink is where
//     backups live, Dir is a local folder; packages s3, gcs and azure below it
//     are object stores.
//
// To bring one back, and to know that it can be:
//
//   - [github.com/assist-move-assist/pgcofre/restore]: a Restorer plans a
//     restore, then applies it.
//   - [github.com/assist-move-assist/pgcofre/verify]: a Verifier reads a backup
//     back, and compares a restored database with it row for row.
//   - [github.com/assist-move-assist/pgcofre/verify/scratch]: throw-away servers
//     and databases to restore into.
//
// To delete what is too old:
//
//   - [github.com/assist-move-assist/pgcofre/retention]: a RetentionPolicy says
//     what to keep, Clean deletes the rest.
//
// To read what is stored:
//
//   - [github.com/assist-move-assist/pgcofre/backup/manifest]: which backups
//     there are, and what one holds; Sync brings one sink up to another.
//     FORMAT.md beside it describes every byte.
//   - [github.com/assist-move-assist/pgcofre/backup/toc]: the table of contents
//     of PostgreSQL's own archive format, read and written.
//   - [github.com/assist-move-assist/pgcofre/remote/remotetest]: the tests that
//     every RemoteSink must pass.
//
// The programs in examples show them at work; begin with
//
//	go run ./examples/quickstart
package pgcofre
