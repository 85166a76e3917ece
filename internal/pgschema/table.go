package pgschema

import "strings"

// Kinds of relation (pg_class.relkind, src/include/catalog/pg_class.h).
const (
	relTable       = 'r'
	relSequence    = 'S'
	relView        = 'v'
	relMatView     = 'm'
	relComposite   = 'c'
	relForeign     = 'f'
	relPartitioned = 'p'
)

// table is a relation of any kind but an index: what pg_dump calls a table.
type table struct {
	object
	relkind     byte
	persistence byte // 'p' permanent, 'u' unlogged, 't' temporary
	replident   byte // 'd' default, 'n' nothing, 'f' full, 'i' index
	rowType     uint32
	owner       string // role name
	ownerOID    uint32
	tablespace  string // "" is the database's
	fileNode    uint32
	am          string // access method, "" for a relation without storage

	hasIndex, hasRules, hasTriggers bool
	rowSecurity, forceRowSecurity   bool
	populated                       bool
	partition                       bool
	unsafePartitions                bool // rows may belong elsewhere after a restore
	interesting                     bool // its columns are needed
	dummyView                       bool // a dependency loop makes it start with no body

	checkCount   int
	options      []string // reloptions without check_option
	checkOption  string   // LOCAL, CASCADED or ""
	toastOptions []string

	owningTable  uint32 // of a sequence that belongs to a column
	owningColumn int
	identity     bool // the sequence of an identity column

	ofType        string // row type that the table was made of, formatted, or ""
	partitionKey  string
	partitionOf   string // bound, as FOR VALUES prints it
	definition    string // of a view, without its semicolon
	server        string // of a foreign table
	serverOptions string
	sequence      *sequenceShape

	parents []*table
	columns []*column // by attribute number less 1; dropped ones too
	checks  []*constraint
	indexes []*index
	data    *tableData
}

var _ dumpable = (*table)(nil)

func (t *table) oid() uint32 { return t.cat.oid }

// foreign is the word that ALTER TABLE wants before TABLE.
func (t *table) foreign() string {
	if t.relkind == relForeign {
		return "FOREIGN "
	}
	return ""
}

// hasTablespace reports whether the relation has a file of its own, and so a
// tablespace (RELKIND_HAS_TABLESPACE, src/include/catalog/pg_class.h).
func (t *table) hasTablespace() bool {
	return t.relkind == relTable || t.relkind == relMatView || t.relkind == relPartitioned
}

// class is what the archive calls the relation.
func (t *table) class() string {
	switch t.relkind {
	case relView:
		return "VIEW"
	case relMatView:
		return "MATERIALIZED VIEW"
	case relForeign:
		return "FOREIGN TABLE"
	case relSequence:
		return "SEQUENCE"
	}
	return "TABLE"
}

// column is one attribute of a table.
type column struct {
	number      int
	name        string
	typ         string // formatted, with its modifier
	statTarget  int    // -1: the default
	storage     byte
	typStorage  byte
	compression byte
	identity    byte // 'a' always, 'd' by default, 0 none
	generated   byte // 's' stored, 'v' virtual, 0 none
	dropped     bool
	local       bool
	hasDefault  bool
	options     string // SET (...) text
	fdwOptions  string
	collation   uint32 // when it is not the type's, else 0
	notNull     notNull
	def         *columnDefault
}

// notNull is a column's NOT NULL constraint.
type notNull struct {
	set       bool   // a valid constraint exists
	name      string // "": printed without a name
	local     bool
	noInherit bool
	invalid   bool // NOT VALID: an object of its own
	comment   *string
}

// prints reports whether CREATE TABLE lists the column: not when it is
// inherited without a definition of its own. A partition lists all of them,
// because it is created alone and attached.
func (t *table) prints(c *column) bool {
	return !c.dropped && (c.local || t.partition)
}

// copyList is the column list of COPY, with its parentheses; "" when the
// table has no column to copy.
func (t *table) copyList(r *reader) string {
	names := t.copyColumns()
	if len(names) == 0 {
		return ""
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = r.ident(name)
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

// copyColumns are the names of the columns whose values are data.
func (t *table) copyColumns() []string {
	var names []string
	for _, c := range t.columns {
		if !c.dropped && c.generated == 0 {
			names = append(names, c.name)
		}
	}
	return names
}

// root is the partitioned table at the top of a partition's tree.
func (t *table) root() *table {
	for t.partition && len(t.parents) == 1 {
		t = t.parents[0]
	}
	return t
}

// loadsByRoot reports whether the rows must be loaded through the partition
// root, because an ancestor's partitioning may place them elsewhere.
func (t *table) loadsByRoot() bool {
	for t.partition && len(t.parents) == 1 {
		t = t.parents[0]
		if t.unsafePartitions {
			return true
		}
	}
	return false
}
