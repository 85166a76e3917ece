package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"unicode/utf8"
)

// JSON text is UTF-8, but the names in a database are in its own encoding and
// reach us as they are. A string that is not UTF-8 is written as U+0000, which
// no string of PostgreSQL's can hold, and then one character from U+0000 to
// U+00FF for each of its bytes.

// marshal returns v as indented JSON that ends in a newline.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(mapStrings(reflect.ValueOf(v), armor).Interface())
	return b.Bytes(), err
}

// unmarshal reads JSON into what v points to.
func unmarshal[T any](b []byte, v *T) error {
	if err := json.Unmarshal(b, v); err != nil {
		return err
	}
	if !bytes.Contains(b, []byte(`\u0000`)) { // as JSON has it, no string begins so
		return nil
	}
	*v = mapStrings(reflect.ValueOf(*v), disarm).Interface().(T)
	return nil
}

// checkSize bounds the memory that a JSON text can take when it is read, by its
// bytes and its values: "{}," takes three bytes, and what it stands for hundreds.
func checkSize(b []byte, bytes, values int) error {
	if len(b) > bytes {
		return fmt.Errorf("%d bytes, at most %d are allowed", len(b), bytes)
	}
	if n := countValues(b); n > values {
		return fmt.Errorf("%d values, at most %d are allowed", n, values)
	}
	return nil
}

// countValues counts the members and elements of all objects and arrays in a
// JSON text, by the commas between them.
func countValues(b []byte) int {
	n, quoted := 1, false
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			quoted = !quoted
		case '\\':
			i++ // what it escapes, in a string
		case ',':
			if !quoted {
				n++
			}
		}
	}
	return n
}

func armor(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, "\x00") {
		return s
	}
	out := []rune{0}
	for _, c := range []byte(s) {
		out = append(out, rune(c))
	}
	return string(out)
}

func disarm(s string) string {
	armored, ok := strings.CutPrefix(s, "\x00")
	if !ok {
		return s
	}
	var out []byte
	for _, r := range armored {
		if r > 0xff {
			return s // not of armor's making
		}
		out = append(out, byte(r))
	}
	return string(out)
}

// mapStrings returns a copy of v with f applied to every string in its
// exported fields.
func mapStrings(v reflect.Value, f func(string) string) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(f(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(mapStrings(v.Elem(), f))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
			for i := range v.Len() {
				out.Index(i).Set(mapStrings(v.Index(i), f))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(mapStrings(v.Field(i), f))
			}
		}
	}
	return out
}
