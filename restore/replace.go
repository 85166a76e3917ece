package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgschema"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Replacement says what a restore in place does to what the database holds.
type Replacement struct {
	// Objects are dropped: what the set, or the restore that is rolled back,
	// brings under the same name.
	Objects []Replaced `json:"objects,omitempty"`
	// Along goes with them, and is not in the set: indexes and partitions that
	// came later, publications' hold of a table.
	Along []string `json:"along,omitempty"`
	// LargeObjects is how many are replaced.
	LargeObjects int `json:"large_objects,omitempty"`
	// Stays is what the set does not hold, and the restore does not touch.
	Stays []string `json:"stays,omitempty"`
	// Sessions are those that others have in the database, which the restore
	// may have to wait for.
	Sessions []string `json:"sessions,omitempty"`
	// Refused are the reasons for which Apply refuses, each with the way out.
	Refused []string `json:"refused,omitempty"`
	// Unfinished is the restore that left the database incomplete; nil where
	// none did.
	Unfinished *Unfinished `json:"unfinished,omitempty"`
}

// Replaced is an object that is dropped.
type Replaced struct {
	Kind string `json:"kind"` // "TABLE", "VIEW", "FUNCTION"
	Name string `json:"name"` // with its schema
	// Rows is PostgreSQL's estimate of a table's live rows, and may be far off.
	Rows int64 `json:"rows,omitempty"`
}

// Rows adds up the estimates.
func (r *Replacement) Rows() (n int64) {
	for _, o := range r.Objects {
		n += o.Rows
	}
	return n
}

// empty tells that nothing is overwritten.
func (r *Replacement) empty() bool {
	return len(r.Objects)+len(r.Along)+r.LargeObjects == 0
}

// RefusedError refuses a restore in place before anything is changed.
type RefusedError struct {
	Database string
	Reasons  []string
}

func (e *RefusedError) Error() string {
	s := fmt.Sprintf("restore: what the set holds cannot be replaced in database %q:", e.Database)
	for _, why := range e.Reasons {
		s += "\n- " + why
	}
	return s
}

// survey is the target as it is, held against the set.
type survey struct {
	Replacement
	plan              *Plan
	live              *pgschema.Schema
	wants             map[object]bool       // what the set, and a restore to be undone, bring
	gone              map[catalogID]bool    // rows of catalogs that go
	users             map[string]catalogID  // user mappings by tag: their entries have no row
	shells            []string              // statements that drop operators that are but names
	kept              map[object]*toc.Entry // by name what the set has as well, and stays: schemas, extensions, what others need
	public, hasPublic bool                  // the set has to do with the schema public; there is one
	user              string                // the role that restores
	resets            []*toc.Entry          // default privileges to take back
	created           []object              // wanted, and not there
	blobs             []int64               // large objects that are there, and go
}

// surveyTarget looks at a database that is to be restored into in place. It
// changes nothing, and runs within the caller's transaction.
func (p *Plan) surveyTarget(ctx context.Context, conn *pgx.Conn) (*survey, error) {
	s := &survey{plan: p, wants: map[object]bool{}, gone: map[catalogID]bool{}, kept: map[object]*toc.Entry{}}
	var err error
	s.live, err = readLive(ctx, conn)
	if unfit := unfit(err); unfit != nil {
		s.live, s.Refused = &pgschema.Schema{}, unfit
		return s, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading what database %q holds: %w", p.Database, err)
	}
	s.Unfinished = (*Unfinished)(s.live.Unfinished)
	roots, err := s.close(ctx, conn, s.match())
	if err != nil {
		return nil, err
	}
	for _, look := range []func(context.Context, *pgx.Conn) error{s.estimate, s.lookAtRights, s.lookAtNames, s.lookAtConfigTables, s.lookAtSessions} {
		if err := look(ctx, conn); err != nil {
			return nil, fmt.Errorf("looking into the target database: %w", err)
		}
	}
	s.sortOut(roots)
	return s, nil
}

