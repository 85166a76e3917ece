package pgschema

import (
	"slices"
	"strings"
	"testing"
)

// FuzzArray: what arrayItem writes, parseArray reads; anything else is an
// error or a list, never a panic.
func FuzzArray(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{postgres=arwdDxt/postgres}`, `{postgres=UC/postgres,=U/postgres}`,
		`{"\"odd \"\"role\"\"\"=r*w/postgres"}`, `{"back\\slash","comma,brace}"}`, `{`, `{"}`, ``, `{,}`, "{\"new\nline\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		items, err := parseArray(s)
		if err != nil || items == nil {
			return
		}
		quoted := make([]string, len(items))
		for i, item := range items {
			quoted[i] = arrayItem(item)
		}
		again, err := parseArray("{" + strings.Join(quoted, ",") + "}")
		if err != nil || !slices.Equal(again, items) {
			t.Fatalf("%q: %q, and back %q (%v)", s, items, again, err)
		}
	})
}

// FuzzACLItem: the names of roles survive the way into an aclitem and back.
func FuzzACLItem(f *testing.F) {
	f.Add("postgres", "arwdDxt", "postgres")
	f.Add("", "U", `odd "role"`)
	f.Add("a=b/c", "r*w*", "ação")
	f.Add("new\nline", "", `back\slash`)
	f.Fuzz(func(t *testing.T, grantee, codes, grantor string) {
		if strings.ContainsAny(codes, "/=\"") {
			return
		}
		item, err := parseACLItem(aclRoleText(grantee) + "=" + codes + "/" + aclRoleText(grantor))
		if want := (aclItem{grantee, codes, grantor}); err != nil || item != want {
			t.Fatalf("%q, want %q: %v", item, want, err)
		}
	})
}

func TestACLItemErrors(t *testing.T) {
	for _, s := range []string{"", "postgres", "postgres=r", "=r", `"open=r/postgres`, "a=r/b=c"} {
		if item, err := parseACLItem(s); err == nil {
			t.Errorf("%q: read as %+v", s, item)
		}
	}
}

func TestPatternRegexps(t *testing.T) {
	for _, c := range []struct {
		pattern string
		parts   int
		want    []string // nil: an error
	}{
		{"app", 1, []string{"^(app)$"}},
		{"APP", 1, []string{"^(app)$"}},
		{`"APP"`, 1, []string{"^(APP)$"}},
		{"a*b?c", 1, []string{"^(a.*b.c)$"}},
		{`a"*.?"b`, 1, []string{`^(a\*\.\?b)$`}},
		{`"a""b"`, 1, []string{`^(a"b)$`}},
		{"a$", 1, []string{`^(a\$)$`}},
		{"ação", 1, []string{"^(ação)$"}},
		{"(a|b)[0-9]+", 1, []string{"^((a|b)[0-9]+)$"}},
		{"app.t*", 2, []string{"^(app)$", "^(t.*)$"}},
		{"t*", 2, []string{"", "^(t.*)$"}},
		{`"a.b".c`, 2, []string{`^(a\.b)$`, "^(c)$"}},
		{"db.app.t", 2, nil},
		{"app.t", 1, nil},
		{`"open`, 1, nil},
		{"", 1, nil},
	} {
		got, err := patternRegexps(c.pattern, c.parts)
		if (err == nil) != (c.want != nil) || !slices.Equal(got, c.want) {
			t.Errorf("%s: %q (%v), want %q", c.pattern, got, err, c.want)
		}
	}
}
