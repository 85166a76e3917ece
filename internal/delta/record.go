package delta

import "bytes"

// RecordText is the text of a row: what record_out returns for ROW(...) (in
// src/backend/utils/adt/rowtypes.c). The fields are those of COPY's text,
// unescaped; nil is NULL.
func RecordText(fields [][]byte) []byte {
	text := []byte{'('}
	for i, f := range fields {
		if i > 0 {
			text = append(text, ',')
		}
		switch {
		case f == nil:
		case len(f) > 0 && !bytes.ContainsAny(f, "\"\\(), \t\n\v\f\r"):
			text = append(text, f...)
		default:
			text = append(text, '"')
			for _, b := range f {
				if b == '"' || b == '\\' {
					text = append(text, b)
				}
				text = append(text, b)
			}
			text = append(text, '"')
		}
	}
	return append(text, ')')
}
