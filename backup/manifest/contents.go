package manifest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/assist-move-assist/pgcofre/remote"
)

// ContentsName is the name of the contents within their set, before what
// compression and encryption add to it.
const ContentsName = "contents.json"

// MaxContentsSize is the most that contents may take uncompressed, in bytes.
const MaxContentsSize = 256 << 20

// maxContentsValues is the most values that contents may have: a hundred
// thousand tables of sixty columns.
const maxContentsValues = 8_000_000

// Contents says what a set of a database holds. Names are as in the database's
// catalogs, not quoted, in the client encoding of Settings.
type Contents struct {
	Tables        []Table        `json:"tables,omitempty"`
	Sequences     []Sequence     `json:"sequences,omitempty"`
	Extensions    []Extension    `json:"extensions,omitempty"`
	LargeObjects  LargeObjects   `json:"large_objects"`
	Roles         []string       `json:"roles,omitempty"` // every role that the archive's SQL names
	Settings      Settings       `json:"settings"`
	Excluded      []Exclusion    `json:"excluded,omitempty"`
	Prerequisites []Prerequisite `json:"prerequisites,omitempty"`
	Exports       []Export       `json:"exports,omitempty"`
	Warnings      []string       `json:"warnings,omitempty"`
}

// Table is a relation whose rows the set holds or, if it has no Objects, whose
// rows come from elsewhere, as those of a materialized view do.
type Table struct {
	Schema  string     `json:"schema"`
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`              // "table", "materialized view"
	Columns []string   `json:"columns,omitempty"` // those in a row's COPY text, in its order
	Rows    int64      `json:"rows"`
	Digest  string     `json:"digest,omitempty"`  // of its rows, see FORMAT.md
	Filter  string     `json:"filter,omitempty"`  // WHERE clause of an extension's configuration table, which holds other rows as well
	Objects []string   `json:"objects,omitempty"` // names within the set
	Root    *TableName `json:"root,omitempty"`    // the partition root that its rows are loaded through; nil for none

	Key   *Key        `json:"key,omitempty"`   // what its rows are told apart by, where that is recorded
	Keys  string      `json:"keys,omitempty"`  // the sum of its rows' keys, 16 hexadecimal digits, see FORMAT.md
	Proof *TableProof `json:"proof,omitempty"` // the content of some rows, where Digest says nothing of all
	Delta *Delta      `json:"delta,omitempty"` // nil: Objects hold all rows
}

// TableName names a table.
type TableName struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
}

// Sequence is a sequence and its state, as setval takes it.
type Sequence struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Last   int64  `json:"last"`   // last_value
	Called bool   `json:"called"` // is_called: the next value is behind Last
}

// Extension is an extension that the target must have available.
type Extension struct {
	Name    string `json:"name"`
	Schema  string `json:"schema"`
	Version string `json:"version"`
}

// LargeObjects sums up the large objects (pg_largeobject).
type LargeObjects struct {
	Count  int64  `json:"count"`
	Digest string `json:"digest,omitempty"` // see FORMAT.md
}

// Settings are what the target database must be created with, and what a
// session must use for the same rows to have the same COPY text.
type Settings struct {
	Encoding       string `json:"encoding"`        // of the database, as pg_encoding_to_char gives it
	Collate        string `json:"collate"`         // datcollate
	CType          string `json:"ctype"`           // datctype
	LocaleProvider string `json:"locale_provider"` // "libc", "icu" or "builtin"
	Locale         string `json:"locale,omitempty"`
	ICURules       string `json:"icu_rules,omitempty"`
	ClientEncoding string `json:"client_encoding"` // of the sessions that took the backup
	LCMonetary     string `json:"lc_monetary"`
}

// Exclusion is something that the caller chose to leave out.
type Exclusion struct {
	Kind   string `json:"kind"` // what it is, in SQL's words: "TABLE", "SCHEMA"
	Name   string `json:"name"` // qualified
	Reason string `json:"reason"`
}

// Prerequisite is something that must be in the target before the set can be
// restored, since what was excluded is needed by what was not.
type Prerequisite struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	NeededBy string `json:"needed_by"`
}

// Export is the result of a query that the caller declared, taken in the
// snapshot of the set.
type Export struct {
	Name   string `json:"name"`
	SQL    string `json:"sql"`
	Rows   int64  `json:"rows"`
	Object string `json:"object"` // the name within the set
}

// ParseContents reads contents and checks what can be checked without the set.
func ParseContents(b []byte) (*Contents, error) {
	c := new(Contents)
	err := checkSize(b, MaxContentsSize, maxContentsValues)
	if err == nil {
		err = unmarshal(b, c)
	}
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	return c, nil
}

// Encode returns the bytes of contents.json before compression, the same for
// the same contents. What ParseContents would refuse is an error.
func (c *Contents) Encode() ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("contents: %w", err)
	}
	b, err := marshal(*c)
	if err == nil && len(b) > MaxContentsSize {
		err = fmt.Errorf("contents: %d bytes, at most %d are allowed", len(b), MaxContentsSize)
	}
	return b, err
}

func (c *Contents) check() error {
	seen := make(map[TableName]bool, len(c.Tables))
	for _, t := range c.Tables {
		name := TableName{t.Schema, t.Name}
		if seen[name] {
			return fmt.Errorf("table %q.%q is listed twice", t.Schema, t.Name)
		}
		seen[name] = true
		if err := t.check(); err != nil {
			return fmt.Errorf("table %q.%q: %w", t.Schema, t.Name, err)
		}
	}
	if err := checkDigest(c.LargeObjects.Digest, c.LargeObjects.Count); err != nil {
		return fmt.Errorf("large objects: %w", err)
	}
	for _, e := range c.Exports {
		if e.Rows < 0 {
			return fmt.Errorf("export %q: %d rows", e.Name, e.Rows)
		}
		if err := remote.CheckName(e.Object); err != nil {
			return fmt.Errorf("export %q: %w", e.Name, err)
		}
	}
	return nil
}

func (t *Table) check() error {
	for _, o := range t.Objects {
		if err := remote.CheckName(o); err != nil {
			return err
		}
	}
	if err := checkDigest(t.Digest, t.Rows); err != nil {
		return err
	}
	return t.checkDelta()
}

// checkDigest checks a digest against the count of rows that is beside it.
func checkDigest(digest string, rows int64) error {
	if rows < 0 {
		return fmt.Errorf("count %d is negative", rows)
	}
	if digest == "" {
		return nil
	}
	count, sum, _ := strings.Cut(digest, ":")
	if len(sum) != 32 || strings.Trim(sum, "0123456789abcdef") != "" {
		return fmt.Errorf("digest %.80q is not one", digest)
	}
	if count != strconv.FormatInt(rows, 10) {
		return errors.New("the digest " + digest + " is not of " + strconv.FormatInt(rows, 10) + " rows")
	}
	return nil
}
