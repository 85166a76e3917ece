// Package s3 keeps objects in a bucket of AWS S3 or of a store that speaks its
// protocol.
package s3
