package pgschema

import (
	"fmt"
	"strings"
)

// function is a function or procedure, and what an aggregate shares with them.
type function struct {
	object
	owner string
	args  []*dataType // of its input arguments
	body  *functionBody
}

var (
	_ dumpable = (*function)(nil)
	_ tied     = (*function)(nil)
)

// functionBody is how a function is written.
type functionBody struct {
	OID                    uint32
	Kind                   byte // 'f' function, 'p' procedure, 'w' window function
	ReturnsSet             bool
	Source, Binary, SQL    *string // SQL: the body is parsed SQL (14 and later)
	Arguments, Identity    string
	Result                 *string // NULL for a procedure
	Transforms             []uint32
	Volatility             byte
	Strict, Definer, Leaky bool // Leaky: declared LEAKPROOF
	Parallel               byte
	Cost, Rows, Support    string
	Language               string
	Config                 texts
}

// userFunction says which rows of pg_proc p are looked at: those outside
// pg_catalog, those that casts and transforms of users need, and built-in ones
// whose privileges were changed.
const userFunction = `
	(p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace
	 OR p.oid IN (SELECT castfunc FROM pg_catalog.pg_cast WHERE oid >= 16384)
	 OR p.oid IN (SELECT trffromsql FROM pg_catalog.pg_transform WHERE oid >= 16384)
	 OR p.oid IN (SELECT trftosql FROM pg_catalog.pg_transform WHERE oid >= 16384)
	 OR p.proacl IS DISTINCT FROM i.initprivs)`

// functionPrivileges joins pg_proc p with what its privileges were at first.
const functionPrivileges = `
	LEFT JOIN pg_catalog.pg_init_privs i ON i.objoid = p.oid AND i.objsubid = 0
	 AND i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass`

// readFunctions registers functions and procedures, and reads how those that
// are dumped are written.
func (r *reader) readFunctions() error {
	rows, err := query[struct {
		OID              uint32
		Name             string
		Namespace, Owner uint32
		Args             []uint32
		Granted          bool // privileges are not those of its creation
	}](r, "functions", `
		SELECT p.oid, p.proname, p.pronamespace, p.proowner, p.proargtypes::pg_catalog.oid[],
		       p.proacl IS DISTINCT FROM i.initprivs
		FROM pg_catalog.pg_proc p`+functionPrivileges+`
		WHERE p.prokind <> 'a' AND `+userFunction+`
		  AND NOT EXISTS ( -- the constructors of range types come with them
		    SELECT 1 FROM pg_catalog.pg_depend d
		    WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'i')`)
	if err != nil {
		return err
	}
	var dumped []uint32
	for _, row := range rows {
		f := &function{
			object: object{
				kind: kindFunc, cat: catalogID{pgProc, row.OID}, name: row.Name,
				nsp: find[*namespace](r, pgNamespace, row.Namespace),
			},
			owner: r.roles[row.Owner], args: r.types(row.Args),
		}
		r.add(f)
		r.selectObject(&f.object)
		// Nothing is said of the many functions that come with extensions.
		if f.has(compDefinition) || f.has(compACL) && row.Granted {
			dumped = append(dumped, row.OID)
		}
	}
	return r.readFunctionBodies(dumped)
}

func (r *reader) readFunctionBodies(oids []uint32) error {
	sqlBody := "pg_catalog.pg_get_function_sqlbody(p.oid)"
	if r.major < 14 {
		sqlBody = "NULL::pg_catalog.text"
	}
	rows, err := query[functionBody](r, "function definitions", `
		SELECT p.oid, p.prokind, p.proretset, p.prosrc, p.probin, `+sqlBody+`,
		       pg_catalog.pg_get_function_arguments(p.oid),
		       pg_catalog.pg_get_function_identity_arguments(p.oid),
		       pg_catalog.pg_get_function_result(p.oid), p.protrftypes,
		       p.provolatile, p.proisstrict, p.prosecdef, p.proleakproof, p.proparallel,
		       p.procost::pg_catalog.text, p.prorows::pg_catalog.text, p.prosupport::pg_catalog.text,
		       l.lanname, p.proconfig
		FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_language l ON l.oid = p.prolang
		WHERE p.oid = ANY ($1::pg_catalog.oid[])`, oids)
	if err != nil {
		return err
	}
	for i := range rows {
		find[*function](r, pgProc, rows[i].OID).body = &rows[i]
	}
	return nil
}

// ties are the number of arguments and their types by schema and name.
func (f *function) ties() []string {
	key := []string{fmt.Sprintf("%03d", len(f.args))} // FUNC_MAX_ARGS is 100
	for _, t := range f.args {
		key = append(key, t.schema(), t.name)
	}
	return key
}

