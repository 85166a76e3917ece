// Package verify proves that a backup restores.
//
// [Verifier.Integrity] reads every object of a set and holds it against the
// set's own records: sizes, checksums, decompression, rows and digests.
// [Verifier.Compare] holds a database against a set: every table row for row,
// every sequence, every large object and the schema's text.
//
// A [Report] says what was proven, what differs, and what rests on less than a
// proof; nothing is passed over in silence.
package verify
