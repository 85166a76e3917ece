package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// operator is an operator that a user defined. Functions and types are named
// by regprocedure and regtype output; "-" is none.
type operator struct {
	object
	operatorRow
	owner string
	args  []*dataType // left and right, those that are there
}

type operatorRow struct {
	OID                             uint32
	Name                            string
	Namespace, Owner                uint32
	Kind                            byte // 'b' infix, 'l' prefix, 'r' postfix (13 only)
	LeftOID, RightOID               uint32
	Function, Left, Right           string
	Commutator, Negator             *string
	CommutatorSchema, NegatorSchema *string
	Merges, Hashes                  bool
	Restrict, Join                  string
}

var (
	_ dumpable = (*operator)(nil)
	_ tied     = (*operator)(nil)
)

func (r *reader) readOperators() error {
	rows, err := query[operatorRow](r, "operators", `
		SELECT o.oid, o.oprname, o.oprnamespace, o.oprowner, o.oprkind, o.oprleft, o.oprright,
		       o.oprcode::pg_catalog.regprocedure::pg_catalog.text,
		       o.oprleft::pg_catalog.regtype::pg_catalog.text, o.oprright::pg_catalog.regtype::pg_catalog.text,
		       c.oprname, n.oprname, cn.nspname, nn.nspname, o.oprcanmerge, o.oprcanhash,
		       o.oprrest::pg_catalog.regprocedure::pg_catalog.text, o.oprjoin::pg_catalog.regprocedure::pg_catalog.text
		FROM pg_catalog.pg_operator o
		LEFT JOIN pg_catalog.pg_operator c ON c.oid = o.oprcom
		LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = c.oprnamespace
		LEFT JOIN pg_catalog.pg_operator n ON n.oid = o.oprnegate
		LEFT JOIN pg_catalog.pg_namespace nn ON nn.oid = n.oprnamespace
		WHERE o.oid >= 16384`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		o := &operator{
			object: object{
				kind: kindOperator, cat: catalogID{pgOperator, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			operatorRow: row, owner: r.roles[row.Owner],
			args: r.types([]uint32{row.LeftOID, row.RightOID}),
		}
		r.add(o)
		r.selectObject(&o.object)
	}
	return nil
}

// ties sort postfix, prefix and infix operators, then by argument types.
func (o *operator) ties() []string {
	key := []string{map[byte]string{'r': "0", 'l': "1", 'b': "2"}[o.Kind]}
	for _, t := range o.args {
		key = append(key, t.schema(), t.name)
	}
	return key
}

func (o *operator) emit(e *emitter) {
	if o.Function == "-" {
		return // named by another one only, and never defined
	}
	identity := o.name + " (" + operand(o.Left) + ", " + operand(o.Right) + ")"
	if o.has(compDefinition) {
		schema := e.r.ident(o.schema()) + "."
		e.object(&o.object, entryOpts{
			tag: o.name, desc: "OPERATOR", section: toc.SectionPreData,
			namespace: o.schema(), owner: o.owner,
			defn: "CREATE OPERATOR " + schema + o.name + " (\n" + o.details(e.r) + "\n);\n",
			drop: "DROP OPERATOR " + schema + identity + ";\n",
		})
	}
	e.comment(&o.object, "OPERATOR", identity, o.owner)
}

// operand is an argument type in the name of an operator.
func operand(typ string) string {
	if typ == "-" {
		return "NONE"
	}
	return typ
}

// details are the parameters of CREATE OPERATOR, a line each.
func (o *operator) details(r *reader) string {
	var params []string
	add := func(set bool, param string) {
		if set {
			params = append(params, "    "+param)
		}
	}
	other := func(clause string, schema, name *string) {
		if schema != nil && name != nil {
			add(true, clause+" = OPERATOR("+r.ident(*schema)+"."+*name+")")
		}
	}
	add(true, "FUNCTION = "+withoutArguments(o.Function))
	add(o.Left != "-", "LEFTARG = "+o.Left)
	add(o.Right != "-", "RIGHTARG = "+o.Right)
	other("COMMUTATOR", o.CommutatorSchema, o.Commutator)
	other("NEGATOR", o.NegatorSchema, o.Negator)
	add(o.Merges, "MERGES")
	add(o.Hashes, "HASHES")
	add(o.Restrict != "-", "RESTRICT = "+withoutArguments(o.Restrict))
	add(o.Join != "-", "JOIN = "+withoutArguments(o.Join))
	return strings.Join(params, ",\n")
}

// withoutArguments is the name in regprocedure output. It differs from regproc
// output, which qualifies the name of every overloaded function.
func withoutArguments(function string) string {
	quoted := false
	for i, c := range function {
		switch {
		case c == '"':
			quoted = !quoted
		case c == '(' && !quoted:
			return function[:i]
		}
	}
	return function
}
