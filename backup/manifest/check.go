package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/assist-move-assist/pgcofre/remote"
)

// NewerFormatError is returned for a manifest whose format this package does
// not know yet.
type NewerFormatError struct {
	Format   int
	Producer string // what wrote it; "" if it does not say
}

func (e *NewerFormatError) Error() string {
	by := ""
	if e.Producer != "" {
		by = fmt.Sprintf(", written by %q,", e.Producer)
	}
	return fmt.Sprintf("manifest format %d%s is newer than %d, the newest that this program reads: use a newer release of it", e.Format, by, FormatVersion)
}

// checkFormat looks at the format alone, as a newer one may change all else.
func checkFormat(b []byte) error {
	var head struct {
		Format   int
		Producer json.RawMessage
	}
	err := json.Unmarshal(b, &head)
	switch {
	case head.Format > FormatVersion:
		var producer string
		_ = json.Unmarshal(head.Producer, &producer) // it says, or it does not
		return &NewerFormatError{head.Format, producer}
	case err != nil:
		return fmt.Errorf("manifest: %w", err)
	case head.Format < 1:
		return fmt.Errorf("manifest: it has no format, or format %d: is it one?", head.Format)
	}
	return nil
}

func (m *Manifest) check() error {
	if err := CheckID(m.ID); err != nil {
		return err
	}
	switch {
	case KindOf(m.ID) != m.Kind:
		return fmt.Errorf("kind %q in a set named %s", m.Kind, m.ID)
	case m.Scope != Whole && m.Scope != Part:
		return fmt.Errorf("unknown scope %q", m.Scope)
	case m.Purpose != Backup && m.Purpose != Safety && m.Purpose != Consolidated:
		return fmt.Errorf("unknown purpose %q", m.Purpose)
	case m.Kind == Incremental && len(m.Parents) == 0:
		return errors.New("incremental without a parent")
	case m.Start.IsZero() || m.End.IsZero() || m.DataTime.IsZero():
		return errors.New("start, end or data_time is missing")
	case !isYear(m.Start) || !isYear(m.End) || !isYear(m.DataTime):
		return errors.New("start, end or data_time is of no year between 1 and 9999")
	}
	if err := checkLabel("source", m.Source); err != nil {
		return err
	}
	if m.Group != "" {
		if err := checkLabel("group", m.Group); err != nil {
			return err
		}
	}
	return errors.Join(m.checkRelated(), m.checkObjects())
}

// checkRelated checks the names of other sets.
func (m *Manifest) checkRelated() error {
	named := map[string]bool{m.ID: true}
	for _, p := range m.Parents {
		if err := CheckID(p.ID); err != nil {
			return fmt.Errorf("parent: %w", err)
		}
		if !isSHA256(p.SHA256) {
			return fmt.Errorf("parent %s: sha256 %q is not one", p.ID, p.SHA256)
		}
		if named[p.ID] {
			return fmt.Errorf("parent %s is the set itself, or named twice", p.ID)
		}
		named[p.ID] = true
	}
	for _, r := range m.Refs {
		if err := CheckID(r.Set); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
		if r.Set == m.ID {
			return fmt.Errorf("reference to %s in the set itself", r.Object)
		}
		if err := remote.CheckName(r.Set + "/" + r.Object); err != nil {
			return fmt.Errorf("reference: %w", err)
		}
	}
	return nil
}

func (m *Manifest) checkObjects() error {
	var stored, raw int64
	for i, o := range m.Objects {
		if err := remote.CheckName(o.Name); err != nil {
			return fmt.Errorf("object: %w", err)
		}
		if err := remote.CheckName(m.ID + "/" + o.Name); err != nil {
			return fmt.Errorf("object: %w", err)
		}
		switch {
		case o.Name == Name:
			return errors.New("object: the manifest lists itself")
		case i > 0 && o.Name == m.Objects[i-1].Name:
			return fmt.Errorf("object %s is listed twice", o.Name)
		case i > 0 && o.Name < m.Objects[i-1].Name:
			return fmt.Errorf("object %s is listed after %s: they must be in name order", o.Name, m.Objects[i-1].Name)
		case o.Size < 0 || o.Raw < 0 || o.Size > math.MaxInt64-stored || o.Raw > math.MaxInt64-raw:
			return fmt.Errorf("object %s: impossible size %d, raw %d", o.Name, o.Size, o.Raw)
		case !isSHA256(o.SHA256):
			return fmt.Errorf("object %s: sha256 %q is not one", o.Name, o.SHA256)
		}
		stored += o.Size
		raw += o.Raw
	}
	return nil
}

// checkLabel checks what people name things by.
func checkLabel(what, s string) error {
	if s == "" || len(s) > 200 || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s %q: want 1 to 200 bytes without control characters", what, s[:min(len(s), 200)])
	}
	return nil
}

// isYear tells whether a time's year in UTC has the four digits that JSON and
// the folders of months have room for: "9999-12-31T23:00:00-02:00" does not.
func isYear(t time.Time) bool {
	year := t.UTC().Year()
	return year >= 1 && year <= 9999
}

func isSHA256(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
