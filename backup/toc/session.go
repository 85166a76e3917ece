package toc

import (
	"fmt"
	"strings"
)

// SQLOptions are for [WriteSQL] and [NewSession]. The zero value prints what
// pg_restore of the newest major prints by default.
type SQLOptions struct {
	// Major is the PostgreSQL that is to run the statements, 13 to 18; 0 is 18.
	// The statements are those of that major's pg_restore.
	Major int
	// Create begins with creating the database and setting its properties, as
	// pg_restore -C.
	Create bool
	// NoOwner leaves all objects to the role that runs the statements, as
	// pg_restore -O.
	NoOwner bool
	// NoPrivileges leaves out privileges and default privileges, as pg_restore -x.
	NoPrivileges bool
	// RestrictKey, of letters and digits, puts psql into restricted mode, so that
	// nothing in the script can be a command to psql; psql of August 2025 and
	// later knows it, older ones fail on it. Empty: not. Only for WriteSQL.
	RestrictKey string
}

// Session says which statements one connection must run to bring back the
// entries of an archive. It knows the settings that its earlier answers made,
// so every connection needs a Session of its own, which sees every entry that
// the connection restores. It does not choose among the entries, except by
// what their statements are: see [Entry.IsSchema] and its neighbours for that.
type Session struct {
	archive *Archive
	opts    SQLOptions
	dialect dialect

	encoding   string
	conforming bool // standard_conforming_strings
	searchPath Text // NULL in archives before 1.13: set for each entry

	schema     string // the current settings; "" and NULL are unknown
	tablespace Text
	tableAM    string
}

// NewSession returns the session of a new connection. opts may be nil.
func NewSession(a *Archive, opts *SQLOptions) *Session {
	s := &Session{archive: a, encoding: "SQL_ASCII"}
	if opts != nil {
		s.opts = *opts
	}
	s.dialect = dialect(s.opts.Major)
	if s.dialect == 0 {
		s.dialect = NewestMajor
	}
	for _, e := range a.Entries {
		switch e.Desc {
		case "ENCODING":
			_, value, _ := strings.Cut(e.Defn.S, "'")
			s.encoding, _, _ = strings.Cut(value, "'")
		case "STDSTRINGS":
			s.conforming = strings.Contains(e.Defn.S, "'on'")
		case "SEARCHPATH":
			s.searchPath = e.Defn
		}
	}
	return s
}

// Settings returns the statements, one a line, that a connection runs first,
// and begins anew: call it for every connection that replaces the last one.
func (s *Session) Settings() string {
	s.schema, s.tablespace, s.tableAM = "", Text{}, ""
	var b strings.Builder
	b.WriteString("SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n")
	if s.dialect >= 17 {
		b.WriteString("SET transaction_timeout = 0;\n")
	}
	onOff := map[bool]string{true: "on", false: "off"}
	fmt.Fprintf(&b, "SET client_encoding = '%s';\nSET standard_conforming_strings = %s;\n", s.encoding, onOff[s.conforming])
	b.WriteString(s.searchPath.S)
	b.WriteString("SET check_function_bodies = false;\nSET xmloption = content;\nSET client_min_messages = warning;\n")
	if !s.conforming {
		b.WriteString("SET escape_string_warning = off;\n")
	}
	b.WriteString("SET row_security = off;\n")
	return b.String()
}

// Prepare returns the settings that must change before the entry's own
// statements: where tables and indexes are created, and how tables are stored.
func (s *Session) Prepare(e *Entry) []string {
	var sets []string
	if schema := e.Namespace.S; !s.searchPath.Valid && schema != "" && schema != s.schema {
		set := "SET search_path = " + s.dialect.ident(schema)
		if schema != "pg_catalog" {
			set += ", pg_catalog"
		}
		sets = append(sets, set+";")
		s.schema = schema
	}
	if e.Tablespace.Valid && e.Tablespace != s.tablespace {
		name := "''"
		if e.Tablespace.S != "" {
			name = s.dialect.ident(e.Tablespace.S)
		}
		sets = append(sets, "SET default_tablespace = "+name+";")
		s.tablespace = e.Tablespace
	}
	if e.TableAM.Valid && e.TableAM.S != s.tableAM && !s.isPartitioned(e) {
		sets = append(sets, "SET default_table_access_method = "+s.dialect.ident(e.TableAM.S)+";")
		s.tableAM = e.TableAM.S
	}
	return sets
}

// isPartitioned tells tables that have an access method only to hand it down:
// it cannot be had from the setting. PostgreSQL 17 has them.
func (s *Session) isPartitioned(e *Entry) bool { return e.RelKind == 'p' && s.dialect >= 17 }

// Statements returns what brings back the entry's definition, each text to be
// sent by itself, after [Session.Prepare]: the definition, which may hold several
// statements, and its owner. The rows of an entry with a data file are not part of
// it. Kinds of object that pg_restore does not know to give an owner are an error.
func (s *Session) Statements(e *Entry) ([]string, error) {
	statements, err := s.define(e)
	if err != nil {
		return nil, err
	}
	if !s.opts.NoOwner {
		alter, err := s.dialect.alterOwner(e)
		if err != nil {
			return nil, err
		}
		statements = append(statements, alter...)
	}
	if e.TableAM.Valid && s.isPartitioned(e) {
		statements = append(statements, "ALTER TABLE "+s.dialect.qualified(e.Namespace.S, e.Tag)+
			" SET ACCESS METHOD "+s.dialect.ident(e.TableAM.S)+";")
	}
	return statements, nil
}

func (s *Session) define(e *Entry) ([]string, error) {
	switch {
	case e.Desc == "SCHEMA" && s.opts.NoOwner && !strings.HasPrefix(e.Defn.S, "--"):
		// Before 9.3, the definition named the owner.
		return []string{"CREATE SCHEMA " + s.dialect.ident(e.Tag) + ";\n"}, nil
	case e.Desc == "BLOB METADATA":
		return perBlob(e, "SELECT pg_catalog.lo_create('", "');"), nil
	case e.Desc == "ACL" && strings.HasPrefix(e.Tag, "LARGE OBJECTS"):
		var list *Entry
		if len(e.Deps) > 0 {
			list = s.archive.Entry(e.Deps[0])
		}
		return blobACL(e, list)
	case e.Defn.S == "":
		return nil, nil
	}
	return []string{e.Defn.S}, nil
}
