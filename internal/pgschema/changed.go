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

// checkSchemaNames refuses a schema that was renamed since the snapshot: no
// lock prevents that, and what the server's functions wrote names it as it is
// called by now. The text of a regnamespace is of now; it is a number if the
// schema is gone.
func (r *reader) checkSchemaNames() error {
	rows, err := query[struct{ Then, Now string }](r, "names of schemas", `
		SELECT pg_catalog.quote_ident(nspname), pg_catalog.format('%s', oid::regnamespace) FROM pg_catalog.pg_namespace
		WHERE pg_catalog.format('%s', oid::regnamespace) NOT IN (pg_catalog.quote_ident(nspname), oid::text)
		ORDER BY 1 LIMIT 1`)
	if err != nil || len(rows) == 0 {
		return err
	}
	return fmt.Errorf("schema %s was renamed to %s while it was read; run the backup again", rows[0].Then, rows[0].Now)
}
