package remote

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// MaxName is the longest name of an object, in bytes: the least of what the
// usual object stores allow. A sink that keeps its objects below a prefix may
// refuse names, with [io/fs.ErrInvalid], that the prefix leaves no room for.
const MaxName = 1024

// CheckName tells whether name can name an object in every sink. It is UTF-8
// of 1 to [MaxName] bytes without control characters or backslashes: elements
// joined by single slashes, with none at either end. No element begins with a
// dot, which rules out "..", and leaves hidden names to the sinks' own use.
// Errors wrap [io/fs.ErrInvalid].
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		why = "is empty"
	case len(name) > MaxName:
		return fmt.Errorf("%w: the name beginning with %q has %d bytes, at most %d are allowed", fs.ErrInvalid, name[:40], len(name), MaxName)
	case !utf8.ValidString(name):
		why = "is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		why = "holds a control character"
	case strings.Contains(name, `\`):
		why = "holds a backslash"
	case name[0] == '/':
		why = "begins with a slash"
	case name[len(name)-1] == '/':
		why = "ends in a slash"
	case strings.Contains(name, "//"):
		why = "holds an empty element"
	case name[0] == '.' || strings.Contains(name, "/."):
		why = "has an element that begins with a dot"
	default:
		return nil
	}
	return fmt.Errorf("%w: the name %q %s", fs.ErrInvalid, name, why)
}

// CheckPrefix tells whether a name that [CheckName] accepts can begin with
// prefix, cut between two characters. The empty prefix is that of every name.
// Errors wrap [io/fs.ErrInvalid].
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckName(strings.TrimSuffix(prefix, "/"))
}
