package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// Options chooses what is read. The zero value reads the whole database.
//
// Patterns are those of psql and pg_dump: * and ? stand for any text and any
// character, double quotes keep case and take away special meaning, and a dot
// stands between schema and table. A table's pattern without a dot matches in
// every schema (pg_dump looks along the search path). A pattern of Schemas or
// Tables that matches nothing is an error, one of the others a warning.
type Options struct {
	Schemas          []string // only these schemas and what is in them
	ExcludeSchemas   []string // not these, nor what is in them
	Tables           []string // only these tables, views and sequences
	ExcludeTables    []string // not these tables, views and sequences
	ExcludeTableData []string // the definition, not the rows

	// Belongings takes along what is on the tables that Schemas or Tables choose
	// and pg_dump leaves out: their extended statistics, in whatever schema, and
	// publications' hold of them, but not the publications.
	Belongings bool

	// ExcludeObjects leaves out single objects of kinds that cannot be
	// reproduced, each as [UnsupportedError] names it: "SUBSCRIPTION orders".
	ExcludeObjects []string
}

// Schema is a database's definition as archive entries, with what a backup
// needs to know of its data.
type Schema struct {
	Version       int          // server_version_num
	Entries       []*toc.Entry // in the order of restore
	Tables        []*TableData
	Sequences     []*Sequence
	LargeObjects  []*LargeObjects
	Extensions    []Extension
	Settings      Settings
	Unfinished    *Unfinished // nil where no restore left the database incomplete
	Roles         []string    // every role that the entries name
	Excluded      []Exclusion
	Prerequisites []Prerequisite
	Warnings      []string
}

// TableData is one table whose rows are dumped.
type TableData struct {
	Entry                *toc.Entry // its TABLE DATA entry
	OID                  uint32
	Schema, Name         string
	RelKind              byte     // pg_class.relkind: 'r', the only kind with rows of its own in an archive
	Heap                 bool     // may be cut by ctid ranges
	Columns              []string // as COPY lists them: generated columns left out
	Filter               string   // WHERE clause of an extension's configuration table, or ""
	Bytes                int64    // pg_table_size, for ordering and progress
	Pages                int64    // relation size in blocks (pg_relation_size / block size)
	RootSchema, RootName string   // partition root that the rows are loaded through, or ""
}

// Sequence is one SEQUENCE SET entry; its value is read after the tables.
type Sequence struct {
	Entry        *toc.Entry
	OID          uint32
	Schema, Name string
	Last         int64
	Called       bool

	qualified string // schema.name, quoted
}

// LargeObjects is one BLOBS entry: the objects whose data one file list holds.
type LargeObjects struct {
	Entry *toc.Entry
	OIDs  []uint32
}

// Extension is an installed extension.
type Extension struct{ Name, Schema, Version string }

// Settings are the properties that a new database needs to hold the same data.
type Settings struct {
	Encoding, Collate, CType   string
	LocaleProvider             string // "libc", "icu" or "builtin"
	Locale, ICURules           string
	ClientEncoding, LCMonetary string
}

// Exclusion is something that the caller left out, or that a standby lacks: it
// has no rows of unlogged tables, and cannot tell whether there are any.
type Exclusion struct {
	Kind, Name, Reason string
	UserData           bool // rows of the user's are missing because of it
}

// Prerequisite is something that must exist before the archive restores.
type Prerequisite struct{ Kind, Name, NeededBy string }
