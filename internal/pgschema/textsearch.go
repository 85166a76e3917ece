package pgschema

import (
	"strings"

	"github.com/assist-move-assist/pgcofre/backup/toc"
)

// textSearch is a text search parser, template, dictionary or configuration
// that a user defined. Its kind says which.
type textSearch struct {
	object
	owner      string // "" for parsers and templates, which have none
	definition string // what follows the name in CREATE TEXT SEARCH
	mappings   []tokenMapping
}

// tokenMapping is the dictionaries that a configuration asks for one type of
// token.
type tokenMapping struct {
	token        string
	dictionaries []string // quoted and qualified as needed
}

var _ dumpable = (*textSearch)(nil)

// readTextSearch registers the text search objects of all four kinds.
func (r *reader) readTextSearch() error {
	type row struct {
		OID        uint32
		Name       string
		Namespace  uint32
		Owner      uint32
		Definition string
	}
	for _, family := range []struct {
		kind      kind
		class     uint32
		what, sql string
	}{
		{kindTSParser, pgTSParser, "text search parsers", `
			SELECT oid, prsname, prsnamespace, 0::pg_catalog.oid,
			       '    START = ' || prsstart || E',\n    GETTOKEN = ' || prstoken || E',\n    END = ' || prsend ||
			       CASE WHEN prsheadline = 0 THEN '' ELSE E',\n    HEADLINE = ' || prsheadline END ||
			       E',\n    LEXTYPES = ' || prslextype
			FROM pg_catalog.pg_ts_parser WHERE oid >= 16384`},
		{kindTSTemplate, pgTSTemplate, "text search templates", `
			SELECT oid, tmplname, tmplnamespace, 0::pg_catalog.oid,
			       CASE WHEN tmplinit = 0 THEN '' ELSE '    INIT = ' || tmplinit || E',\n' END ||
			       '    LEXIZE = ' || tmpllexize
			FROM pg_catalog.pg_ts_template WHERE oid >= 16384`},
		{kindTSDict, pgTSDict, "text search dictionaries", `
			SELECT d.oid, d.dictname, d.dictnamespace, d.dictowner,
			       '    TEMPLATE = ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.tmplname) ||
			       coalesce(E',\n    ' || d.dictinitoption, '')
			FROM pg_catalog.pg_ts_dict d
			JOIN pg_catalog.pg_ts_template t ON t.oid = d.dicttemplate
			JOIN pg_catalog.pg_namespace n ON n.oid = t.tmplnamespace
			WHERE d.oid >= 16384`},
		{kindTSConfig, pgTSConfig, "text search configurations", `
			SELECT c.oid, c.cfgname, c.cfgnamespace, c.cfgowner,
			       '    PARSER = ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.prsname)
			FROM pg_catalog.pg_ts_config c
			JOIN pg_catalog.pg_ts_parser p ON p.oid = c.cfgparser
			JOIN pg_catalog.pg_namespace n ON n.oid = p.prsnamespace
			WHERE c.oid >= 16384`},
	} {
		rows, err := query[row](r, family.what, family.sql)
		if err != nil {
			return err
		}
		for _, row := range rows {
			t := &textSearch{
				object: object{
					kind: family.kind, cat: catalogID{family.class, row.OID}, name: row.Name,
					nsp: find[*namespace](r, pgNamespace, row.Namespace),
				},
				owner: r.roles[row.Owner], definition: row.Definition,
			}
			r.add(t)
			r.selectObject(&t.object)
		}
	}
	return r.readTokenMappings()
}

// readTokenMappings reads what configurations do with tokens. The names of a
// parser's token types only its own function knows; it takes internal
// arguments, and so is C code that a superuser installed.
func (r *reader) readTokenMappings() error {
	rows, err := query[struct {
		Config            uint32
		Token, Dictionary string
	}](r, "text search mappings", `
		SELECT m.mapcfg,
		       (SELECT t.alias FROM pg_catalog.ts_token_type(c.cfgparser) AS t WHERE t.tokid = m.maptokentype),
		       m.mapdict::pg_catalog.regdictionary::pg_catalog.text
		FROM pg_catalog.pg_ts_config_map m
		JOIN pg_catalog.pg_ts_config c ON c.oid = m.mapcfg
		WHERE m.mapcfg >= 16384
		ORDER BY m.mapcfg, m.maptokentype, m.mapseqno`)
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := find[*textSearch](r, pgTSConfig, row.Config)
		if n := len(t.mappings); n == 0 || t.mappings[n-1].token != row.Token {
			t.mappings = append(t.mappings, tokenMapping{token: row.Token})
		}
		last := &t.mappings[len(t.mappings)-1]
		last.dictionaries = append(last.dictionaries, row.Dictionary)
	}
	return nil
}

func (t *textSearch) emit(e *emitter) {
	desc := t.kind.String()
	qualified := e.r.qualified(t.schema(), t.name)
	if t.has(compDefinition) {
		var defn strings.Builder
		defn.WriteString("CREATE " + desc + " " + qualified + " (\n" + t.definition + " );\n")
		for _, m := range t.mappings {
			defn.WriteString("\nALTER " + desc + " " + qualified + "\n    ADD MAPPING FOR " +
				e.r.ident(m.token) + " WITH " + strings.Join(m.dictionaries, ", ") + ";\n")
		}
		e.object(&t.object, entryOpts{
			tag: t.name, desc: desc, section: toc.SectionPreData,
			namespace: t.schema(), owner: t.owner,
			defn: defn.String(),
			drop: "DROP " + desc + " " + qualified + ";\n",
		})
	}
	e.comment(&t.object, desc, e.r.ident(t.name), t.owner)
}