// unfit are the reasons for which the role cannot read the catalogs, if err has
// any.
func unfit(err error) (reasons []string) {
	var doctor *pgsession.DoctorError
	if errors.As(err, &doctor) {
		for _, f := range doctor.Findings {
			reasons = append(reasons, f.What+": "+f.Way)
		}
	}
	return reasons
}

// readLive reads the catalogs. What no backup can hold is passed over: it can
// be in no set, so it stays.
func readLive(ctx context.Context, conn *pgx.Conn) (*pgschema.Schema, error) {
	live, err := pgschema.Read(ctx, conn, &pgschema.Options{})
	var unsupported *pgschema.UnsupportedError
	if errors.As(err, &unsupported) {
		return pgschema.Read(ctx, conn, &pgschema.Options{ExcludeObjects: unsupported.Objects})
	}
	return live, err
}

// match finds what has a name that the set brings: the roots of what goes.
func (s *survey) match() (roots []*toc.Entry) {
	p := s.plan
	brings := map[object]bool{} // by the set
	blobs := map[int64]bool{}
	for _, e := range p.archive.Entries {
		if o, r := objectOf(e); r != noObject && p.wanted(e) {
			brings[o], s.wants[o] = true, true
		}
		for _, oid := range blobOIDs(e) {
			blobs[oid] = true
		}
	}
	if p.undo != nil {
		for _, o := range p.undo.Created {
			s.wants[o] = true
		}
		for _, oid := range p.undo.LargeObjects {
			blobs[oid] = true
		}
	}
	s.public = p.touchesPublic()
	there := map[object]bool{}
	stays := map[string]bool{} // schemas with something in them that stays
	for _, e := range s.live.Entries {
		o, r := objectOf(e)
		there[o] = true
		if r == top && !s.wants[o] {
			stays[o.Schema] = true
		}
		for _, oid := range blobOIDs(e) {
			if blobs[oid] {
				s.blobs = append(s.blobs, oid)
			}
		}
	}
	for _, e := range s.live.Entries {
		o, r := objectOf(e)
		switch {
		case !s.wants[o]:
		case r == top, r == attached:
			roots = append(roots, e)
		case r == defaults:
			s.resets = append(s.resets, e)
		case r == container && brings[o], r == container && e.Desc == "SCHEMA" && stays[e.Tag]:
			s.kept[o] = e
		case r == container:
			roots = append(roots, e) // the restore that is undone had created it
		}
	}
	for _, e := range p.archive.Entries {
		if o, r := objectOf(e); r != noObject && r != inside && brings[o] && !there[o] {
			s.created = append(s.created, o)
		}
	}
	s.LargeObjects = len(s.blobs)
	return roots
}

// touchesPublic tells whether the set has to do with the schema public, as any
// has of a whole database.
func (p *Plan) touchesPublic() bool {
	if p.undo != nil {
		return p.undo.Public
	}
	return p.set.Scope == manifest.Whole || slices.ContainsFunc(p.archive.Entries, func(e *toc.Entry) bool {
		return e.Namespace.String() == "public" || e.Tag == "public" && e.Desc == "SCHEMA"
	})
}

// sortOut says in words what goes along and what stays.
func (s *survey) sortOut(roots []*toc.Entry) {
	root := map[*toc.Entry]bool{}
	for _, e := range roots {
		root[e] = true
	}
	var renamed []string
	was := map[catalogID]string{} // what the backup calls what has that row
	for _, e := range s.plan.archive.Entries {
		if _, r := objectOf(e); r == top && s.plan.sameDatabase && e.TableOID != 0 {
			was[idOf(e)] = e.String()
		}
	}
	for _, e := range s.live.Entries {
		o, r := objectOf(e)
		switch gone := s.goes(e); {
		case r == noObject || root[e]:
		case gone && !s.wants[o]:
			s.Along = append(s.Along, e.String())
		case r == top && !gone && was[s.id(e)] != "":
			s.Stays = append(s.Stays, fmt.Sprintf("%v (%s in the backup)", e, was[s.id(e)]))
			renamed = append(renamed, fmt.Sprintf("%v is %s of the backup, renamed: give it that name again to have it replaced, or drop it", e, was[s.id(e)]))
		case r == top && !gone, r == container && !s.wants[o] && e.Tag != "public":
			s.Stays = append(s.Stays, e.String())
		case r == defaults && !s.wants[o]:
			s.Stays = append(s.Stays, e.String()+" of role "+e.Owner.String())
		}
	}
	for o, e := range s.kept {
		if e.Desc == "EXTENSION" {
			s.Stays = append(s.Stays, o.String()+" (the set wants it, too)")
		}
	}
	slices.Sort(s.Stays)
	if len(s.Refused) > 0 { // most likely for these
		s.Refused = append(renamed, s.Refused...)
	}
	for _, x := range s.live.Excluded {
		s.Stays = append(s.Stays, x.Kind+" "+x.Name)
	}
}

