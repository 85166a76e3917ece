package restore

import (
	"slices"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// roleWords come before the name of a role in privileges, default privileges,
// policies and user mappings, outside of parentheses.
var roleWords = map[string]bool{
	"to": true, "from": true, "role": true, "authorization": true, "by": true, "mapping for": true,
}

// notRoles are words in a role's place that name none.
var notRoles = map[string]bool{
	"public": true, "current_user": true, "session_user": true, "current_role": true, "default": true, "group": true,
}

// namesRoles tells whether an entry's statements may name roles.
func namesRoles(e *toc.Entry) bool {
	switch e.Desc {
	case "ACL", "DEFAULT ACL", "POLICY", "USER MAPPING", "DATABASE PROPERTIES":
		return true
	}
	return false
}

// rewriteRoles replaces every role name in an entry's statements by what f
// says of it.
func rewriteRoles(sql string, f func(name string) string) string {
	tokens := lex(sql)
	depth := 0
	before := "" // the words before this one, as far as they matter
	list := false
	for i, t := range tokens {
		switch {
		case t.kind == other:
		case t.kind == punct:
			switch t.text {
			case "(":
				depth++
			case ")":
				depth--
			case ",":
				continue // a list of roles goes on
			}
			before, list = "", false
		case depth > 0:
		case (list || roleWords[before]) && t.kind == word && notRoles[t.name()]:
			list = t.name() != "group"
			if t.name() == "group" {
				continue // GROUP name: the name follows
			}
			before = ""
		case list || roleWords[before]:
			if list && t.kind == word && !commaBefore(tokens[:i]) {
				before, list = t.name(), false // WITH, USING, GRANTED: the list has ended
				continue
			}
			if to := f(t.name()); to != t.name() {
				tokens[i].text = pgsession.QuoteIdent(to)
			}
			before, list = "", true
		case before == "mapping" && t.name() == "for":
			before = "mapping for"
		default:
			before = ""
			if t.kind == word {
				before = t.name()
			}
		}
	}
	return join(tokens)
}

func commaBefore(tokens []token) bool {
	for _, t := range slices.Backward(tokens) {
		if t.kind != other {
			return t.text == ","
		}
	}
	return false
}

// rewriteDatabase replaces the name behind every keyword DATABASE outside of
// parentheses.
func rewriteDatabase(sql, name string) string {
	tokens := lex(sql)
	depth, after := 0, false
	for i, t := range tokens {
		switch {
		case t.kind == other:
			continue
		case t.text == "(":
			depth++
		case t.text == ")":
			depth--
		case after:
			tokens[i].text = pgsession.QuoteIdent(name)
		}
		after = depth == 0 && !after && t.kind == word && t.name() == "database"
	}
	return join(tokens)
}

func join(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteString(t.text)
	}
	return b.String()
}
