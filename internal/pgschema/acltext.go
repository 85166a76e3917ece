package pgschema

import (
	"fmt"
	"slices"
	"strings"
)

// aclTarget is the object of GRANT and REVOKE statements.
type aclTarget struct {
	typ    string // as GRANT names it: TABLE, FUNCTION, LARGE OBJECT, TABLES ...
	schema string // not quoted; "" for none
	name   string // quoted, with a function's arguments; "" in default privileges
	column string // quoted; "" for the object itself
	owner  string // not quoted
	prefix string // ALTER DEFAULT PRIVILEGES ..., with a space at its end
}

// aclCommands are the statements that lead from the privileges in base to
// those in acl, both in the output form of aclitem[]. The owner's own grants
// come first, the others in the order in which the server keeps them, because
// a grant may rest on the grant option of an earlier one.
func (r *reader) aclCommands(t aclTarget, acl, base string) (string, error) {
	have, err := parseArray(acl)
	if err != nil {
		return "", fmt.Errorf("privileges of %s %s: %w", t.typ, t.name, err)
	}
	had, err := parseArray(base)
	if err != nil {
		return "", fmt.Errorf("initial privileges of %s %s: %w", t.typ, t.name, err)
	}
	var first, second strings.Builder
	for _, text := range had {
		if slices.Contains(have, text) {
			continue
		}
		item, err := parseACLItem(text)
		if err != nil {
			return "", err
		}
		if privs, _ := item.keywords(t, r.major, false); privs != "" {
			fmt.Fprintf(&first, "%sREVOKE %s ON %sFROM %s;\n", t.prefix, privs, r.aclObject(t), r.grantee(item.grantee))
		}
	}
	for _, text := range have {
		if slices.Contains(had, text) {
			continue
		}
		item, err := parseACLItem(text)
		if err != nil {
			return "", err
		}
		if item.grantor == "" {
			item.grantor = t.owner
		}
		out := &second
		if t.owner != "" && item.grantee == t.owner && item.grantor == t.owner {
			out = &first
		}
		r.grant(out, t, item)
	}
	return first.String() + second.String(), nil
}

// grant writes the statements that give one item.
func (r *reader) grant(out *strings.Builder, t aclTarget, item aclItem) {
	privs, withGrant := item.keywords(t, r.major, true)
	if privs == "" && withGrant == "" {
		return
	}
	other := item.grantor != "" && item.grantor != t.owner
	if other {
		fmt.Fprintf(out, "SET SESSION AUTHORIZATION %s;\n", r.ident(r.useRole(item.grantor)))
	}
	if privs != "" {
		fmt.Fprintf(out, "%sGRANT %s ON %sTO %s;\n", t.prefix, privs, r.aclObject(t), r.grantee(item.grantee))
	}
	if withGrant != "" {
		fmt.Fprintf(out, "%sGRANT %s ON %sTO %s WITH GRANT OPTION;\n", t.prefix, withGrant, r.aclObject(t), r.grantee(item.grantee))
	}
	if other {
		out.WriteString("RESET SESSION AUTHORIZATION;\n")
	}
}

// aclObject is what stands between ON and TO, with a space behind it.
func (r *reader) aclObject(t aclTarget) string {
	s := t.typ + " "
	if t.schema != "" {
		s += r.ident(t.schema) + "."
	}
	if t.name != "" || r.major < 17 { // before 17 default privileges have two spaces
		s += t.name + " "
	}
	return s
}

func (r *reader) grantee(role string) string {
	if role == "" {
		return "PUBLIC"
	}
	return r.ident(r.useRole(role))
}

// aclItem is one aclitem: grantee=privileges/grantor, names not quoted.
type aclItem struct{ grantee, codes, grantor string }

func parseACLItem(text string) (aclItem, error) {
	grantee, rest := aclRole(text)
	codes, ok := strings.CutPrefix(rest, "=")
	codes, grantor, found := strings.Cut(codes, "/")
	if !ok || !found {
		return aclItem{}, fmt.Errorf("cannot read the privilege %q", text)
	}
	grantor, rest = aclRole(grantor)
	if rest != "" {
		return aclItem{}, fmt.Errorf("cannot read the privilege %q", text)
	}
	return aclItem{grantee, codes, grantor}, nil
}

// aclRole takes a role's name off s: it ends at an unquoted =, and what is
// within double quotes has its own quotes doubled.
func aclRole(s string) (name, rest string) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' && quoted && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '=' && !quoted:
			return b.String(), s[i:]
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// aclRoleText is a role's name as aclitem prints it.
func aclRoleText(name string) string {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}

// privilege is a letter of an aclitem with its keyword
// (src/include/utils/acl.h).
type privilege struct {
	code byte
	word string
}

var columnPrivileges = []privilege{{'r', "SELECT"}, {'a', "INSERT"}, {'x', "REFERENCES"}, {'w', "UPDATE"}}

// privilegesOf are the privileges that an object of a GRANT type can have, in
// the order in which pg_dump prints them.
var privilegesOf = map[string][]privilege{
	"TABLE": {{'r', "SELECT"}, {'a', "INSERT"}, {'x', "REFERENCES"}, {'d', "DELETE"}, {'t', "TRIGGER"},
		{'D', "TRUNCATE"}, {'m', "MAINTAIN"}, {'w', "UPDATE"}},
	"SEQUENCE":             {{'r', "SELECT"}, {'U', "USAGE"}, {'w', "UPDATE"}},
	"FUNCTION":             {{'X', "EXECUTE"}},
	"PROCEDURE":            {{'X', "EXECUTE"}},
	"LANGUAGE":             {{'U', "USAGE"}},
	"SCHEMA":               {{'C', "CREATE"}, {'U', "USAGE"}},
	"DATABASE":             {{'C', "CREATE"}, {'c', "CONNECT"}, {'T', "TEMPORARY"}},
	"TYPE":                 {{'U', "USAGE"}},
	"FOREIGN DATA WRAPPER": {{'U', "USAGE"}},
	"FOREIGN SERVER":       {{'U', "USAGE"}},
	"LARGE OBJECT":         {{'r', "SELECT"}, {'w', "UPDATE"}},
	"PARAMETER":            {{'s', "SET"}, {'A', "ALTER SYSTEM"}},
	"TABLESPACE":           {{'C', "CREATE"}},
}

// keywords are the item's privileges as GRANT lists them: plain ones, and
// those with grant option (joined with the plain ones unless split). The
// whole set is ALL, because a later release may add to it.
func (i aclItem) keywords(t aclTarget, major int, split bool) (plain, withGrant string) {
	known, ok := privilegesOf[t.typ]
	if !ok {
		known = privilegesOf[strings.TrimSuffix(t.typ, "S")] // TABLES, of default privileges
	}
	if major < 17 {
		known = slices.DeleteFunc(slices.Clone(known), func(p privilege) bool { return p.code == 'm' })
	}
	column := ""
	if t.column != "" {
		column = "(" + t.column + ")"
		known = columnPrivileges
	}
	var with, without []string
	for _, p := range known {
		at := strings.IndexByte(i.codes, p.code)
		switch {
		case at < 0:
		case split && strings.HasPrefix(i.codes[at+1:], "*"):
			with = append(with, p.word+column)
		default:
			without = append(without, p.word+column)
		}
	}
	if len(without) == len(known) {
		without = []string{"ALL" + column}
	}
	if len(with) == len(known) {
		with = []string{"ALL" + column}
	}
	return strings.Join(without, ","), strings.Join(with, ",")
}

// arrayItem is a text within the output form of an array.
func arrayItem(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