// sameAs is nil if what goes is what goes by the other survey as well.
func (s *survey) sameAs(o *survey) error {
	for _, e := range s.live.Entries {
		if s.goes(e) && !o.gone[s.id(e)] {
			return fmt.Errorf("%w: %v is new", errChanged, e)
		}
	}
	planned := map[int64]bool{}
	for _, oid := range o.blobs {
		planned[oid] = true
	}
	for _, oid := range s.blobs {
		if !planned[oid] {
			return fmt.Errorf("%w: large object %d is new", errChanged, oid)
		}
	}
	return nil
}

var errChanged = errors.New("restore: what the restore would replace has changed since it was planned; plan it again")

// id is the row of a live entry's object.
func (s *survey) id(e *toc.Entry) catalogID {
	if e.Desc == "USER MAPPING" {
		return s.users[e.Tag]
	}
	return idOf(e)
}

// goes tells whether a live entry's object is dropped.
func (s *survey) goes(e *toc.Entry) bool { return s.gone[s.id(e)] }

// idArrays are the catalog rows as two arrays for unnest.
func idArrays(ids map[catalogID]bool) (classes, oids []int64) {
	for id := range ids {
		classes, oids = append(classes, int64(id.Class)), append(oids, int64(id.OID))
	}
	return classes, oids
}

// sqlName is an entry's name in SQL.
func sqlName(e *toc.Entry) string {
	if ns := e.Namespace.String(); ns != "" {
		return pgsession.QuoteIdent(ns, e.Tag)
	}
	return pgsession.QuoteIdent(e.Tag)
}

// drops are the entries of the live database whose objects go, in the order in
// which they can: the reverse of that in which it would be restored.
func (s *survey) drops() (entries []*toc.Entry) {
	for _, e := range slices.Backward(s.live.Entries) {
		if _, r := objectOf(e); r != noObject && s.goes(e) && e.Drop.String() != "" && !strings.HasPrefix(e.Drop.String(), "--") {
			entries = append(entries, e)
		}
	}
	return entries
}

// keeps tells whether an entry's object is in the target, and stays.
func (p *Plan) keeps(e *toc.Entry) bool {
	o, r := objectOf(e)
	return p.survey != nil && (r == container || r == top) && p.survey.kept[o] != nil
}

// leaves tells whether an entry has nothing to do, as its object, an extension
// or what others depend on, is in the target and stays as it is.
func (p *Plan) leaves(e *toc.Entry) bool {
	if p.survey == nil {
		return false
	}
	if e.Desc == "COMMENT" && strings.HasPrefix(e.Tag, "EXTENSION ") && len(e.Deps) > 0 {
		x := p.archive.Entry(e.Deps[0])
		return x != nil && p.keeps(x)
	}
	return e.Desc != "SCHEMA" && p.keeps(e)
}

// kept is an entry without the statement that creates a schema, where that is
// in the target and stays.
func (p *Plan) kept(e *toc.Entry) *toc.Entry {
	if e.Desc != "SCHEMA" || !p.keeps(e) {
		return e
	}
	m := *e
	m.Defn = toc.T("-- *not* creating schema, since it exists\n")
	return &m
}
