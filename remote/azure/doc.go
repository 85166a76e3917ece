// Package azure keeps backups in Azure Blob Storage: a [Sink] is a folder of a
// container.
//
// [New] takes a client of the program's own, [Open] makes one with credentials
// from the environment, and [OpenURL] reads all else from a URL.
//
// What the store does, and what of it Azurite 3.37, in which this package is
// tested, does as well. The names in parentheses are operations of Microsoft's
// "Blob Storage REST API" reference, which says so.
//
//	                        Azure, documented                  Azurite, measured
//	object visible at once  yes (Put Blob, Put Block List)     yes
//	create if absent        yes (Conditional headers)          yes
//	checksum of an object   MD5 and CRC64 (Put Blob)           MD5
//	checksum of a block     CRC64 (Put Block)                  CRC64
//	checksum sent           checked (Put Blob)                 checked
//	listing                 in name order (List Blobs), but    in name order
//	                        not with a hierarchical namespace
//	access tier             yes (Put Blob)                     recorded
//	immutability policy     yes, with version-level            ignored
//	                        immutability (Put Blob)
//	encryption scope        yes (Put Blob)                     ignored
//	customer key            yes, over https (Put Blob)         refused
//
// # Checksums
//
// An object that fits one part is sent with its CRC64, so that the store refuses
// what was damaged on the way before it replaces anything; that of what it
// stored it answers as MD5, which was not sent. Blocks are sent without, and
// the CRC64 that the store answers is compared before they become an object,
// whose size is asked for then. Where a checksum is missing from an answer,
// [remote.Object.Checked] is false.
//
// # Leftovers
//
// Blocks of a Put that failed or died are invisible and cannot be read, but are
// paid for. Azure drops them when their name is stored again, or a week after
// the last of them (Put Block). A Sink does not remove them: the one request
// that would is to store an empty object under their name, which readers would
// see, and a Put at work would lose its blocks.
//
// # Limits
//
// Accounts with a hierarchical namespace (Data Lake Storage) cannot be used:
// they list in another order, and keep folders among the objects; List fails
// there. Names whose elements end in a dot are for other sinks: Azure's
// "Naming and Referencing Containers, Blobs, and Metadata" warns of them. What
// is deleted is kept, and paid for, as long as the account's soft delete and
// versions say.
package azure
