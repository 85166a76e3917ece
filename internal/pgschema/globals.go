package pgschema

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Globals is the SQL that makes again what the database shares with others in
// its cluster: roles with their memberships and settings, the privileges on
// parameters (15 and later), tablespaces. It says what pg_dumpall
// --globals-only would; like there, a role that exists already makes one
// statement fail, and the rest sets it right. Roles whose names begin with pg_
// are the server's own and left out. Passwords are hashes, and are there only
// if the connected role may read pg_authid.
func Globals(ctx context.Context, conn *pgx.Conn) (string, error) {
	r, err := newReader(ctx, conn, nil)
	if err != nil {
		return "", err
	}
	var sql strings.Builder
	sql.WriteString("SET default_transaction_read_only = off;\nSET client_encoding = " +
		literal(conn.PgConn().ParameterStatus("client_encoding")) +
		";\nSET standard_conforming_strings = on;\n")
	for _, part := range []struct {
		title string
		text  func() (string, error)
	}{
		{"", noText(r.readRoles)},
		{"", noText(r.readKeywords)},
		{"Roles", r.globalRoles},
		{"Settings of roles", r.globalRoleSettings},
		{"Memberships", r.globalMemberships},
		{"Privileges on parameters", r.globalParameters},
		{"Tablespaces", r.globalTablespaces},
	} {
		text, err := part.text()
		if err != nil {
			return "", err
		}
		if text != "" {
			sql.WriteString("\n--\n-- " + part.title + "\n--\n\n" + text)
		}
	}
	return sql.String(), nil
}

// noText is a step that writes nothing.
func noText(step func() error) func() (string, error) {
	return func() (string, error) { return "", step() }
}

// globalRoles creates the roles. CREATE and ALTER are two statements, so that
// a role that exists gets its attributes all the same.
func (r *reader) globalRoles() (string, error) {
	catalog, password := "pg_catalog.pg_roles", "NULL::text"
	var readable bool
	err := r.conn.QueryRow(r.ctx,
		`SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')`).Scan(&readable)
	if err != nil {
		return "", fmt.Errorf("asking for privileges on pg_authid: %w", err)
	}
	if readable {
		catalog, password = "pg_catalog.pg_authid", "rolpassword"
	}
	rows, err := query[struct {
		OID                                                      uint32
		Name                                                     string
		Super, Inherit, CreateRole, CreateDB, Login, Replication bool
		BypassRLS                                                bool
		Limit                                                    int
		Password, ValidUntil, Comment                            *string
	}](r, "roles", `
		SELECT oid, rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication,
		       rolbypassrls, rolconnlimit, `+password+`, rolvaliduntil::text,
		       pg_catalog.shobj_description(oid, 'pg_authid')
		FROM `+catalog+`
		WHERE rolname !~ '^pg_' ORDER BY rolname`)
	if err != nil {
		return "", err
	}
	labels, err := r.sharedLabels("pg_authid")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, row := range rows {
		name := r.ident(row.Name)
		fmt.Fprintf(&b, "CREATE ROLE %s;\nALTER ROLE %s WITH", name, name)
		for _, attribute := range []struct {
			has  bool
			name string
		}{
			{row.Super, "SUPERUSER"}, {row.Inherit, "INHERIT"}, {row.CreateRole, "CREATEROLE"},
			{row.CreateDB, "CREATEDB"}, {row.Login, "LOGIN"}, {row.Replication, "REPLICATION"},
			{row.BypassRLS, "BYPASSRLS"},
		} {
			if attribute.has {
				b.WriteString(" " + attribute.name)
			} else {
				b.WriteString(" NO" + attribute.name)
			}
		}
		if row.Limit != -1 {
			b.WriteString(" CONNECTION LIMIT " + strconv.Itoa(row.Limit))
		}
		if row.Password != nil {
			b.WriteString(" PASSWORD " + escapeLiteral(*row.Password))
		}
		if row.ValidUntil != nil {
			b.WriteString(" VALID UNTIL '" + *row.ValidUntil + "'")
		}
		b.WriteString(";\n")
		if row.Comment != nil {
			fmt.Fprintf(&b, "COMMENT ON ROLE %s IS %s;\n", name, escapeLiteral(*row.Comment))
		}
		for _, l := range labels[row.OID] {
			fmt.Fprintf(&b, "SECURITY LABEL FOR %s ON ROLE %s IS %s;\n", r.ident(l.provider), name, escapeLiteral(l.text))
		}
	}
	return b.String(), nil
}

