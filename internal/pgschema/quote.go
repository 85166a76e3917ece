package pgschema

import (
	"strings"
)

// readKeywords learns which words the server's grammar reserves, so that
// identifiers are quoted exactly when its own pg_dump quotes them.
func (r *reader) readKeywords() error {
	words, err := query[struct{ Word string }](r, "keywords",
		`SELECT word FROM pg_catalog.pg_get_keywords() WHERE catcode <> 'U'`)
	if err != nil {
		return err
	}
	r.quoted = make(map[string]bool, len(words))
	for _, w := range words {
		r.quoted[w.Word] = true
	}
	return nil
}

// ident is a name as SQL wants it, quoted only when it must be.
func (r *reader) ident(name string) string {
	if plainIdent(name) && !r.quoted[name] {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// plainIdent reports whether a name survives the lexer unquoted.
func plainIdent(name string) bool {
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c == '_':
		case c >= '0' && c <= '9' && i > 0:
		default:
			return false
		}
	}
	return name != ""
}

// qualified is schema.name; an empty schema is left out.
func (r *reader) qualified(schema, name string) string {
	if schema == "" {
		return r.ident(name)
	}
	return r.ident(schema) + "." + r.ident(name)
}

// literal is a string constant under standard_conforming_strings, which the
// archive's STDSTRINGS entry switches on: only quotes are doubled.
func literal(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
