package pgschema

// prerequisites are the objects that something in the archive needs and that
// are not in it: an excluded schema's table that a foreign key points to, the
// schema of a table that was asked for alone, a tablespace. Each is named once,
// with the first object that needs it.
func (e *emitter) prerequisites() []Prerequisite {
	var all []Prerequisite
	seen := make(map[Prerequisite]bool)
	need := func(kind, name, by string) {
		p := Prerequisite{Kind: kind, Name: name}
		if !seen[p] {
			seen[p] = true
			p.NeededBy = by
			all = append(all, p)
		}
	}
	emitted := make(map[int]bool, len(e.entries))
	for _, t := range e.entries {
		emitted[t.DumpID] = true
	}
	for _, t := range e.entries {
		if t.Tablespace.S != "" {
			need("TABLESPACE", e.r.ident(t.Tablespace.S), t.Desc+" "+t.Tag)
		}
		d := e.r.byID(t.DumpID)
		if d == nil {
			continue
		}
		for _, missing := range e.absent(d, emitted, make(map[int]bool), nil) {
			kind, name := e.r.title(missing)
			byKind, byName := e.r.title(d)
			need(kind, name, byKind+" "+byName)
		}
	}
	return all
}

// absent adds what an object leads to that neither the archive nor the server brings.
// The way goes through what is part of something else: row types, rules,
// constraints, members of extensions.
func (e *emitter) absent(from dumpable, emitted, seen map[int]bool, found []dumpable) []dumpable {
	for _, id := range from.obj().deps {
		d := e.r.byID(id)
		if d == nil || emitted[id] || seen[id] {
			continue
		}
		seen[id] = true
		if t, ok := d.(*table); ok && t.relkind == relComposite {
			// Its row of pg_class has no entry: the type stands for it.
			if typ := find[*dataType](e.r, pgType, t.rowType); !typ.has(compDefinition) {
				d = typ
			} else {
				found = e.absent(d, emitted, seen, found)
				continue
			}
		}
		switch next := d.obj(); {
		case next.kind == kindPreDataBoundary, next.kind == kindPostDataBoundary:
		case next.kind == kindDummyType, next.of != 0, next.extID != 0:
			found = e.absent(d, emitted, seen, found)
		case next.cat.oid >= firstNormalOID && !next.has(compDefinition):
			found = append(found, d)
		}
	}
	return found
}