// sharedLabels are the security labels of a shared catalog's objects, by OID.
func (r *reader) sharedLabels(catalog string) (map[uint32][]label, error) {
	rows, err := query[struct {
		OID            uint32
		Provider, Text string
	}](r, "security labels of "+catalog, `
		SELECT objoid, provider, label FROM pg_catalog.pg_shseclabel
		WHERE classoid = ('pg_catalog.' || $1)::pg_catalog.regclass ORDER BY objoid`, catalog)
	if err != nil {
		return nil, err
	}
	labels := make(map[uint32][]label)
	for _, row := range rows {
		labels[row.OID] = append(labels[row.OID], label{provider: row.Provider, text: row.Text})
	}
	return labels, nil
}

// globalRoleSettings are set after all roles are there: a setting may name one.
func (r *reader) globalRoleSettings() (string, error) {
	rows, err := query[roleSettings](r, "settings of roles", `
		SELECT r.rolname, s.setconfig
		FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
		WHERE s.setdatabase = 0 AND r.rolname !~ '^pg_' ORDER BY r.rolname`)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, row := range rows {
		b.WriteString(r.alterSettings("ALTER ROLE "+r.ident(row.Role), row.Config))
	}
	return b.String(), nil
}

// membership is one grant of a role to another.
type membership struct {
	Role, Member string
	Grantor      *string // nil when it is gone
	GrantorOID   uint32
	Admin        bool
	Inherit, Set bool // 16 and later
}

// globalMemberships grants roles to roles. Since 16 a grantor must have been
// given the role with ADMIN OPTION before it can be named, unless it is the
// bootstrap superuser: the grants of one role are ordered by that. Before 16
// the server did not check grantors, and they are left out.
func (r *reader) globalMemberships() (string, error) {
	options := "true, true"
	if r.major >= 16 {
		options = "a.inherit_option, a.set_option"
	}
	rows, err := query[membership](r, "memberships", `
		SELECT ur.rolname, um.rolname, ug.rolname, a.grantor, a.admin_option, `+options+`
		FROM pg_catalog.pg_auth_members a
		JOIN pg_catalog.pg_roles ur ON ur.oid = a.roleid
		JOIN pg_catalog.pg_roles um ON um.oid = a.member
		LEFT JOIN pg_catalog.pg_roles ug ON ug.oid = a.grantor
		WHERE NOT (ur.rolname ~ '^pg_' AND um.rolname ~ '^pg_')
		ORDER BY 1, 2, 3`)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for len(rows) > 0 {
		n := 1
		for n < len(rows) && rows[n].Role == rows[0].Role {
			n++
		}
		if err := r.grantRole(&b, rows[:n]); err != nil {
			return "", err
		}
		rows = rows[n:]
	}
	return b.String(), nil
}

// grantRole writes the grants of one role in an order that the server accepts.
func (r *reader) grantRole(b *strings.Builder, grants []membership) error {
	admins := make(map[string]bool) // members that may be named as grantors
	for len(grants) > 0 {
		var later []membership
		for _, g := range grants {
			named := r.major >= 16 && g.Grantor != nil
			if named && g.GrantorOID != bootstrapSuperuser && !admins[*g.Grantor] {
				later = append(later, g)
				continue
			}
			if g.Admin {
				admins[g.Member] = true
			}
			b.WriteString("GRANT " + r.ident(g.Role) + " TO " + r.ident(g.Member) + r.grantOptions(g))
			if named {
				b.WriteString(" GRANTED BY " + r.ident(*g.Grantor))
			}
			b.WriteString(";\n")
		}
		if len(later) == len(grants) {
			return fmt.Errorf("the grants of role %s name grantors that do not have it with ADMIN OPTION", grants[0].Role)
		}
		grants = later
	}
	return nil
}

