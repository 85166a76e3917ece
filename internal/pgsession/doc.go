// Package pgsession opens the connections that a backup reads through: it finds
// out whether the server can be backed up at all (the doctor), takes the
// advisory lock, locks the tables before the snapshot is taken, exports the
// snapshot to workers, keeps it alive, and gives way when it blocks others for
// too long.
//
// A [Session] is one leader connection, whose transaction holds the locks and
// the snapshot, one small connection that watches whom the locks block, and any
// number of [Worker] connections that read in the same snapshot.
//
// Credentials come from the usual sources of pgx: the connection string, the
// PG* variables, .pgpass, the service file, client certificates.
package pgsession
