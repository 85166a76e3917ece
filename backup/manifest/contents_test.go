package manifest_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
)

var digest = strings.Repeat("0f", 16)

func sampleContents() manifest.Contents {
	return manifest.Contents{
		Tables: []manifest.Table{
			{Schema: "public", Name: "oficinas", Kind: "table", Columns: []string{"id", "nome"}, Rows: 3, Digest: "3:" + digest,
				Objects: []string{"4312.dat.zst", "4312.2.dat.zst"}, Root: &manifest.TableName{Schema: "public", Name: "raiz"}},
			{Schema: "public", Name: "vazia", Kind: "table", Filter: "WHERE id > 999"},
			{Schema: "a\xe7\xe3o", Name: "\xff", Kind: "table", Columns: []string{"\x00", "\xe9", ""}},
		},
		Sequences:     []manifest.Sequence{{Schema: "public", Name: "s", Last: -9223372036854775808, Called: true}},
		Extensions:    []manifest.Extension{{Name: "citext", Schema: "public", Version: "1.6"}},
		LargeObjects:  manifest.LargeObjects{Count: 2, Digest: "2:" + digest},
		Roles:         []string{"app", "postgres"},
		Settings:      manifest.Settings{Encoding: "UTF8", Collate: "C", CType: "C", LocaleProvider: "icu", Locale: "pt-BR", ICURules: "&a < b", ClientEncoding: "UTF8", LCMonetary: "C"},
		Excluded:      []manifest.Exclusion{{Kind: "SCHEMA", Name: "auth", Reason: "excluded by the caller"}},
		Prerequisites: []manifest.Prerequisite{{Kind: "TABLE", Name: "auth.users", NeededBy: "public.profiles"}},
		Exports:       []manifest.Export{{Name: "ativas", SQL: "SELECT 1 WHERE 1 < 2", Rows: 1, Object: "exports/ativas.csv.zst"}},
		Warnings:      []string{"\"linha\"\nnova 🙂"},
	}
}

func TestContentsRoundTrip(t *testing.T) {
	c := sampleContents()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := manifest.ParseContents(b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(*got, c) {
		t.Errorf("got %+v\nwant %+v", *got, c)
	}
	if !strings.Contains(string(b), `"schema": "\u0000a`+"çã"+`o"`) {
		t.Errorf("a name that is not UTF-8 is not written as FORMAT.md has it:\n%s", b)
	}
}

func TestContentsRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*manifest.Contents){
		"twice":         func(c *manifest.Contents) { c.Tables[1].Name = "oficinas" },
		"negative rows": func(c *manifest.Contents) { c.Tables[1].Rows = -1 },
		"other rows":    func(c *manifest.Contents) { c.Tables[0].Rows = 4 },
		"digest":        func(c *manifest.Contents) { c.Tables[0].Digest = "3:" + strings.ToUpper(digest) },
		"object":        func(c *manifest.Contents) { c.Tables[0].Objects[0] = "../x" },
		"large objects": func(c *manifest.Contents) { c.LargeObjects.Count = 1 },
		"export":        func(c *manifest.Contents) { c.Exports[0].Object = "" },
		"export rows":   func(c *manifest.Contents) { c.Exports[0].Rows = -1 },
	} {
		c := sampleContents()
		spoil(&c)
		if _, err := c.Encode(); err == nil {
			t.Errorf("%s: written", name)
		}
	}
	if _, err := manifest.ParseContents([]byte(`{"tables":[{"schema":"a","name":"b","rows":-1}]}`)); err == nil {
		t.Error("negative rows read")
	}
	if _, err := manifest.ParseContents([]byte("{} x")); err == nil {
		t.Error("trailing bytes read")
	}
}

func FuzzParseContents(f *testing.F) {
	c := sampleContents()
	b, err := c.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := manifest.ParseContents(b)
		if err != nil {
			return
		}
		first, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := manifest.ParseContents(first)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("not the same twice: %v\n%s", err, first)
		}
	})
}
