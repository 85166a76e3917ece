package toc

import "slices"

// Split makes n entries of one TABLE DATA entry, each for a part of the table's
// rows, and returns all entries with them, and those n in order; the first is
// data itself. pg_restore -j truncates a table before it loads any entry but
// those that begin with [LoadViaPartitionRoot], so that of two plain ones for a
// table one would be lost (is_load_via_partition_root,
// src/bin/pg_dump/pg_backup_archiver.c; since the minor releases of May 2023),
// and it remembers one data entry a table: what comes after the data and waits
// for the table or for its rows is made to wait for each part.
//
// A table's entry is split once at most; [Join] undoes it.
func Split(entries []*Entry, data *Entry, n int) (all, parts []*Entry) {
	parts = []*Entry{data}
	if n < 2 {
		return entries, parts
	}
	if !data.Defn.Valid {
		data.Defn = viaItself(data)
	}
	var ids []int
	last := lastID(entries)
	for id := last + 1; id < last+n; id++ {
		part := *data
		part.DumpID = id
		part.File = T(DataFile(id))
		part.Deps = slices.Clone(data.Deps)
		parts = append(parts, &part)
		ids = append(ids, id)
	}
	for _, e := range entries {
		if e.Section == SectionPostData && waitsFor(e, data) {
			if !slices.Contains(e.Deps, data.DumpID) {
				e.Deps = append(e.Deps, data.DumpID)
			}
			e.Deps = append(e.Deps, ids...)
		}
	}
	return slices.Insert(entries, slices.Index(entries, data)+1, parts[1:]...), parts
}

// Join makes one TABLE DATA entry, the first, of each table's several, and
// returns the entries without the others.
func Join(entries []*Entry) []*Entry {
	type table struct{ schema, name string }
	first, gone := map[table]*Entry{}, map[int]bool{}
	for _, e := range entries {
		if e.Desc != "TABLE DATA" {
			continue
		}
		t := table{e.Namespace.S, e.Tag}
		if first[t] == nil {
			first[t] = e
			continue
		}
		gone[e.DumpID] = true
		if first[t].Defn == viaItself(first[t]) {
			first[t].Defn = Text{}
		}
	}
	entries = slices.DeleteFunc(slices.Clone(entries), func(e *Entry) bool { return gone[e.DumpID] })
	for _, e := range entries {
		e.Deps = slices.DeleteFunc(e.Deps, func(id int) bool { return gone[id] })
	}
	return entries
}

// viaItself is the definition of a data entry that is one of several of its table.
func viaItself(data *Entry) Text {
	return T(LoadViaPartitionRoot + oneLine(T(dialect(NewestMajor).qualified(data.Namespace.S, data.Tag))))
}

// lastID is the highest dump ID that an entry has, or waits for: pg_dump keeps
// dependencies on what it leaves out.
func lastID(entries []*Entry) (last int) {
	for _, e := range entries {
		last = max(last, e.DumpID)
		for _, id := range e.Deps {
			last = max(last, id)
		}
	}
	return last
}

// waitsFor reports whether an entry depends on a data entry or on its table.
func waitsFor(e, data *Entry) bool {
	return slices.ContainsFunc(e.Deps, func(id int) bool {
		return id == data.DumpID || slices.Contains(data.Deps, id)
	})
}
