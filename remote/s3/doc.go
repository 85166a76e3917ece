// Package s3 keeps objects in a bucket of AWS S3 or of a store that speaks its
// protocol.
//
// [Open] and [OpenURL] make their client from the environment, as the AWS tools
// do. A program that has a client already, with its own credentials, HTTP client
// or tracing, gives it to [New].
//
// # Integrity
//
// Every request that carries data is signed with the data's SHA-256, which
// stores check. After that, Put asks what the store holds: another size is an
// error, and so is a CRC64NVME that the store computed, unasked, and that
// differs. An equal one makes the object Checked, and where there is none an
// ETag does that is the MD5 of what was sent, or of its parts' MD5s.
//
// # Permissions
//
// On AWS S3: s3:ListBucket and s3:ListBucketMultipartUploads for the bucket;
// s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and
// s3:ListMultipartUploadParts for its objects; with a [Lock]
// s3:PutObjectRetention. To restore and verify, s3:ListBucket and s3:GetObject
// are enough.
// Without s3:ListBucket a missing object looks like a forbidden one.
//
// # Stores
//
// What stores do with what this package asks for: "yes" and "no" was measured by
// this package's tests, or is documented by the vendor where a number follows.
// "ask" means that the vendor does not say; remotetest.Probe finds out.
//
//	                              AWS S3    versitygw 1.8  MinIO    R2       Supabase
//	second exclusive Put refused  yes [1]   yes            yes [2]  yes [3]  ask
//	  and of several parts        yes [1]   yes            yes [4]  yes [3]  ask
//	CRC64NVME computed unasked    yes [5]   yes            no [6]   ask      ask
//	ETag made of MD5s             yes [7]   yes            ask      yes [8]  ask
//	object lock                   yes [9]   yes            yes [2]  no [10]  no [11]
//	uploads listed by prefix      yes       yes            no [2]   ask      ask
//	lists in the order of names   yes [12]  yes            ask      ask      ask
//
//	[1]  https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
//	[2]  https://docs.min.io/enterprise/aistor-object-store/developers/s3-api-compatibility
//	[3]  https://developers.cloudflare.com/r2/api/s3/conditional-operations/
//	[4]  https://github.com/minio/minio/pull/19713
//	[5]  https://docs.aws.amazon.com/AmazonS3/latest/API/API_Checksum.html
//	[6]  https://github.com/irods/irods_resource_plugin_s3/issues/2285, a user's finding
//	[7]  https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html; not under
//	     SSE-KMS or SSE-C, nor in directory buckets
//	[8]  https://developers.cloudflare.com/r2/objects/multipart-objects/; all parts
//	     but the last must be equal, which ends at the 9,000th: see Options.PartSize
//	[9]  https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
//	[10] https://developers.cloudflare.com/r2/api/s3/api/; R2 has bucket locks of its own
//	[11] https://supabase.com/docs/guides/storage/s3/compatibility
//	[12] https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html; not in
//	     directory buckets, which this package refuses to list
//
// A bucket with a default retention takes from this package only objects that
// have a [Lock]: S3 wants their MD5 in advance, which is sent with a lock alone.
//
// versitygw ignores storage classes, and keeps objects as files: with "a/b" there
// "a" cannot be stored, as in [remote.Dir].
package s3
