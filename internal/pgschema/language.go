package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// language is a procedural language.
type language struct {
	object
	owner                      string
	trusted                    bool
	handler, inline, validator uint32 // functions, 0 is none
}

var _ dumpable = (*language)(nil)

func (r *reader) readLanguages() error {
	rows, err := query[struct {
		OID                        uint32
		Name                       string
		Owner                      uint32
		Trusted                    bool
		Handler, Inline, Validator uint32
	}](r, "languages", `
		SELECT oid, lanname, lanowner, lanpltrusted, lanplcallfoid, laninline, lanvalidator
		FROM pg_catalog.pg_language WHERE lanispl ORDER BY oid`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		l := &language{
			object: object{kind: kindProcLang, cat: catalogID{pgLanguage, row.OID}, name: row.Name},
			owner:  r.roles[row.Owner], trusted: row.Trusted,
			handler: row.Handler, inline: row.Inline, validator: row.Validator,
		}
		r.add(l)
		r.selectGlobal(&l.object, compACL)
	}
	return nil
}

// support is a function of the language as a statement names it; ok is false
// when there is one that is not dumped.
func (l *language) support(r *reader, keyword string, oid uint32) (clause string, ok bool) {
	if oid == 0 {
		return "", true
	}
	f := find[*function](r, pgProc, oid)
	if f == nil || f.dump == compNone {
		return "", false
	}
	return " " + keyword + " " + r.qualified(f.schema(), f.name), true
}

// statement creates the language with its functions, or without parameters
// where those are not dumped: the server then takes it for an extension.
func (l *language) statement(r *reader) string {
	handler, ok1 := l.support(r, "HANDLER", l.handler)
	inline, ok2 := l.support(r, "INLINE", l.inline)
	validator, ok3 := l.support(r, "VALIDATOR", l.validator)
	if !ok1 || !ok2 || !ok3 || l.handler == 0 {
		return "CREATE OR REPLACE PROCEDURAL LANGUAGE " + r.ident(l.name) + ";\n"
	}
	trusted := ""
	if l.trusted {
		trusted = "TRUSTED "
	}
	return "CREATE " + trusted + "PROCEDURAL LANGUAGE " + r.ident(l.name) + handler + inline + validator + ";\n"
}

func (l *language) emit(e *emitter) {
	name := e.r.ident(l.name)
	if l.has(compDefinition) {
		e.object(&l.object, entryOpts{
			tag: l.name, desc: "PROCEDURAL LANGUAGE", section: toc.SectionPreData, owner: l.owner,
			defn: l.statement(e.r),
			drop: "DROP PROCEDURAL LANGUAGE " + name + ";\n",
		})
	}
	e.describe(&l.object, "LANGUAGE", name, l.owner)
	if l.trusted { // others cannot be granted
		e.acl(&l.object, "LANGUAGE", name, l.owner)
	}
}
