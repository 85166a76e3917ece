package pgschema

import (
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// viaRoot begins the definition of a TABLE DATA entry whose rows may not all
// belong to the one table. pg_restore -j truncates the table before it loads
// any other entry, so that of two plain ones for a table one would be lost
// (is_load_via_partition_root, src/bin/pg_dump/pg_backup_archiver.c; since the
// minor releases of May 2023).
const viaRoot = "-- load via partition root "

// Split makes n entries of a table's one, each for a part of its rows, and
// returns them in order; the first is t.Entry. pg_restore remembers one data
// entry a table, so everything after the data that waits for the table or for
// its rows is made to wait for each of them.
//
// Not safe for concurrent use, and to be called once for a table at most.
func (s *Schema) Split(t *TableData, n int) []*toc.Entry {
	parts := []*toc.Entry{t.Entry}
	if n < 2 {
		return parts
	}
	if !t.Entry.Defn.Valid {
		t.Entry.Defn = toc.T(viaRoot + oneLine(t.qualified))
	}
	var ids []int
	for range n - 1 {
		s.lastID++
		part := *t.Entry
		part.DumpID = s.lastID
		part.File = toc.T(toc.DataFile(s.lastID))
		part.Deps = slices.Clone(t.Entry.Deps)
		parts = append(parts, &part)
		ids = append(ids, part.DumpID)
	}
	for _, e := range s.Entries {
		if e.Section == toc.SectionPostData && waitsFor(e, t.Entry) {
			if !slices.Contains(e.Deps, t.Entry.DumpID) {
				e.Deps = append(e.Deps, t.Entry.DumpID)
			}
			e.Deps = append(e.Deps, ids...)
		}
	}
	at := slices.Index(s.Entries, t.Entry) + 1
	s.Entries = slices.Insert(s.Entries, at, parts[1:]...)
	return parts
}

// waitsFor reports whether an entry depends on a data entry or on its table.
func waitsFor(e, data *toc.Entry) bool {
	return slices.ContainsFunc(e.Deps, func(id int) bool {
		return id == data.DumpID || slices.Contains(data.Deps, id)
	})
}
