package main

import "regexp"

var (
	// A password in a URL, up to the last @ because one may stand in it.
	urlPassword = regexp.MustCompile(`(://[^\s:/@?]*:).*@`)
	// One in key=value form, and what connection strings, signed URLs and
	// tokens of the object stores have instead.
	namedSecret = regexp.MustCompile(`(?i)((?:password|accountkey|sharedaccesssignature|secret[a-z_-]*|[a-z-]*signature|\bsig|token)\s*=\s*)('(\\.|[^'\\])*'?|[^\s&;"]*)`)
	// An age identity.
	ageIdentity = regexp.MustCompile(`(?i)(AGE-SECRET-KEY-(?:PQ-)?1)[a-z0-9]*`)
)

// redact takes secrets out of a text that may quote what was typed.
func redact(text string) string {
	text = urlPassword.ReplaceAllString(text, "${1}***@")
	text = namedSecret.ReplaceAllString(text, "${1}***")
	return ageIdentity.ReplaceAllString(text, "${1}***")
}
