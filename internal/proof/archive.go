package proof

import (
	"fmt"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// CheckArchive holds a set's archive against its contents.json and its
// manifest: every data entry has its object, every object with rows is loaded
// once, by a COPY, and into the table whose digest it is part of.
func CheckArchive(m *manifest.Manifest, c *manifest.Contents, a *toc.Archive) []*DamageError {
	var found []*DamageError
	find := func(object, format string, args ...any) {
		found = append(found, &DamageError{Set: m.ID, Object: object, Err: fmt.Errorf(format, args...)})
	}
	tables := map[string]manifest.TableName{} // by object
	for _, t := range c.Tables {
		for _, name := range t.Objects {
			tables[name] = manifest.TableName{Schema: t.Schema, Name: t.Name}
		}
	}
	loaded := map[string]bool{}
	for _, e := range a.Entries {
		if e.File.String() == "" {
			continue
		}
		name, ok := Stored(m, e.File.String())
		if !ok {
			find(e.File.String(), "the archive's entry %s needs it, the manifest does not list it", e)
			continue
		}
		if loaded[name] {
			find(name, "the archive's entry %s loads it again", e)
		}
		loaded[name] = true
		if e.Desc != "TABLE DATA" {
			continue
		}
		if t, known := tables[name]; !known {
			find(name, "the archive has rows in it that contents.json does not know of")
		} else if t.Schema != e.Namespace.String() || t.Name != e.Tag {
			find(name, "the archive's entry %s loads it, but contents.json has it for table %s.%s", e, t.Schema, t.Name)
		}
		if _, err := e.CopyFrom(); err != nil {
			find(toc.FileName, "%w", err)
		}
	}
	for _, t := range c.Tables {
		for _, name := range t.Objects {
			if _, listed := m.Object(name); !listed {
				find(name, "table %s.%s has rows in it, the manifest does not list it", t.Schema, t.Name)
			} else if !loaded[name] {
				find(name, "table %s.%s has rows in it, but no entry of the archive loads it", t.Schema, t.Name)
			}
		}
		if len(t.Objects) == 0 && t.Rows > 0 {
			find(manifest.ContentsName, "table %s.%s has %d rows, but no object", t.Schema, t.Name, t.Rows)
		}
	}
	return found
}
