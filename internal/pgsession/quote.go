package pgsession

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// QuoteIdent returns the parts as one qualified identifier, each part quoted
// whether it needs it or not.
func QuoteIdent(parts ...string) string {
	return pgx.Identifier(parts).Sanitize()
}

// QuoteLiteral returns s as a string constant for a session that has
// standard_conforming_strings on, as every connection of this package has.
func QuoteLiteral(s string) string {
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}
