package pgschema

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// database is what CREATE DATABASE and ALTER DATABASE say of the database.
type database struct {
	databaseRow
	owner    string
	settings []roleSettings // first those for every role
	labels   []label
}

type databaseRow struct {
	OID             uint32
	Name            string
	Owner           uint32
	Encoding        string
	Collate, CType  string
	Provider        byte
	Locale, Rules   *string // of providers other than libc
	Template        bool
	ConnectionLimit int
	Tablespace      string
	Comment         string // without the mark of an unfinished restore
	ACL             *string
	DefaultACL      string
}

// roleSettings are parameters set for one role in the database, or for all
// (role "").
type roleSettings struct {
	Role   string
	Config texts
}

// readDatabase reads the database's own properties.
func (r *reader) readDatabase() error {
	// Providers came in 15, rules in 16; 17 renamed daticulocale.
	provider, locale, rules := "datlocprovider", "datlocale", "daticurules"
	switch {
	case r.major < 15:
		provider, locale, rules = `'c'::"char"`, "NULL::text", "NULL::text"
	case r.major < 16:
		locale, rules = "daticulocale", "NULL::text"
	case r.major < 17:
		locale = "daticulocale"
	}
	rows, err := query[databaseRow](r, "the database", `
		SELECT oid, datname, datdba, pg_catalog.pg_encoding_to_char(encoding),
		       datcollate::text, datctype::text, `+provider+`, `+locale+`, `+rules+`,
		       datistemplate, datconnlimit,
		       (SELECT spcname FROM pg_catalog.pg_tablespace t WHERE t.oid = dattablespace),
		       coalesce(pg_catalog.shobj_description(oid, 'pg_database'), ''),
		       datacl, pg_catalog.acldefault('d', datdba)
		FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()`)
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("pg_database has %d rows for the current database", len(rows))
	}
	d := &database{databaseRow: rows[0], owner: r.roles[rows[0].Owner]}
	r.schema.Unfinished, d.Comment = CutUnfinished(d.Comment)
	r.database = d

	if d.settings, err = query[roleSettings](r, "settings of the database", `
		SELECT '', setconfig FROM pg_catalog.pg_db_role_setting WHERE setrole = 0 AND setdatabase = $1
		UNION ALL
		SELECT rolname, setconfig FROM pg_catalog.pg_db_role_setting s, pg_catalog.pg_roles r
		WHERE setrole = r.oid AND setdatabase = $1`, d.OID); err != nil {
		return err
	}
	labels, err := query[struct{ Provider, Text string }](r, "security labels of the database", `
		SELECT provider, label FROM pg_catalog.pg_shseclabel
		WHERE classoid = 'pg_catalog.pg_database'::pg_catalog.regclass AND objoid = $1`, d.OID)
	if err != nil {
		return err
	}
	for _, l := range labels {
		d.labels = append(d.labels, label{provider: l.Provider, text: l.Text})
	}
	return r.readSettings()
}

// readSettings notes what a new database needs to hold the same data.
func (r *reader) readSettings() error {
	d, s := r.database, &r.schema.Settings
	*s = Settings{
		Encoding: d.Encoding, Collate: d.Collate, CType: d.CType,
		LocaleProvider: localeProviders[d.Provider],
	}
	if d.Locale != nil {
		s.Locale = *d.Locale
	}
	if d.Rules != nil {
		s.ICURules = *d.Rules
	}
	err := r.conn.QueryRow(r.ctx, `
		SELECT pg_catalog.current_setting('client_encoding'), pg_catalog.current_setting('lc_monetary')`,
	).Scan(&s.ClientEncoding, &s.LCMonetary)
	if err != nil {
		return fmt.Errorf("reading the session's settings: %w", err)
	}
	return nil
}

// database appends the entries that pg_restore -C runs.
func (e *emitter) database() {
	d := e.r.database
	name := e.r.ident(d.Name)
	id := e.r.newID()
	e.entry(id, catalogID{pgDatabase, d.OID}, entryOpts{
		tag: d.Name, desc: "DATABASE", section: toc.SectionPreData, owner: d.owner,
		defn: "CREATE DATABASE " + name + " WITH TEMPLATE = template0" + d.options(e.r) + ";\n",
		drop: "DROP DATABASE " + name + ";\n",
	})
	follow := func(desc, sql string) {
		if sql != "" {
			e.follow(entryOpts{
				tag: "DATABASE " + name, desc: desc, section: toc.SectionNone, owner: d.owner,
				defn: sql, deps: []int{id},
			})
		}
	}
	if d.Comment != "" {
		follow("COMMENT", "COMMENT ON DATABASE "+name+" IS "+literal(d.Comment)+";\n")
	}
	var labels strings.Builder
	for _, l := range d.labels {
		labels.WriteString("SECURITY LABEL FOR " + e.r.ident(l.provider) + " ON DATABASE " + name +
			" IS " + escapeLiteral(l.text) + ";\n")
	}
	follow("SECURITY LABEL", labels.String())
	e.privileges(&privileges{acl: d.ACL, base: d.DefaultACL},
		aclTarget{typ: "DATABASE", name: name, owner: d.owner}, "DATABASE "+name, id)

	create, drop := d.properties(e.r)
	if create != "" {
		entry := e.follow(entryOpts{
			tag: d.Name, desc: "DATABASE PROPERTIES", section: toc.SectionPreData, owner: d.owner,
			defn: create,
		})
		entry.Drop = toc.T(drop) // pg_dump writes it even where it is empty
	}
}

// options are what cannot be changed after CREATE DATABASE.
func (d *database) options(r *reader) string {
	s := " ENCODING = " + literal(d.Encoding)
	if r.major >= 15 {
		s += " LOCALE_PROVIDER = " + localeProviders[d.Provider]
	}
	if d.Collate == d.CType {
		s += " LOCALE = " + literal(d.Collate)
	} else {
		s += " LC_COLLATE = " + literal(d.Collate) + " LC_CTYPE = " + literal(d.CType)
	}
	switch {
	case d.Locale == nil:
	case d.Provider == 'b':
		s += " BUILTIN_LOCALE = " + literal(*d.Locale)
	default:
		s += " ICU_LOCALE = " + literal(*d.Locale)
	}
	if d.Rules != nil {
		s += " ICU_RULES = " + literal(*d.Rules)
	}
	if d.Tablespace != "pg_default" {
		s += " TABLESPACE = " + r.ident(d.Tablespace)
	}
	return s
}

// properties are the statements that can only be run inside the new database,
// or not in one transaction with its creation; drop undoes what would keep the
// database from being dropped.
func (d *database) properties(r *reader) (create, drop string) {
	name := r.ident(d.Name)
	if d.ConnectionLimit != -1 {
		create += "ALTER DATABASE " + name + " CONNECTION LIMIT = " + strconv.Itoa(d.ConnectionLimit) + ";\n"
	}
	if d.Template {
		create += "ALTER DATABASE " + name + " IS_TEMPLATE = true;\n"
		drop = "UPDATE pg_catalog.pg_database SET datistemplate = false WHERE datname = " + literal(d.Name) + ";\n"
	}
	for _, s := range d.settings {
		head := "ALTER DATABASE " + name
		if s.Role != "" {
			head = "ALTER ROLE " + r.ident(r.useRole(s.Role)) + " IN DATABASE " + name
		}
		create += r.alterSettings(head, s.Config)
	}
	return create, drop
}
