package pgschema

import (
	"slices"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// kind is what an object is. The order of the constants breaks ties between
// kinds that share a priority, as pg_dump's enumeration does.
type kind int

const (
	kindNamespace kind = iota + 1
	kindExtension
	kindType
	kindShellType
	kindFunc
	kindAgg
	kindOperator
	kindAccessMethod
	kindOpClass
	kindOpFamily
	kindCollation
	kindConversion
	kindTable
	kindTableAttach
	kindAttrDef
	kindIndex
	kindIndexAttach
	kindStatsExt
	kindRule
	kindTrigger
	kindConstraint
	kindFKConstraint
	kindProcLang
	kindCast
	kindTableData
	kindSequenceSet
	kindDummyType
	kindTSParser
	kindTSDict
	kindTSTemplate
	kindTSConfig
	kindFDW
	kindForeignServer
	kindDefaultACL
	kindTransform
	kindLargeObject
	kindLargeObjectData
	kindPreDataBoundary
	kindPostDataBoundary
	kindEventTrigger
	kindRefreshMatView
	kindPolicy
	kindPublication
	kindPublicationRel
	kindPublicationSchema
	kindSubscription
)

// OIDs of the catalogs that objects live in (stable across releases:
// src/include/catalog/*.h).
const (
	pgAccessMethod      uint32 = 2601
	pgAttrDef           uint32 = 2604
	pgCast              uint32 = 2605
	pgClass             uint32 = 1259
	pgCollation         uint32 = 3456
	pgConstraint        uint32 = 2606
	pgConversion        uint32 = 2607
	pgDatabase          uint32 = 1262
	pgDefaultACL        uint32 = 826
	pgEventTrigger      uint32 = 3466
	pgExtension         uint32 = 3079
	pgFDW               uint32 = 2328
	pgForeignServer     uint32 = 1417
	pgLanguage          uint32 = 2612
	pgLargeObject       uint32 = 2613
	pgNamespace         uint32 = 2615
	pgOpClass           uint32 = 2616
	pgOperator          uint32 = 2617
	pgOpFamily          uint32 = 2753
	pgPolicy            uint32 = 3256
	pgProc              uint32 = 1255
	pgPublication       uint32 = 6104
	pgPublicationSchema uint32 = 6237
	pgPublicationRel    uint32 = 6106
	pgRewrite           uint32 = 2618
	pgStatisticExt      uint32 = 3381
	pgSubscription      uint32 = 6100
	pgTransform         uint32 = 3576
	pgTrigger           uint32 = 2620
	pgTSConfig          uint32 = 3602
	pgTSDict            uint32 = 3600
	pgTSParser          uint32 = 3601
	pgTSTemplate        uint32 = 3764
	pgType              uint32 = 1247
)

// firstNormalOID is the first OID that a user's object can have
// (src/include/access/transam.h, FirstNormalObjectId).
const firstNormalOID = 16384

// catalogID names an object as pg_depend does: catalog and row.
type catalogID struct{ class, oid uint32 }

// component is a part of an object that may or may not be dumped.
type component uint8

const (
	compDefinition component = 1 << iota
	compData
	compComment
	compSecLabel
	compACL
	compPolicy
	compUserMap

	compNone component = 0
	compAll  component = 0x7f
)

// object is what all dumpable things share; the families embed it.
type object struct {
	id    int // dump ID, unique in one archive
	kind  kind
	cat   catalogID // zero for what has no catalog row of its own
	name  string    // what ties are broken by; not always the entry's tag
	nsp   *namespace
	deps  []int     // dump IDs; may repeat, may name what is not dumped
	dump  component // what of it is dumped
	extID int       // dump ID of the extension that it is a member of, or 0

	// of is the dump ID of the table, view or domain whose own statement holds
	// this object (a CHECK or domain constraint, a column default, a view's ON
	// SELECT rule), or 0. A dependency loop may force it out of there: then
	// separate is set, and it emits an entry of its own.
	of       int
	separate bool

	// postponed is set on a materialized view or function that a dependency
	// loop forces behind the data.
	postponed bool
}

// section is where an object that a loop may postpone belongs.
func (o *object) section() toc.Section {
	if o.postponed {
		return toc.SectionPostData
	}
	return toc.SectionPreData
}

// tied is an object whose kind, schema and name do not say which it is: two
// functions of one name, two tables' triggers. ties is the rest of its key,
// compared one string after the other.
type tied interface{ ties() []string }

// shelled is a type that may need a shell type of its own before the functions
// that implement it; shell is nil where it has none.
type shelled interface{ shell() *object }

// dumpable is an object of any family.
type dumpable interface {
	obj() *object
	// emit appends the object's entries: its definition and, behind it, its
	// comment, security label and privileges. Called once, in dump order,
	// after every family has read its catalogs; it must run no query.
	emit(e *emitter)
}

func (o *object) obj() *object { return o }

func (o *object) has(c component) bool { return o.dump&c != 0 }

func (o *object) dependOn(id int) { o.deps = append(o.deps, id) }

func (o *object) dropDep(id int) {
	o.deps = slices.DeleteFunc(o.deps, func(d int) bool { return d == id })
}

// schema is the name of the object's schema, or "".
func (o *object) schema() string {
	if o.nsp == nil {
		return ""
	}
	return o.nsp.name
}
