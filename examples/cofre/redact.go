package main

import "regexp"

// Passwords in URLs, up to the last @ because one may stand in them, and those
// in key=value form.
var (
	urlPassword   = regexp.MustCompile(`(://[^\s:/@?]*:).*@`)
	namedPassword = regexp.MustCompile(`(?i)(password\s*=\s*)('(\\.|[^'\\])*'?|[^\s&]*)`)
)

// redact takes passwords out of a text that may quote a connection string.
func redact(text string) string {
	return namedPassword.ReplaceAllString(urlPassword.ReplaceAllString(text, "${1}***@"), "${1}***")
}
