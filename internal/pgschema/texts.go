package pgschema

import (
	"database/sql"
	"fmt"
	"strings"
)

// texts is an array of texts in whatever encoding the database has: pgx's own
// array takes it for UTF-8, and puts U+FFFD in the place of what is not.
type texts []string

var _ sql.Scanner = (*texts)(nil)

// Scan reads the output form of an array; nil is NULL.
func (t *texts) Scan(src any) (err error) {
	switch src := src.(type) {
	case nil:
		*t = nil
	case string:
		*t, err = parseArray(src)
	default:
		err = fmt.Errorf("an array came as %T, not as text", src)
	}
	return err
}

// parseArray splits the output form of a one-dimensional array of texts.
func parseArray(s string) ([]string, error) {
	body, ok := strings.CutPrefix(s, "{")
	body, ok2 := strings.CutSuffix(body, "}")
	if !ok || !ok2 {
		return nil, fmt.Errorf("cannot read the array %q", s)
	}
	if body == "" {
		return nil, nil
	}
	var items []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '\\' && quoted && i+1 < len(body):
			i++
			b.WriteByte(body[i])
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			items = append(items, b.String())
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if quoted {
		return nil, fmt.Errorf("cannot read the array %q", s)
	}
	return append(items, b.String()), nil
}
