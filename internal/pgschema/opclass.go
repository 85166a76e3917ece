package pgschema

import (
	"fmt"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// operatorGroup is an operator class or an operator family that a user
// defined.
type operatorGroup struct {
	object
	owner   string
	method  string   // access method
	members []string // OPERATOR and FUNCTION clauses

	// Of a class:
	isDefault  bool
	typ        string // formatted
	storage    string // formatted, "-" is none
	family     uint32
	familyName string // qualified
}

var (
	_ dumpable = (*operatorGroup)(nil)
	_ tied     = (*operatorGroup)(nil)
)

// readOperatorClasses registers operator classes and families.
func (r *reader) readOperatorClasses() error {
	type row struct {
		OID                      uint32
		Name                     string
		Namespace, Owner         uint32
		Method                   string
		Default                  bool
		Type, Storage            string
		Family                   uint32
		FamilySchema, FamilyName string
	}
	add := func(rows []row, k kind, class uint32) {
		for _, row := range rows {
			g := &operatorGroup{
				object: object{
					kind: k, cat: catalogID{class, row.OID}, name: row.Name,
					nsp: find[*namespace](r, pgNamespace, row.Namespace),
				},
				owner: r.roles[row.Owner], method: row.Method, isDefault: row.Default,
				typ: row.Type, storage: row.Storage, family: row.Family,
				familyName: r.qualified(row.FamilySchema, row.FamilyName),
			}
			r.add(g)
			r.selectObject(&g.object)
		}
	}
	classes, err := query[row](r, "operator classes", `
		SELECT c.oid, c.opcname, c.opcnamespace, c.opcowner, am.amname, c.opcdefault,
		       c.opcintype::pg_catalog.regtype::pg_catalog.text, c.opckeytype::pg_catalog.regtype::pg_catalog.text,
		       c.opcfamily, n.nspname, f.opfname
		FROM pg_catalog.pg_opclass c
		JOIN pg_catalog.pg_am am ON am.oid = c.opcmethod
		JOIN pg_catalog.pg_opfamily f ON f.oid = c.opcfamily
		JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace
		WHERE c.oid >= 16384`)
	if err != nil {
		return err
	}
	add(classes, kindOpClass, pgOpClass)
	families, err := query[row](r, "operator families", `
		SELECT f.oid, f.opfname, f.opfnamespace, f.opfowner, am.amname, false, '-', '-', f.oid, '', ''
		FROM pg_catalog.pg_opfamily f JOIN pg_catalog.pg_am am ON am.oid = f.opfmethod
		WHERE f.oid >= 16384`)
	if err != nil {
		return err
	}
	add(families, kindOpFamily, pgOpFamily)
	return r.readOperatorMembers()
}

// readOperatorMembers gives operator classes and families their operators and
// functions. pg_depend says which of the two a member was added to.
func (r *reader) readOperatorMembers() error {
	operators, err := query[struct {
		Class, OID, Family   uint32
		Strategy             int
		Operator             string
		SortSchema, SortName *string
	}](r, "operators of operator classes", `
		SELECT d.refclassid, d.refobjid, ao.amopfamily, ao.amopstrategy,
		       ao.amopopr::pg_catalog.regoperator::pg_catalog.text, n.nspname, f.opfname
		FROM pg_catalog.pg_amop ao
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_amop'::pg_catalog.regclass AND d.objid = ao.oid
		LEFT JOIN pg_catalog.pg_opfamily f ON f.oid = ao.amopsortfamily
		LEFT JOIN pg_catalog.pg_namespace n ON n.oid = f.opfnamespace
		WHERE d.refobjid >= 16384
		  AND d.refclassid IN ('pg_catalog.pg_opclass'::pg_catalog.regclass, 'pg_catalog.pg_opfamily'::pg_catalog.regclass)
		ORDER BY ao.amopstrategy, ao.oid`)
	if err != nil {
		return err
	}
	for _, row := range operators {
		g := find[*operatorGroup](r, row.Class, row.OID)
		if g == nil || g.family != row.Family {
			continue
		}
		clause := fmt.Sprintf("OPERATOR %d %s", row.Strategy, row.Operator)
		if row.SortSchema != nil {
			clause += " FOR ORDER BY " + r.qualified(*row.SortSchema, *row.SortName)
		}
		g.members = append(g.members, clause)
	}
	functions, err := query[struct {
		Class, OID            uint32
		Number                int
		Function, Left, Right string
	}](r, "functions of operator classes", `
		SELECT d.refclassid, d.refobjid, ap.amprocnum, ap.amproc::pg_catalog.regprocedure::pg_catalog.text,
		       ap.amproclefttype::pg_catalog.regtype::pg_catalog.text,
		       ap.amprocrighttype::pg_catalog.regtype::pg_catalog.text
		FROM pg_catalog.pg_amproc ap
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_amproc'::pg_catalog.regclass AND d.objid = ap.oid
		WHERE d.refobjid >= 16384
		  AND d.refclassid IN ('pg_catalog.pg_opclass'::pg_catalog.regclass, 'pg_catalog.pg_opfamily'::pg_catalog.regclass)
		ORDER BY ap.amprocnum, ap.oid`)
	if err != nil {
		return err
	}
	for _, row := range functions {
		if g := find[*operatorGroup](r, row.Class, row.OID); g != nil {
			g.members = append(g.members, fmt.Sprintf("FUNCTION %d (%s, %s) %s", row.Number, row.Left, row.Right, row.Function))
		}
	}
	return nil
}

func (g *operatorGroup) ties() []string { return []string{g.method} }

func (g *operatorGroup) emit(e *emitter) {
	desc := g.kind.String()
	using := " USING " + e.r.ident(g.method)
	qualified := e.r.qualified(g.schema(), g.name)
	if g.has(compDefinition) {
		defn := g.class(qualified+"\n    ", using)
		if g.kind == kindOpFamily {
			defn = g.familyDefinition(qualified + using)
		}
		e.object(&g.object, entryOpts{
			tag: g.name, desc: desc, section: toc.SectionPreData,
			namespace: g.schema(), owner: g.owner,
			defn: defn,
			drop: "DROP " + desc + " " + qualified + using + ";\n",
		})
	}
	e.comment(&g.object, desc, e.r.ident(g.name)+using, g.owner)
}

// class is the statement that creates an operator class.
func (g *operatorGroup) class(name, using string) string {
	s := "CREATE OPERATOR CLASS " + name
	if g.isDefault {
		s += "DEFAULT "
	}
	members := g.members
	switch {
	case g.storage != "-":
		members = append([]string{"STORAGE " + g.storage}, members...)
	case len(members) == 0:
		members = []string{"STORAGE " + g.typ} // says nothing, but something must be said
	}
	return s + "FOR TYPE " + g.typ + using + " FAMILY " + g.familyName + " AS\n    " +
		strings.Join(members, " ,\n    ") + ";\n"
}

// familyDefinition is the statements that create an operator family with the
// members that no class of it has brought.
func (g *operatorGroup) familyDefinition(name string) string {
	s := "CREATE OPERATOR FAMILY " + name + ";\n"
	if len(g.members) > 0 {
		s += "ALTER OPERATOR FAMILY " + name + " ADD\n    " + strings.Join(g.members, " ,\n    ") + ";\n"
	}
	return s
}
