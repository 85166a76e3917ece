package delta

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// HashError says that a server's hashes are not to be had, or are others than
// ours, so that deletes cannot be found there.
type HashError struct {
	Why string
	Err error // of the server, or nil
}

func (e *HashError) Error() string {
	if e.Err != nil {
		return e.Why + ": " + e.Err.Error()
	}
	return e.Why
}

func (e *HashError) Unwrap() error { return e.Err }

// CheckHash runs the functions that the queries of this package call, and
// compares what they return. What does not fit is a [*HashError]: a function
// that the role may not execute, a big-endian machine, or one whose C library
// takes bytes of other characters for space, as that of macOS does, and on
// which the text of a row so has quotes where others write none.
func CheckHash(ctx context.Context, conn *pgx.Conn) error {
	const probe = "The quick brown fox jumps over the lazy dog"
	const seed, number = -81985529216486896, -1234567890123456789
	const id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
	var text, integer, uuid, record int64
	var other int
	err := conn.QueryRow(ctx, fmt.Sprintf(`SELECT
		pg_catalog.hashtextextended('%[1]s'::pg_catalog.text COLLATE pg_catalog."C", %[2]d),
		pg_catalog.hashint8extended(%[3]d, %[3]d # %[2]d),
		pg_catalog.uuid_hash_extended('%[4]s'::pg_catalog.uuid, %[2]d),
		pg_catalog.hashtextextended(pg_catalog.textin(pg_catalog.record_out(ROW('%[1]s'::pg_catalog.text, NULL))) COLLATE pg_catalog."C", 0),
		(SELECT pg_catalog.count(*) FROM pg_catalog.generate_series(128, 255) i
			WHERE pg_catalog.getdatabaseencoding() = 'UTF8'
			AND pg_catalog.octet_length(pg_catalog.textin(pg_catalog.record_out(ROW(pg_catalog.chr(i))))) <> 4)
		WHERE pg_catalog.hashint8(pg_catalog.age('3'::pg_catalog.xid)) IS NOT NULL
			AND pg_catalog.get_bit('\x00'::pg_catalog.bytea, 7) IS NOT NULL`,
		probe, seed, number, id)).Scan(&text, &integer, &uuid, &record, &other)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && (refused.Code == "42501" || refused.Code == "42883") { // insufficient_privilege, undefined_function
		return &HashError{"the server does not hash keys for this role: grant it EXECUTE on the function", err}
	}
	if err != nil {
		return fmt.Errorf("comparing the server's hashes: %w", err)
	}
	s := int64(seed)
	raw, _ := hashField(UUID, uint64(s), []byte(id))
	switch {
	case uint64(text) != Hash(uint64(s), []byte(probe)), uint64(integer) != hashInteger(uint64(s), number), uint64(uuid) != raw:
		return &HashError{Why: "the server hashes keys in another way, as big-endian machines do"}
	case other > 0 || uint64(record) != Hash(0, RecordText([][]byte{[]byte(probe), nil})):
		return &HashError{Why: "the server takes bytes of other characters for space, as macOS does: create the database with LC_CTYPE C"}
	}
	return nil
}
