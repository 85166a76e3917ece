package pgschema

import (
	"fmt"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// collation is a collation, the built-in ones included: columns and types name
// them.
type collation struct {
	object
	owner          string
	encoding       int // -1: any
	provider       byte
	deterministic  bool
	collate, ctype *string
	locale, rules  *string
}

var (
	_ dumpable = (*collation)(nil)
	_ tied     = (*collation)(nil)
)

func (r *reader) readCollations() error {
	// 13 and 14 keep the locale of every provider in collcollate; 17 renamed
	// colliculocale.
	locale, rules := "collcollate::pg_catalog.text", "NULL::pg_catalog.text"
	switch {
	case r.major >= 17:
		locale = "colllocale"
	case r.major >= 15:
		locale = "colliculocale"
	}
	if r.major >= 16 {
		rules = "collicurules"
	}
	rows, err := query[struct {
		OID                           uint32
		Name                          string
		Namespace, Owner              uint32
		Encoding                      int
		Provider                      byte
		Deterministic                 bool
		Collate, CType, Locale, Rules *string
	}](r, "collations", `
		SELECT oid, collname, collnamespace, collowner, collencoding, collprovider, collisdeterministic,
		       collcollate::pg_catalog.text, collctype::pg_catalog.text, `+locale+`, `+rules+`
		FROM pg_catalog.pg_collation`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		c := &collation{
			object: object{
				kind: kindCollation, cat: catalogID{pgCollation, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			owner: r.roles[row.Owner], encoding: row.Encoding, provider: row.Provider,
			deterministic: row.Deterministic, collate: row.Collate, ctype: row.CType,
			locale: row.Locale, rules: row.Rules,
		}
		r.add(c)
		r.selectObject(&c.object)
	}
	return nil
}

func (c *collation) ties() []string { return []string{fmt.Sprintf("%03d", c.encoding)} }

// collate names a collation behind a clause; there is nothing to say of none.
func (r *reader) collate(clause string, oid uint32) string {
	c := find[*collation](r, pgCollation, oid)
	if c == nil {
		return ""
	}
	return clause + r.qualified(c.schema(), c.name)
}

// options are the parameters of CREATE COLLATION.
func (c *collation) options() string {
	value := func(s *string) string {
		if s == nil {
			return "''"
		}
		return literal(*s)
	}
	s := "provider = " + localeProviders[c.provider]
	if !c.deterministic {
		s += ", deterministic = false"
	}
	switch {
	case c.provider != 'c':
		s += ", locale = " + value(c.locale)
	case value(c.collate) == value(c.ctype):
		s += ", locale = " + value(c.collate)
	default:
		s += ", lc_collate = " + value(c.collate) + ", lc_ctype = " + value(c.ctype)
	}
	if c.rules != nil {
		s += ", rules = " + literal(*c.rules)
	}
	return s
}

// localeProviders are words for pg_collation.collprovider and
// pg_database.datlocprovider.
var localeProviders = map[byte]string{'b': "builtin", 'c': "libc", 'i': "icu"}

func (c *collation) emit(e *emitter) {
	qualified := e.r.qualified(c.schema(), c.name)
	if c.has(compDefinition) {
		e.object(&c.object, entryOpts{
			tag: c.name, desc: "COLLATION", section: toc.SectionPreData,
			namespace: c.schema(), owner: c.owner,
			defn: "CREATE COLLATION " + qualified + " (" + c.options() + ");\n",
			drop: "DROP COLLATION " + qualified + ";\n",
		})
	}
	e.comment(&c.object, "COLLATION", e.r.ident(c.name), c.owner)
}
