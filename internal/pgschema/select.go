package pgschema

// selectObject decides what of an object is dumped that no rule of its kind
// speaks of: with its schema, or, where it lives in none, with everything.
func (r *reader) selectObject(o *object) {
	switch {
	case r.isMember(o):
	case o.nsp != nil:
		o.dump = o.nsp.contains
	case r.filter.everything():
		o.dump = compAll
	}
}

// selectTable decides what of a table, view or sequence is dumped.
func (r *reader) selectTable(t *table) {
	if r.isMember(&t.object) {
		return
	}
	t.dump = r.filter.table(t.cat.oid, t.nsp.contains)
}

// selectGlobal decides on an object that lives in no schema and that initdb
// may have made: the system's own are dumped as far as builtin says.
func (r *reader) selectGlobal(o *object, builtin component) {
	switch {
	case r.isMember(o), !r.filter.everything():
	case o.cat.oid < firstNormalOID:
		o.dump = builtin
	default:
		o.dump = compAll
	}
}
