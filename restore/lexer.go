package restore

import "strings"

// tokenKind tells apart what matters for finding names in a statement.
type tokenKind int

const (
	word   tokenKind = iota // a keyword or an unquoted name
	quoted                  // a "name"
	punct                   // one character
	other                   // a literal, a comment or white space
)

// token is a piece of SQL text; the texts of all tokens are the statement.
type token struct {
	kind tokenKind
	text string
}

// name is the identifier that a word or quoted token stands for.
func (t token) name() string {
	if t.kind == quoted {
		return strings.ReplaceAll(strings.TrimSuffix(t.text[1:], `"`), `""`, `"`)
	}
	return strings.ToLower(t.text)
}

// lex cuts SQL into tokens. It knows the lexical rules that pg_dump's output
// uses with standard_conforming_strings on: ” and E” literals, $tag$
// quotes, quoted names and both kinds of comment.
func lex(sql string) []token {
	var tokens []token
	for sql != "" {
		kind, n := next(sql)
		tokens = append(tokens, token{kind, sql[:n]})
		sql = sql[n:]
	}
	return tokens
}

func next(s string) (tokenKind, int) {
	c := s[0]
	switch {
	case c == '"':
		return quoted, endQuote(s, 1, '"', false)
	case c == '\'':
		return other, endQuote(s, 1, '\'', false)
	case (c == 'E' || c == 'e') && len(s) > 1 && s[1] == '\'':
		return other, endQuote(s, 2, '\'', true)
	case strings.HasPrefix(s, "--"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return other, i
		}
		return other, len(s)
	case strings.HasPrefix(s, "/*"):
		return other, endComment(s)
	case c == '$':
		return other, endDollar(s)
	case isWordStart(c):
		n := 1
		for n < len(s) && (isWordStart(s[n]) || s[n] == '$' || isDigit(s[n])) {
			n++
		}
		return word, n
	case c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || isDigit(c):
		return other, 1
	}
	return punct, 1
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWordStart(c byte) bool {
	return c == '_' || c >= 0x80 || (c|0x20 >= 'a' && c|0x20 <= 'z')
}

// endQuote is the index behind the quote that closes what begins before from.
func endQuote(s string, from int, quote byte, escapes bool) int {
	for i := from; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote:
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return len(s)
}

func endComment(s string) int {
	depth := 0
	for i := 0; i+1 < len(s); i++ {
		switch s[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			i++
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

func endDollar(s string) int {
	n := 1
	for n < len(s) && (isWordStart(s[n]) || isDigit(s[n])) {
		n++
	}
	if n == len(s) || s[n] != '$' {
		return 1 // a parameter, or a lone sign
	}
	if end := strings.Index(s[n+1:], s[:n+1]); end >= 0 {
		return n + 1 + end + n + 1
	}
	return len(s)
}
