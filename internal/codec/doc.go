// Package codec turns the rows of a table into the bytes of a stored object,
// and back.
//
// Writing, from the server to the sink:
//
//	COPY messages -> RowWriter (count, digest) -> Writer (compress, encrypt, sha256, sizes) -> sink
//
// Reading, from the sink to the server or to a proof:
//
//	sink -> Reader (sha256, sizes, decrypt, decompress) -> RowReader (count, digest, terminator) -> COPY
//
// Everything streams: memory does not depend on the length of an object, nor
// on that of a row. Writer, Reader, RowWriter and RowReader are each for one
// goroutine at a time; different ones may be used at once.
package codec
