package pgschema

import (
	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// Kinds of type (pg_type.typtype, src/include/catalog/pg_type.h).
const (
	typBase       = 'b'
	typComposite  = 'c'
	typDomain     = 'd'
	typEnum       = 'e'
	typMultirange = 'm'
	typPseudo     = 'p'
	typRange      = 'r'
)

// dataType is a type of any kind, the built-in ones included: functions and
// casts are named by their argument types.
type dataType struct {
	object
	typtype   byte
	formatted string // as SQL names it, qualified where it must be
	owner     string
	elem      uint32 // of an array type, or of a base type with subscripts
	relation  uint32 // pg_class row of a composite type
	relkind   byte
	defined   bool // false: only CREATE TYPE name was ever said
	array     bool // made along with its element type

	shellType *shellType // of a base or range type: what its functions name
	body      typeBody   // how it is written, nil when it is not dumped
}

var (
	_ dumpable = (*dataType)(nil)
	_ shelled  = (*dataType)(nil)
)

// typeBody is what tells the kinds of type apart.
type typeBody interface {
	// statement is what creates the type called name (qualified).
	statement(r *reader, t *dataType, name string) string
	// parts emits what belongs to parts of the type: their comments.
	parts(e *emitter, t *dataType)
}

// noParts is embedded by types whose parts cannot have comments.
type noParts struct{}

func (noParts) parts(*emitter, *dataType) {}

// shellType announces a base or range type before the functions that it is
// made of. It has no row in a catalog: the type's dependencies are not its own.
type shellType struct {
	object
	base *dataType
}

var _ dumpable = (*shellType)(nil)

func (t *dataType) shell() *object {
	if t.shellType == nil {
		return nil
	}
	return &t.shellType.object
}

// readTypes registers all types, and reads how those that are dumped are
// written.
func (r *reader) readTypes() error {
	rows, err := query[struct {
		OID              uint32
		Name             string
		Namespace, Owner uint32
		Elem, Relation   uint32
		RelKind, Type    byte
		Defined, Array   bool
		Formatted        string
	}](r, "types", `
		SELECT t.oid, t.typname, t.typnamespace, t.typowner, t.typelem, t.typrelid,
		       coalesce(c.relkind, ' '), t.typtype, t.typisdefined,
		       t.typname[0] = '_' AND t.typelem <> 0 AND el.typarray = t.oid IS TRUE,
		       pg_catalog.format_type(t.oid, NULL)
		FROM pg_catalog.pg_type t
		LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
		LEFT JOIN pg_catalog.pg_type el ON el.oid = t.typelem`)
	if err != nil {
		return err
	}
	dumped := make(map[byte][]uint32) // by kind
	for _, row := range rows {
		t := &dataType{
			object: object{
				kind: kindType, cat: catalogID{pgType, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			typtype: row.Type, formatted: row.Formatted, owner: r.roles[row.Owner],
			elem: row.Elem, relation: row.Relation, relkind: row.RelKind,
			defined: row.Defined, array: row.Array,
		}
		if t.ofTable() || t.array || t.typtype == typMultirange {
			t.kind = kindDummyType
		}
		r.add(t)
		r.selectType(t)
		if t.kind == kindType && t.has(compDefinition) {
			dumped[t.typtype] = append(dumped[t.typtype], row.OID)
			r.addShellType(t)
		}
	}
	return r.readTypeBodies(dumped)
}

// ofTable reports whether the type is the row type of a table or view.
func (t *dataType) ofTable() bool { return t.relation != 0 && t.relkind != relComposite }

// selectType decides what of a type is dumped. The row type of a table goes
// with the table; an array type has the flag of its element's schema, because
// casts ask for it.
func (r *reader) selectType(t *dataType) {
	if t.ofTable() {
		if table := find[*table](r, pgClass, t.relation); table != nil {
			t.dump = table.dump
		}
		return
	}
	r.selectObject(&t.object)
}

// addShellType gives a type that is made of functions its announcement. Sorting
// decides whether it is needed.
func (r *reader) addShellType(t *dataType) {
	if t.typtype != typBase && t.typtype != typRange {
		return
	}
	t.shellType = &shellType{
		object: object{kind: kindShellType, name: t.name, nsp: t.nsp},
		base:   t,
	}
	r.add(t.shellType)
}

// typeName is a type as SQL names it; NONE is no type.
func (r *reader) typeName(oid uint32) string {
	if t := find[*dataType](r, pgType, oid); t != nil {
		return t.formatted
	}
	return "NONE"
}

// readTypeBodies reads the details of the types that are dumped, a few queries
// for each kind.
func (r *reader) readTypeBodies(dumped map[byte][]uint32) error {
	for _, kind := range []struct {
		typtype byte
		read    func(oids []uint32) error
	}{
		{typEnum, r.readEnums},
		{typComposite, r.readComposites},
		{typDomain, r.readDomains},
		{typDomain, r.readDomainConstraints},
		{typRange, r.readRanges},
		{typBase, r.readBaseTypes},
	} {
		if oids := dumped[kind.typtype]; len(oids) > 0 {
			if err := kind.read(oids); err != nil {
				return err
			}
		}
	}
	for _, oid := range dumped[typPseudo] {
		find[*dataType](r, pgType, oid).body = undefinedType{}
	}
	return nil
}

// undefinedType is a type that was announced and never made.
type undefinedType struct{ noParts }

func (undefinedType) statement(r *reader, t *dataType, name string) string {
	return "CREATE TYPE " + name + ";\n"
}

func (t *dataType) emit(e *emitter) {
	if t.kind == kindDummyType {
		return
	}
	desc, cascade := "TYPE", ""
	switch t.typtype {
	case typDomain:
		desc = "DOMAIN"
	case typBase:
		cascade = " CASCADE" // the type and its functions need each other
	}
	name, qualified := e.r.ident(t.name), e.r.qualified(t.schema(), t.name)
	if t.has(compDefinition) {
		e.object(&t.object, entryOpts{
			tag: t.name, desc: desc, section: toc.SectionPreData,
			namespace: t.schema(), owner: t.owner,
			defn: t.body.statement(e.r, t, qualified),
			drop: "DROP " + desc + " " + qualified + cascade + ";\n",
		})
	}
	e.describe(&t.object, desc, name, t.owner)
	e.acl(&t.object, "TYPE", name, t.owner)
	if t.body != nil {
		t.body.parts(e, t)
	}
}

func (s *shellType) emit(e *emitter) {
	if !s.has(compDefinition) {
		return
	}
	// No DROP statement: that also keeps a reader of the archive from setting
	// the owner before the type is complete.
	e.object(&s.object, entryOpts{
		tag: s.name, desc: "SHELL TYPE", section: toc.SectionPreData,
		namespace: s.schema(), owner: s.base.owner,
		defn: "CREATE TYPE " + e.r.qualified(s.schema(), s.name) + ";\n",
	})
}