// types are the types of a list of OIDs.
func (r *reader) types(oids []uint32) []*dataType {
	types := make([]*dataType, 0, len(oids))
	for _, oid := range oids {
		if t := find[*dataType](r, pgType, oid); t != nil {
			types = append(types, t)
		}
	}
	return types
}

// signature is a function's name with its input argument types. Tags have the
// name as it is, statements have it quoted.
func (f *function) signature(name string) string {
	types := make([]string, len(f.args))
	for i, t := range f.args {
		types[i] = t.formatted
	}
	return name + "(" + strings.Join(types, ", ") + ")"
}

func (f *function) emit(e *emitter) {
	if f.body == nil {
		return
	}
	keyword := "FUNCTION"
	if f.body.Kind == 'p' {
		keyword = "PROCEDURE"
	}
	name := e.r.ident(f.name)
	identity := name + "(" + f.body.Identity + ")"
	if f.has(compDefinition) {
		schema := e.r.ident(f.schema()) + "."
		e.object(&f.object, entryOpts{
			tag: f.signature(f.name), desc: keyword, section: f.section(),
			namespace: f.schema(), owner: f.owner,
			defn: "CREATE " + keyword + " " + schema + name + "(" + f.body.Arguments + ")" +
				f.body.clauses(e.r) + e.r.dependsOnExtension(&f.object, keyword, schema+identity),
			drop: "DROP " + keyword + " " + schema + identity + ";\n",
		})
	}
	e.describe(&f.object, keyword, identity, f.owner)
	e.acl(&f.object, keyword, identity, f.owner)
}

// clauses are what follows the argument list, to the end of the statement.
func (b *functionBody) clauses(r *reader) string {
	var s strings.Builder
	if b.Kind != 'p' && b.Result != nil {
		s.WriteString(" RETURNS " + *b.Result)
	}
	s.WriteString("\n    LANGUAGE " + r.ident(b.Language))
	for i, oid := range b.Transforms {
		if i == 0 {
			s.WriteString(" TRANSFORM ")
		} else {
			s.WriteString(", ")
		}
		s.WriteString("FOR TYPE " + r.typeName(oid))
	}
	for _, word := range []struct {
		set  bool
		text string
	}{
		{b.Kind == 'w', " WINDOW"},
		{b.Volatility == 'i', " IMMUTABLE"},
		{b.Volatility == 's', " STABLE"},
		{b.Strict, " STRICT"},
		{b.Definer, " SECURITY DEFINER"},
		{b.Leaky, " LEAKPROOF"},
		{b.Cost != b.defaultCost() && b.Cost != "0", " COST " + b.Cost},
		{b.ReturnsSet && b.Rows != "0" && b.Rows != "1000", " ROWS " + b.Rows},
		{b.Support != "-", " SUPPORT " + b.Support},
		{b.Parallel == 's', " PARALLEL SAFE"},
		{b.Parallel == 'r', " PARALLEL RESTRICTED"},
	} {
		if word.set {
			s.WriteString(word.text)
		}
	}
	for _, item := range b.Config {
		if name, value, ok := strings.Cut(item, "="); ok {
			fmt.Fprintf(&s, "\n    SET %s TO %s", r.ident(name), settingValue(name, value, literal))
		}
	}
	s.WriteString("\n    " + b.as() + ";\n")
	return s.String()
}

// defaultCost is what CREATE FUNCTION takes without COST
// (src/backend/commands/functioncmds.c).
func (b *functionBody) defaultCost() string {
	if b.Language == "internal" || b.Language == "c" {
		return "1"
	}
	return "100"
}

// as is the body: parsed SQL, a library with a symbol, or source text.
func (b *functionBody) as() string {
	source, binary := "", ""
	if b.Source != nil {
		source = *b.Source
	}
	if b.Binary != nil {
		binary = *b.Binary
	}
	switch {
	case b.SQL != nil:
		return *b.SQL
	case binary == "":
		return "AS " + dollarQuote(source)
	case source == "":
		return "AS " + literal(binary)
	case strings.ContainsAny(source, `'\`):
		return "AS " + literal(binary) + ", " + dollarQuote(source)
	}
	return "AS " + literal(binary) + ", " + literal(source)
}

// dollarQuote quotes a text with a tag that it does not contain: a text that
// ends in the tag without its last $ counts as containing it.
func dollarQuote(s string) string {
	const suffix = "_XXXXXXX"
	tag := "$"
	for i := 0; strings.Contains(s, tag); i++ {
		tag += suffix[i%len(suffix) : i%len(suffix)+1]
	}
	tag += "$"
	return tag + s + tag
}
