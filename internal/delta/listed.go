package delta

import "fmt"

// ListedSQL is the condition that a row is in a listed bucket. It names the
// columns of the key alone, without their table.
func (t Table) ListedSQL(listed Bitmap) string {
	// Bits of a bytea are numbered as those of a Bitmap are.
	return fmt.Sprintf(`pg_catalog.get_bit('\x%x'::pg_catalog.bytea, pg_catalog.int4(%s)) = 1`, []byte(listed), t.bucket())
}
