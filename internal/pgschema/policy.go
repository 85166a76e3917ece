package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// rowSecurity switches row security on for a table. It comes after the data,
// as policies do, so that loading is not filtered.
type rowSecurity struct {
	object
	table *table
}

// policy is a row security policy.
type policy struct {
	object
	table      *table
	command    byte // '*' all, 'r' select, 'a' insert, 'w' update, 'd' delete
	permissive bool
	roles      string  // as TO lists them; "" is PUBLIC
	using      *string // USING, without its parentheses
	check      *string // WITH CHECK, without its parentheses
}

var (
	_ dumpable = (*rowSecurity)(nil)
	_ dumpable = (*policy)(nil)
	_ tied     = (*rowSecurity)(nil)
	_ tied     = (*policy)(nil)
)

func (p *rowSecurity) ties() []string { return []string{p.table.name} }
func (p *policy) ties() []string      { return []string{p.table.name} }

func (r *reader) readPolicies() error {
	oids := []uint32{}
	for _, t := range r.tables {
		if !t.has(compPolicy) || t.relkind != relTable && t.relkind != relPartitioned {
			continue
		}
		oids = append(oids, t.cat.oid)
		if t.rowSecurity {
			r.add(&rowSecurity{
				// Catalog 0, so that no row of pg_depend is taken to mean it.
				object: object{kind: kindPolicy, cat: catalogID{0, t.cat.oid}, name: t.name, nsp: t.nsp, dump: compAll},
				table:  t,
			})
		}
	}
	rows, err := query[struct {
		OID, Table   uint32
		Name         string
		Command      byte
		Permissive   bool
		Roles        string
		Names        texts
		Using, Check *string
	}](r, "policies", `
		SELECT p.oid, p.polrelid, p.polname, p.polcmd, p.polpermissive,
		       CASE WHEN p.polroles = '{0}' THEN '' ELSE pg_catalog.array_to_string(ARRAY(
		           SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles WHERE oid = ANY (p.polroles)), ', ') END,
		       ARRAY(SELECT rolname FROM pg_catalog.pg_roles WHERE oid = ANY (p.polroles)),
		       pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
		FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS src(rel)
		JOIN pg_catalog.pg_policy p ON src.rel = p.polrelid
		ORDER BY p.oid`, oids)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*table](r, pgClass, row.Table)
		for _, name := range row.Names {
			r.useRole(name)
		}
		r.add(&policy{
			object: object{kind: kindPolicy, cat: catalogID{pgPolicy, row.OID}, name: row.Name, nsp: t.nsp, dump: compAll},
			table:  t, command: row.Command, permissive: row.Permissive,
			roles: row.Roles, using: row.Using, check: row.Check,
		})
	}
	return nil
}

func (p *rowSecurity) emit(e *emitter) {
	e.object(&p.object, entryOpts{
		tag: p.name, desc: "ROW SECURITY", section: toc.SectionPostData,
		namespace: p.schema(), owner: p.table.owner,
		defn: "ALTER TABLE " + e.r.qualified(p.schema(), p.table.name) + " ENABLE ROW LEVEL SECURITY;",
		deps: []int{p.table.id},
	})
}

var policyCommands = map[byte]string{'*': "", 'r': " FOR SELECT", 'a': " FOR INSERT", 'w': " FOR UPDATE", 'd': " FOR DELETE"}

func (p *policy) emit(e *emitter) {
	name, table := e.r.ident(p.name), e.r.qualified(p.schema(), p.table.name)
	defn := "CREATE POLICY " + name + " ON " + table
	if !p.permissive {
		defn += " AS RESTRICTIVE"
	}
	defn += policyCommands[p.command]
	if p.roles != "" {
		defn += " TO " + p.roles
	}
	if p.using != nil {
		defn += " USING (" + *p.using + ")"
	}
	if p.check != nil {
		defn += " WITH CHECK (" + *p.check + ")"
	}
	e.object(&p.object, entryOpts{
		tag: p.table.name + " " + p.name, desc: "POLICY", section: toc.SectionPostData,
		namespace: p.schema(), owner: p.table.owner,
		defn: defn + ";\n", drop: "DROP POLICY " + name + " ON " + table + ";\n",
	})
	e.comment(&p.object, "POLICY "+name+" ON", e.r.ident(p.table.name), p.table.owner)
}