// grantOptions is the WITH clause of a grant.
func (r *reader) grantOptions(g membership) string {
	var options []string
	if g.Admin {
		options = append(options, "ADMIN OPTION")
	}
	if r.major >= 16 {
		options = append(options, "INHERIT "+strings.ToUpper(strconv.FormatBool(g.Inherit)))
		if !g.Set {
			options = append(options, "SET FALSE")
		}
	}
	if len(options) == 0 {
		return ""
	}
	return " WITH " + strings.Join(options, ", ")
}

// globalParameters grants what roles may do with configuration parameters.
func (r *reader) globalParameters() (string, error) {
	if r.major < 15 {
		return "", nil
	}
	rows, err := query[struct{ Name, Owner, ACL, Default string }](r, "privileges on parameters", `
		SELECT parname, pg_catalog.pg_get_userbyid(10), paracl, pg_catalog.acldefault('p', 10)
		FROM pg_catalog.pg_parameter_acl ORDER BY parname`)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, row := range rows {
		t := aclTarget{typ: "PARAMETER", name: r.ident(row.Name), owner: row.Owner}
		sql, err := r.aclCommands(t, row.ACL, row.Default)
		if err != nil {
			return "", err
		}
		b.WriteString(sql)
	}
	return b.String(), nil
}

// globalTablespaces creates the tablespaces; their folders must exist.
func (r *reader) globalTablespaces() (string, error) {
	rows, err := query[struct {
		OID                   uint32
		Name, Owner, Location string
		ACL                   *string
		Default               string
		Options, Comment      *string
	}](r, "tablespaces", `
		SELECT oid, spcname, pg_catalog.pg_get_userbyid(spcowner), pg_catalog.pg_tablespace_location(oid),
		       spcacl, pg_catalog.acldefault('t', spcowner),
		       pg_catalog.array_to_string(spcoptions, ', '), pg_catalog.shobj_description(oid, 'pg_tablespace')
		FROM pg_catalog.pg_tablespace WHERE spcname !~ '^pg_' ORDER BY oid`)
	if err != nil {
		return "", err
	}
	labels, err := r.sharedLabels("pg_tablespace")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, row := range rows {
		name := r.ident(row.Name)
		if !strings.HasPrefix(row.Location, "/") {
			row.Location = "" // inside the data directory (allow_in_place_tablespaces)
		}
		fmt.Fprintf(&b, "CREATE TABLESPACE %s OWNER %s LOCATION %s;\n", name, r.ident(row.Owner), escapeLiteral(row.Location))
		if row.Options != nil && *row.Options != "" {
			fmt.Fprintf(&b, "ALTER TABLESPACE %s SET (%s);\n", name, *row.Options)
		}
		if row.ACL != nil {
			sql, err := r.aclCommands(aclTarget{typ: "TABLESPACE", name: name, owner: row.Owner}, *row.ACL, row.Default)
			if err != nil {
				return "", err
			}
			b.WriteString(sql)
		}
		if row.Comment != nil && *row.Comment != "" {
			fmt.Fprintf(&b, "COMMENT ON TABLESPACE %s IS %s;\n", name, escapeLiteral(*row.Comment))
		}
		for _, l := range labels[row.OID] {
			fmt.Fprintf(&b, "SECURITY LABEL FOR %s ON TABLESPACE %s IS %s;\n", r.ident(l.provider), name, escapeLiteral(l.text))
		}
	}
	return b.String(), nil
}
