package pgschema

import "github.com/assist-move-assist/pgcofre/backup/toc"

// Split makes n entries of a table's one, each for a part of its rows, and
// returns them in order; the first is t.Entry. See [toc.Split].
//
// Not safe for concurrent use, and to be called once for a table at most.
func (s *Schema) Split(t *TableData, n int) (parts []*toc.Entry) {
	s.Entries, parts = toc.Split(s.Entries, t.Entry, n)
	return parts
}
