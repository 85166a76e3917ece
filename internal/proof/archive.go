package proof

import (
	"fmt"
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// ArchiveName is the name of a set's archive, before what compression and
// encryption add to it.
func ArchiveName(m *manifest.Manifest) string {
	if m.Kind == manifest.Incremental {
		return manifest.ArchiveName
	}
	return toc.FileName
}

// CheckArchive holds a set's archive against its contents.json and its
// manifest: every data entry has its object, every object with rows is loaded
// once, by a COPY, and into the table whose digest it is part of. A table of
// which the set has changes alone has one entry that says how they are loaded,
// and objects that it need not name.
func CheckArchive(m *manifest.Manifest, c *manifest.Contents, a *toc.Archive) []*DamageError {
	k := &archiveCheck{set: m, objects: map[string]manifest.TableName{}, changes: map[manifest.TableName]int{}, loaded: map[string]bool{}}
	for _, t := range c.Tables {
		k.expect(t)
	}
	for _, e := range a.Entries {
		if e.File.String() != "" {
			k.entry(e)
		}
	}
	for _, t := range c.Tables {
		k.table(t)
	}
	return k.found
}

type archiveCheck struct {
	set     *manifest.Manifest
	objects map[string]manifest.TableName // by object
	changes map[manifest.TableName]int    // tables of which there are changes alone, and how many entries each has
	loaded  map[string]bool
	found   []*DamageError
}

func (k *archiveCheck) find(object, format string, args ...any) {
	k.found = append(k.found, &DamageError{Set: k.set.ID, Object: object, Err: fmt.Errorf(format, args...)})
}

// expect notes what a table's rows and keys are in.
func (k *archiveCheck) expect(t manifest.Table) {
	name := manifest.TableName{Schema: t.Schema, Name: t.Name}
	objects := t.Objects
	if t.Delta != nil {
		k.changes[name] = 0
		if t.Delta.Kept != "" {
			objects = append(slices.Clip(objects), t.Delta.Kept)
		}
		if k.set.Kind != manifest.Incremental {
			k.find(manifest.ContentsName, "table %s.%s has changes alone, but the set builds on none", t.Schema, t.Name)
		}
	}
	for _, object := range objects {
		if other, twice := k.objects[object]; twice {
			k.find(object, "table %s.%s has rows in it, and so has %s.%s", t.Schema, t.Name, other.Schema, other.Name)
		}
		k.objects[object] = name
	}
}

// entry looks at an entry that has data.
func (k *archiveCheck) entry(e *toc.Entry) {
	if e.Desc == "TABLE DATA" {
		if _, err := e.CopyFrom(); err != nil {
			k.find(ArchiveName(k.set), "%w", err)
		}
		name := manifest.TableName{Schema: e.Namespace.String(), Name: e.Tag}
		if _, changes := k.changes[name]; changes {
			k.changes[name]++
			return
		}
	}
	name, ok := Stored(k.set, e.File.String())
	if !ok {
		k.find(e.File.String(), "the archive's entry %s needs it, the manifest does not list it", e)
		return
	}
	if k.loaded[name] {
		k.find(name, "the archive's entry %s loads it again", e)
	}
	k.loaded[name] = true
	if e.Desc != "TABLE DATA" {
		return
	}
	if t, known := k.objects[name]; !known {
		k.find(name, "the archive has rows in it that contents.json does not know of")
	} else if t.Schema != e.Namespace.String() || t.Name != e.Tag {
		k.find(name, "the archive's entry %s loads it, but contents.json has it for table %s.%s", e, t.Schema, t.Name)
	}
}

// table looks at a table when all entries were.
func (k *archiveCheck) table(t manifest.Table) {
	if t.Delta != nil {
		if n := k.changes[manifest.TableName{Schema: t.Schema, Name: t.Name}]; n != 1 {
			k.find(ArchiveName(k.set), "it has %d entries that load the changes of table %s.%s", n, t.Schema, t.Name)
		}
		if err := checkStored(k.set, t); err != nil {
			k.find(manifest.ContentsName, "table %s.%s: %w", t.Schema, t.Name, err)
		}
		return
	}
	for _, name := range t.Objects {
		if _, listed := k.set.Object(name); !listed {
			k.find(name, "table %s.%s has rows in it, the manifest does not list it", t.Schema, t.Name)
		} else if !k.loaded[name] {
			k.find(name, "table %s.%s has rows in it, but no entry of the archive loads it", t.Schema, t.Name)
		}
	}
	if len(t.Objects) == 0 && t.Rows > 0 {
		k.find(manifest.ContentsName, "table %s.%s has %d rows, but no object", t.Schema, t.Name, t.Rows)
	}
}
