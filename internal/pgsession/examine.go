package pgsession

import (
	"fmt"
	"slices"
)

// examine learns what the server is and whether it can be backed up at all.
func (s *Session) examine() error {
	i := &s.info
	var control bool
	err := s.leader.QueryRow(s.ctx, `
		SELECT pg_catalog.current_setting('server_version_num')::int4, pg_catalog.current_setting('server_version'),
			pg_catalog.pg_postmaster_start_time(), d.datname, d.oid, pg_catalog.pg_is_in_recovery(),
			pg_catalog.current_setting('server_encoding'), pg_catalog.current_setting('client_encoding'),
			pg_catalog.current_setting('lc_monetary'), r.rolname, r.rolsuper,
			pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
			AND pg_catalog.has_function_privilege('pg_catalog.pg_control_checkpoint()', 'EXECUTE')
			AND pg_catalog.has_function_privilege('pg_catalog.pg_control_recovery()', 'EXECUTE')
		FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
		WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user`).
		Scan(&i.Version, &i.VersionText, &i.Started, &i.Database, &i.DatabaseOID, &i.Standby,
			&i.Encoding, &i.ClientEncoding, &i.LCMonetary, &i.User, &i.Superuser, &control)
	if err != nil {
		return fmt.Errorf("asking what the server is: %w", err)
	}
	if found := checkVersion(i.Version, i.VersionText); found != nil {
		return &DoctorError{Findings: found}
	}
	if control {
		// The timeline of the last checkpoint is old for a while after a
		// promotion; the name of the WAL file in use is not.
		err := s.leader.QueryRow(s.ctx, `
			SELECT s.system_identifier::text, CASE WHEN pg_catalog.pg_is_in_recovery()
				THEN GREATEST(c.timeline_id, r.min_recovery_end_timeline)
				ELSE ('x' || pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8))::bit(32)::int4 END
			FROM pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c, pg_catalog.pg_control_recovery() r`).
			Scan(&i.SystemID, &i.Timeline)
		if err != nil {
			return fmt.Errorf("asking for the system identifier and timeline: %w", err)
		}
	}
	list, err := warnings(s.ctx, s.leader)
	for _, w := range list {
		s.warn(w)
	}
	return err
}

// examineRelations gathers all that forbids to back up these tables.
func (s *Session) examineRelations(rels []Relation) error {
	found, err := checkRelations(s.ctx, s.leader, &s.info, rels)
	if err != nil {
		return err
	}
	full, warning, err := checkLockTable(s.ctx, s.leader, len(rels))
	if err != nil {
		return err
	}
	if warning != "" {
		s.warn(warning)
	}
	found = append(found, full...)
	if s.opts.Deferrable && s.info.Standby {
		found = append(found, Finding{
			What: "a standby has no SERIALIZABLE transactions",
			Way:  "leave Deferrable off, or back up from the primary",
		})
	}
	if found != nil {
		return &DoctorError{Findings: found}
	}
	return nil
}

func (s *Session) warn(text string) {
	if !slices.Contains(s.warnings, text) {
		s.warnings = append(s.warnings, text)
		s.log.Warn(text)
	}
}
