package pgschema

import (
	"fmt"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// foreignWrapper is a foreign-data wrapper.
type foreignWrapper struct {
	object
	owner              string
	handler, validator string // regproc output, "-" is none
	options            string // OPTIONS list, or ""
}

// foreignServer is a foreign server with its user mappings.
type foreignServer struct {
	object
	owner        string
	typ, version string // "" is none
	wrapper      string
	options      string
	mappings     []userMapping
}

// userMapping is what a role, or "public", logs in to a foreign server with.
type userMapping struct{ User, Options string }

var (
	_ dumpable = (*foreignWrapper)(nil)
	_ dumpable = (*foreignServer)(nil)
)

// optionList is SQL for an OPTIONS list out of a catalog's array; an empty text for none.
func optionList(column string) string {
	return `pg_catalog.array_to_string(ARRAY(
		SELECT pg_catalog.quote_ident(option_name) || ' ' || pg_catalog.quote_literal(option_value)
		FROM pg_catalog.pg_options_to_table(` + column + `) ORDER BY option_name), E',\n    ')`
}

// readForeignServers registers foreign-data wrappers and servers.
func (r *reader) readForeignServers() error {
	wrappers, err := query[struct {
		OID                         uint32
		Name                        string
		Owner                       uint32
		Handler, Validator, Options string
	}](r, "foreign-data wrappers", `
		SELECT oid, fdwname, fdwowner, fdwhandler::pg_catalog.regproc::pg_catalog.text,
		       fdwvalidator::pg_catalog.regproc::pg_catalog.text, `+optionList("fdwoptions")+`
		FROM pg_catalog.pg_foreign_data_wrapper`)
	if err != nil {
		return err
	}
	for _, row := range wrappers {
		w := &foreignWrapper{
			object: object{kind: kindFDW, cat: catalogID{pgFDW, row.OID}, name: row.Name},
			owner:  r.roles[row.Owner], handler: row.Handler, validator: row.Validator, options: row.Options,
		}
		r.add(w)
		r.selectObject(&w.object)
	}
	servers, err := query[struct {
		OID                             uint32
		Name                            string
		Owner                           uint32
		Type, Version, Wrapper, Options string
	}](r, "foreign servers", `
		SELECT s.oid, s.srvname, s.srvowner, coalesce(s.srvtype, ''), coalesce(s.srvversion, ''), w.fdwname,
		       `+optionList("s.srvoptions")+`
		FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw`)
	if err != nil {
		return err
	}
	for _, row := range servers {
		s := &foreignServer{
			object: object{kind: kindForeignServer, cat: catalogID{pgForeignServer, row.OID}, name: row.Name},
			owner:  r.roles[row.Owner], typ: row.Type, version: row.Version, wrapper: row.Wrapper, options: row.Options,
		}
		r.add(s)
		r.selectObject(&s.object)
	}
	return r.readUserMappings()
}

// readUserMappings reads the public view: it hides the options, which hold
// passwords, of mappings that the connected role has no business with.
func (r *reader) readUserMappings() error {
	rows, err := query[struct {
		Server  uint32
		Unknown bool // no options, or hidden ones
		userMapping
	}](r, "user mappings", `
		SELECT srvid, umoptions IS NULL, usename, `+optionList("umoptions")+`
		FROM pg_catalog.pg_user_mappings ORDER BY srvid, usename`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		s := find[*foreignServer](r, pgForeignServer, row.Server)
		s.mappings = append(s.mappings, row.userMapping)
		if row.Unknown && !r.super && s.has(compUserMap) {
			r.schema.Warnings = append(r.schema.Warnings, fmt.Sprintf(
				"user mapping for %s on server %s: has no options, or only a superuser sees them", row.User, s.name))
		}
	}
	return nil
}

// optionsClause is an OPTIONS list with what stands around it.
func optionsClause(options string) string {
	if options == "" {
		return ""
	}
	return " OPTIONS (\n    " + options + "\n)"
}

func (w *foreignWrapper) emit(e *emitter) {
	name := e.r.ident(w.name)
	if w.has(compDefinition) {
		defn := "CREATE FOREIGN DATA WRAPPER " + name
		if w.handler != "-" {
			defn += " HANDLER " + w.handler
		}
		if w.validator != "-" {
			defn += " VALIDATOR " + w.validator
		}
		e.object(&w.object, entryOpts{
			tag: w.name, desc: "FOREIGN DATA WRAPPER", section: toc.SectionPreData, owner: w.owner,
			defn: defn + optionsClause(w.options) + ";\n",
			drop: "DROP FOREIGN DATA WRAPPER " + name + ";\n",
		})
	}
	e.comment(&w.object, "FOREIGN DATA WRAPPER", name, w.owner)
	e.acl(&w.object, "FOREIGN DATA WRAPPER", name, w.owner)
}

func (s *foreignServer) emit(e *emitter) {
	name := e.r.ident(s.name)
	if s.has(compDefinition) {
		defn := "CREATE SERVER " + name
		if s.typ != "" {
			defn += " TYPE " + literal(s.typ)
		}
		if s.version != "" {
			defn += " VERSION " + literal(s.version)
		}
		e.object(&s.object, entryOpts{
			tag: s.name, desc: "SERVER", section: toc.SectionPreData, owner: s.owner,
			defn: defn + " FOREIGN DATA WRAPPER " + e.r.ident(s.wrapper) + optionsClause(s.options) + ";\n",
			drop: "DROP SERVER " + name + ";\n",
		})
	}
	e.comment(&s.object, "SERVER", name, s.owner)
	e.acl(&s.object, "FOREIGN SERVER", name, s.owner)
	if !s.has(compUserMap) {
		return
	}
	for _, m := range s.mappings {
		target := "USER MAPPING FOR " + e.r.mappedUser(m.User) + " SERVER " + name
		e.follow(entryOpts{
			tag: "USER MAPPING " + m.User + " SERVER " + s.name, desc: "USER MAPPING",
			section: toc.SectionPreData, owner: s.owner,
			defn: "CREATE " + target + optionsClause(m.Options) + ";\n",
			drop: "DROP " + target + ";\n",
		})
	}
}

// mappedUser is the role of a mapping as SQL names it; "public" is every role.
func (r *reader) mappedUser(user string) string {
	if user != "public" {
		r.useRole(user)
	}
	return r.ident(user)
}
