package pgschema

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// checkReadable names all sequences and large objects whose content the role
// may not read: tables are examined when they are locked.
func (r *reader) checkReadable() error {
	var sequences []string
	denied, err := query[struct{ OID uint32 }](r, "privileges on sequences", `
		SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relkind = 'S'
		AND NOT (pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND pg_catalog.has_sequence_privilege(c.oid, 'SELECT'))
		ORDER BY c.oid`)
	if err != nil {
		return err
	}
	for _, row := range denied {
		if t := find[*table](r, pgClass, row.OID); t != nil && t.data != nil {
			sequences = append(sequences, pgsession.QuoteIdent(t.schema(), t.name))
		}
	}
	objects, err := r.deniedLargeObjects()
	if err != nil {
		return err
	}
	role := pgsession.QuoteIdent(r.user)
	var found []pgsession.Finding
	for _, kind := range []struct {
		what, sql, more string
		names           []string
	}{
		{"sequences", "SEQUENCE", " and USAGE on their schemas, or exclude them", sequences},
		{"large objects", "LARGE OBJECT", ", or connect as their owner or a superuser", objects},
	} {
		if len(kind.names) > 0 {
			names := strings.Join(kind.names, ", ")
			found = append(found, pgsession.Finding{
				What: fmt.Sprintf("role %s may not read %d %s: %s", role, len(kind.names), kind.what, names),
				Way:  fmt.Sprintf("GRANT SELECT ON %s %s TO %s%s", kind.sql, names, role, kind.more),
			})
		}
	}
	if found != nil {
		return &pgsession.DoctorError{Findings: found}
	}
	return nil
}

// deniedLargeObjects lists OIDs. The server has no function to ask until 18.
func (r *reader) deniedLargeObjects() (oids []string, err error) {
	if r.super || !r.filter.everything() {
		return nil, nil
	}
	rows, err := query[struct{ OID string }](r, "privileges on large objects", `
		SELECT pg_catalog.format('%s', m.oid) FROM pg_catalog.pg_largeobject_metadata m
		WHERE pg_catalog.current_setting('lo_compat_privileges') = 'off' AND NOT EXISTS (
			SELECT FROM pg_catalog.aclexplode(COALESCE(m.lomacl, pg_catalog.acldefault('L', m.lomowner))) a
			WHERE a.privilege_type = 'SELECT' AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
		ORDER BY m.oid`)
	for _, row := range rows {
		oids = append(oids, row.OID)
	}
	return oids, err
}
