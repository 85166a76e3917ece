package pgschema

// kindNames are what people and archives call the kinds.
var kindNames = map[kind]string{
	kindNamespace: "SCHEMA", kindExtension: "EXTENSION", kindType: "TYPE", kindShellType: "SHELL TYPE",
	kindFunc: "FUNCTION", kindAgg: "AGGREGATE", kindOperator: "OPERATOR", kindAccessMethod: "ACCESS METHOD",
	kindOpClass: "OPERATOR CLASS", kindOpFamily: "OPERATOR FAMILY", kindCollation: "COLLATION",
	kindConversion: "CONVERSION", kindTable: "TABLE", kindTableAttach: "TABLE ATTACH", kindAttrDef: "DEFAULT",
	kindIndex: "INDEX", kindIndexAttach: "INDEX ATTACH", kindStatsExt: "STATISTICS", kindRule: "RULE",
	kindTrigger: "TRIGGER", kindConstraint: "CONSTRAINT", kindFKConstraint: "FK CONSTRAINT",
	kindProcLang: "PROCEDURAL LANGUAGE", kindCast: "CAST", kindTableData: "TABLE DATA",
	kindSequenceSet: "SEQUENCE SET", kindDummyType: "ROW OR ARRAY TYPE", kindTSParser: "TEXT SEARCH PARSER",
	kindTSDict: "TEXT SEARCH DICTIONARY", kindTSTemplate: "TEXT SEARCH TEMPLATE",
	kindTSConfig: "TEXT SEARCH CONFIGURATION", kindFDW: "FOREIGN DATA WRAPPER", kindForeignServer: "SERVER",
	kindDefaultACL: "DEFAULT ACL", kindTransform: "TRANSFORM", kindLargeObject: "LARGE OBJECT",
	kindLargeObjectData: "LARGE OBJECT DATA", kindPreDataBoundary: "PRE-DATA BOUNDARY",
	kindPostDataBoundary: "POST-DATA BOUNDARY", kindEventTrigger: "EVENT TRIGGER",
	kindRefreshMatView: "REFRESH MATERIALIZED VIEW", kindPolicy: "POLICY", kindPublication: "PUBLICATION",
	kindPublicationRel: "PUBLICATION TABLE", kindPublicationSchema: "PUBLICATION TABLES IN SCHEMA",
	kindSubscription: "SUBSCRIPTION",
}

func (k kind) String() string { return kindNames[k] }

// title is what a person calls an object: its kind, and its name as SQL would
// have it.
func (r *reader) title(d dumpable) (kind, name string) {
	o := d.obj()
	kind = o.kind.String()
	if t, ok := d.(*table); ok {
		kind = t.class()
	}
	return kind, r.qualified(o.schema(), o.name)
}
