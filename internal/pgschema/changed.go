package pgschema

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// lostOID finds the OID in "could not open relation with OID 123" and "cache
// lookup failed for relation 123".
var lostOID = regexp.MustCompile(`\b\d+\b`)

// changed explains the error of a query whose functions read the catalogs as
// they are now, where the rows are those of the snapshot: something that no
// lock holds, a view or a function, is gone by now.
func (r *reader) changed(err error) error {
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "XX000" { // internal_error
		return err
	}
	what := "an object"
	if oid, err := strconv.ParseUint(lostOID.FindString(pgErr.Message), 10, 32); err == nil {
		if t := find[*table](r, pgClass, uint32(oid)); t != nil {
			what = t.class() + " " + r.qualified(t.schema(), t.name)
		}
	}
	return fmt.Errorf("%s was dropped while it was read; run the backup again: %w", what, err)
}
