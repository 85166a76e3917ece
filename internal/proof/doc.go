// Package proof holds what was stored, and what was restored, against what a
// set's manifest and contents.json say of it.
//
// It is the one reader of a set's objects: nothing comes out of it that does
// not have the size and sha256 of the manifest, and the digest of a live table
// is computed here in the same way as the backup computed it.
package proof
