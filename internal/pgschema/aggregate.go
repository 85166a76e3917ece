package pgschema

import (
	"strconv"
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// aggregate is an aggregate function. Functions are named by regproc output,
// quoted and qualified as needed; "-" is none.
type aggregate struct {
	function
	def *aggregateBody
}

var (
	_ dumpable = (*aggregate)(nil)
	_ tied     = (*aggregate)(nil)
)

type aggregateBody struct {
	OID                              uint32
	Kind                             byte // 'n' normal, 'o' ordered-set, 'h' hypothetical-set
	Arguments, Identity              string
	Transition, StateType            string
	StateSpace                       int
	Initial                          *string
	Final                            string
	FinalExtra                       bool
	FinalModify                      byte
	Combine, Serialize, Deserialize  string
	MovingTransition, MovingInverse  string
	MovingType                       string
	MovingSpace                      int
	MovingInitial                    *string
	MovingFinal                      string
	MovingExtra                      bool
	MovingModify                     byte
	SortOperatorSchema, SortOperator *string
	Parallel                         byte
}

// readAggregates registers the aggregates, and reads how those that are dumped
// are written.
func (r *reader) readAggregates() error {
	rows, err := query[struct {
		OID              uint32
		Name             string
		Namespace, Owner uint32
		Args             []uint32
	}](r, "aggregates", `
		SELECT p.oid, p.proname, p.pronamespace, p.proowner, p.proargtypes::pg_catalog.oid[]
		FROM pg_catalog.pg_proc p`+functionPrivileges+`
		WHERE p.prokind = 'a'
		  AND (p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace OR p.proacl IS DISTINCT FROM i.initprivs)`)
	if err != nil {
		return err
	}
	var dumped []uint32
	for _, row := range rows {
		a := &aggregate{function: function{
			object: object{
				kind: kindAgg, cat: catalogID{pgProc, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			owner: r.roles[row.Owner], args: r.types(row.Args),
		}}
		r.add(a)
		r.selectObject(&a.object)
		if a.dump != compNone {
			dumped = append(dumped, row.OID)
		}
	}
	bodies, err := query[aggregateBody](r, "aggregate definitions", `
		SELECT p.oid, a.aggkind,
		       pg_catalog.pg_get_function_arguments(p.oid),
		       pg_catalog.pg_get_function_identity_arguments(p.oid),
		       a.aggtransfn::pg_catalog.text, a.aggtranstype::pg_catalog.regtype::pg_catalog.text,
		       a.aggtransspace, a.agginitval,
		       a.aggfinalfn::pg_catalog.text, a.aggfinalextra, a.aggfinalmodify,
		       a.aggcombinefn::pg_catalog.text, a.aggserialfn::pg_catalog.text, a.aggdeserialfn::pg_catalog.text,
		       a.aggmtransfn::pg_catalog.text, a.aggminvtransfn::pg_catalog.text,
		       a.aggmtranstype::pg_catalog.regtype::pg_catalog.text, a.aggmtransspace, a.aggminitval,
		       a.aggmfinalfn::pg_catalog.text, a.aggmfinalextra, a.aggmfinalmodify,
		       n.nspname, o.oprname, p.proparallel
		FROM pg_catalog.pg_aggregate a
		JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid
		LEFT JOIN pg_catalog.pg_operator o ON o.oid = a.aggsortop
		LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
		WHERE p.oid = ANY ($1::pg_catalog.oid[])`, dumped)
	if err != nil {
		return err
	}
	for i := range bodies {
		find[*aggregate](r, pgProc, bodies[i].OID).def = &bodies[i]
	}
	return nil
}

func (a *aggregate) emit(e *emitter) {
	if a.def == nil {
		return
	}
	name := e.r.ident(a.name)
	identity, full, tag := name+"("+a.def.Identity+")", name+"("+a.def.Arguments+")", a.signature(a.name)
	if len(a.args) == 0 {
		identity, full, tag = name+"(*)", name+"(*)", a.name+"(*)"
	}
	if a.has(compDefinition) {
		schema := e.r.ident(a.schema()) + "."
		e.object(&a.object, entryOpts{
			tag: tag, desc: "AGGREGATE", section: toc.SectionPreData,
			namespace: a.schema(), owner: a.owner,
			defn: "CREATE AGGREGATE " + schema + full + " (\n" + a.def.details(e.r) + "\n);\n",
			drop: "DROP AGGREGATE " + schema + identity + ";\n",
		})
	}
	e.describe(&a.object, "AGGREGATE", identity, a.owner)
	// There is no GRANT ON AGGREGATE.
	e.acl(&a.object, "FUNCTION", a.signature(name), a.owner)
}

// details are the parameters of CREATE AGGREGATE, a line each.
func (b *aggregateBody) details(r *reader) string {
	var params []string
	add := func(set bool, param string) {
		if set {
			params = append(params, "    "+param)
		}
	}
	// What final functions may do to the state, unless said
	// (src/backend/commands/aggregatecmds.c).
	usual := byte('r')
	if b.Kind != 'n' {
		usual = 'w'
	}
	final := func(prefix, function string, extra bool, modify byte) {
		add(function != "-", prefix+" = "+function)
		add(function != "-" && extra, prefix+"_EXTRA")
		add(function != "-" && modify != usual, prefix+"_MODIFY = "+modifies[modify])
	}
	add(true, "SFUNC = "+b.Transition)
	add(true, "STYPE = "+b.StateType)
	add(b.StateSpace != 0, "SSPACE = "+strconv.Itoa(b.StateSpace))
	if b.Initial != nil {
		add(true, "INITCOND = "+literal(*b.Initial))
	}
	final("FINALFUNC", b.Final, b.FinalExtra, b.FinalModify)
	add(b.Combine != "-", "COMBINEFUNC = "+b.Combine)
	add(b.Serialize != "-", "SERIALFUNC = "+b.Serialize)
	add(b.Deserialize != "-", "DESERIALFUNC = "+b.Deserialize)
	moving := b.MovingTransition != "-"
	add(moving, "MSFUNC = "+b.MovingTransition)
	add(moving, "MINVFUNC = "+b.MovingInverse)
	add(moving, "MSTYPE = "+b.MovingType)
	add(b.MovingSpace != 0, "MSSPACE = "+strconv.Itoa(b.MovingSpace))
	if b.MovingInitial != nil {
		add(true, "MINITCOND = "+literal(*b.MovingInitial))
	}
	final("MFINALFUNC", b.MovingFinal, b.MovingExtra, b.MovingModify)
	if b.SortOperator != nil {
		add(true, "SORTOP = OPERATOR("+r.ident(*b.SortOperatorSchema)+"."+*b.SortOperator+")")
	}
	add(b.Kind == 'h', "HYPOTHETICAL")
	add(b.Parallel == 's', "PARALLEL = safe")
	add(b.Parallel == 'r', "PARALLEL = restricted")
	return strings.Join(params, ",\n")
}

// modifies are words for pg_aggregate.aggfinalmodify.
var modifies = map[byte]string{'r': "READ_ONLY", 's': "SHAREABLE", 'w': "READ_WRITE"}
