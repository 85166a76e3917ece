package pgschema

import (
	"slices"
	"strings"
	"testing"
)

func TestSplitNames(t *testing.T) {
	for list, want := range map[string][]string{
		"":                        nil,
		"app":                     {"app"},
		`app, "$user",public`:     {"app", "$user", "public"},
		` "a b" , "c""d","" ,e `:  {"a b", `c"d`, "", "e"},
		`"one, still one", "two"`: {"one, still one", "two"},
	} {
		if got := splitNames(list); !slices.Equal(got, want) {
			t.Errorf("splitNames(%q) = %q, want %q", list, got, want)
		}
	}
}

func TestSettingValue(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"work_mem", "1MB", "'1MB'"},
		{"Search_Path", `a, "B b"`, "'a', 'B b'"},
		{"search_path", `""`, "''"},
		{"application_name", `it's a\b`, `E'it''s a\\b'`},
	} {
		if got := settingValue(c.name, c.value, escapeLiteral); got != c.want {
			t.Errorf("settingValue(%s, %s) = %s, want %s", c.name, c.value, got, c.want)
		}
	}
}

// FuzzDollarQuote: the tag that ends the constant is not found before its end.
func FuzzDollarQuote(f *testing.F) {
	for _, s := range []string{"", "$", "$$", "a$", "$_", "$_$", "$_X", "$_XXXXXXX", "$_XXXXXXX_$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := dollarQuote(s)
		end := strings.IndexByte(quoted[1:], '$') + 2
		if at := strings.Index(quoted[end:], quoted[:end]); at != len(s) || quoted[end:end+len(s)] != s {
			t.Errorf("dollarQuote(%q) = %q", s, quoted)
		}
	})
}

func TestWithoutArguments(t *testing.T) {
	for function, want := range map[string]string{
		"eqsel(internal,oid,internal,integer)": "eqsel",
		`app."odd(name)"(integer)`:             `app."odd(name)"`,
		`"a""(b"(text)`:                        `"a""(b"`,
	} {
		if got := withoutArguments(function); got != want {
			t.Errorf("withoutArguments(%s) = %s, want %s", function, got, want)
		}
	}
}
