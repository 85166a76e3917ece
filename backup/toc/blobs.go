package toc

import (
	"fmt"
	"regexp"
	"strings"
)

// perBlob returns a command for every large object of a BLOB METADATA entry,
// whose Defn is a list of their OIDs, each ended by a newline.
func perBlob(e *Entry, before, after string) []string {
	var commands []string
	for oid := range strings.Lines(e.Defn.S) {
		commands = append(commands, before+strings.TrimSuffix(oid, "\n")+after)
	}
	return commands
}

// aclCommand matches one command of an ACL entry for many large objects, in two
// halves around the OID if it has one. Only role names can hold other text, and
// they are quoted then.
var aclCommand = regexp.MustCompile(`^(?:((?:[^";]|"[^"]*")*?LARGE OBJECT )[0-9]+)?((?:[^";]|"[^"]*")*;)\s*`)

// blobACL returns the commands of an ACL entry that was written for the first
// of many large objects, for each of them. The list is the BLOB METADATA entry
// that it depends on.
func blobACL(e, list *Entry) ([]string, error) {
	if list == nil || list.Desc != "BLOB METADATA" {
		return nil, fmt.Errorf("%v: its first dependency is no list of large objects", e)
	}
	var commands []string
	for rest := e.Defn.S; rest != ""; {
		m := aclCommand.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("%v: %.60q is no command about privileges", e, rest)
		}
		if m[1] == "" { // SET SESSION AUTHORIZATION around what another role granted
			commands = append(commands, m[2])
		} else {
			commands = append(commands, perBlob(list, m[1], m[2])...)
		}
		rest = rest[len(m[0]):]
	}
	return commands, nil
}
