package pgschema

func (r *reader) readOperators() error { return nil }
