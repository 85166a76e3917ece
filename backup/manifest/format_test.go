package manifest_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/codec"
	"github.com/zeebo/xxh3"
)

// blocks returns the fenced blocks of FORMAT.md in the given language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

func TestFormatExamples(t *testing.T) {
	examples := blocks(t, "json")
	if len(examples) != 2 {
		t.Fatalf("%d examples in JSON, want a manifest and contents", len(examples))
	}
	m, err := manifest.Parse([]byte(examples[0]))
	if err != nil {
		t.Fatal(err)
	}
	if b := encode(t, m); string(b) != examples[0] {
		t.Errorf("the manifest is written as\n%s", b)
	}
	c, err := manifest.ParseContents([]byte(examples[1]))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Encode()
	if err != nil || string(b) != examples[1] {
		t.Errorf("the contents are written as\n%s", b)
	}
}

// TestFormatDigest follows the words of FORMAT.md through its worked example.
func TestFormatDigest(t *testing.T) {
	rows := []string{"1\tMaria", `2\tJoão\n`, `3\t\N`, "1\tMaria"}
	rows[1], rows[2] = strings.Replace(rows[1], `\t`, "\t", 1), strings.Replace(rows[2], `\t`, "\t", 1)
	var d codec.Digest
	var want bytes.Buffer
	for _, row := range rows {
		h := xxh3.HashString128(row)
		fmt.Fprintf(&want, "%016x%016x  %s\n", h.Hi, h.Lo, strings.ReplaceAll(row, "\t", "→"))
		d.AddRow([]byte(row))
	}
	fmt.Fprintf(&want, "%s\n", d)

	var objects codec.Digest
	content := sha256.Sum256([]byte("abc"))
	objects.AddRow(fmt.Appendf(nil, "16398\t%x", content))
	fmt.Fprintf(&want, "%s\n", objects)
	if got := strings.Join(blocks(t, "digest"), ""); got != want.String() {
		t.Errorf("the worked examples are\n%s\nwant\n%s", got, want.String())
	}
}

// The terminator and the names that FORMAT.md promises are those in use.
func TestFormatNames(t *testing.T) {
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{fmt.Sprintf("`%s`", strings.ReplaceAll(codec.Terminator, "\n", `\n`)),
		manifest.Name, manifest.ContentsName, fmt.Sprintf("format is %d", manifest.FormatVersion)} {
		if !strings.Contains(string(text), want) {
			t.Errorf("FORMAT.md does not say %s", want)
		}
	}
	for _, c := range []codec.Compression{{Algorithm: codec.Zstd}, {Algorithm: codec.Gzip}} {
		if !strings.Contains(string(text), "`"+c.Ext()+"`") {
			t.Errorf("FORMAT.md does not say %s", c.Ext())
		}
	}
	for _, kind := range manifest.Kinds() {
		if !strings.Contains(string(text), string(kind)+"/") {
			t.Errorf("FORMAT.md does not name %s/", kind)
		}
	}
}
