package pgschema

import (
	"slices"
	"strings"
)

// listSettings are the parameters whose value is a list of quoted names
// (GUC_LIST_QUOTE, src/backend/utils/misc/guc_tables.c): the server must be
// given the elements one by one.
var listSettings = []string{
	"local_preload_libraries", "oauth_validator_libraries", "output_plugin_libraries", "search_path",
	"session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories",
}

// settingValue is the value of a parameter as SET takes it, of a catalog's
// name=value text. quote makes a string constant.
func settingValue(name, value string, quote func(string) string) string {
	if !slices.Contains(listSettings, strings.ToLower(name)) {
		return quote(value)
	}
	var items []string
	for _, item := range splitNames(value) {
		items = append(items, quote(item))
	}
	return strings.Join(items, ", ")
}

// alterSettings are the statements that set the parameters of a catalog's
// setconfig array, each behind head: ALTER ROLE x, for example.
func (r *reader) alterSettings(head string, config []string) string {
	var b strings.Builder
	for _, item := range config {
		if name, value, ok := strings.Cut(item, "="); ok {
			b.WriteString(head + " SET " + r.ident(name) + " TO " + settingValue(name, value, escapeLiteral) + ";\n")
		}
	}
	return b.String()
}

// escapeLiteral is a string constant that means the same whatever
// standard_conforming_strings is.
func escapeLiteral(s string) string {
	if !strings.Contains(s, `\`) {
		return literal(s)
	}
	return "E" + literal(strings.ReplaceAll(s, `\`, `\\`))
}

// splitNames splits a list of names at its commas. Names may be in double
// quotes; outside of them white space does not count.
func splitNames(list string) []string {
	var names []string
	for rest := strings.Trim(list, whiteSpace); rest != ""; {
		var name string
		if rest[0] == '"' {
			name, rest = quotedName(rest[1:])
		} else {
			end := strings.IndexAny(rest, ","+whiteSpace)
			if end < 0 {
				end = len(rest)
			}
			name, rest = rest[:end], rest[end:]
		}
		names = append(names, name)
		rest = strings.TrimLeft(rest, whiteSpace)
		rest = strings.TrimLeft(strings.TrimPrefix(rest, ","), whiteSpace)
	}
	return names
}

const whiteSpace = " \t\n\r\v\f"

// quotedName takes a name off s, up to its closing quote.
func quotedName(s string) (name, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '"' {
			if i+1 == len(s) || s[i+1] != '"' {
				return b.String(), s[i+1:]
			}
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String(), ""
}
