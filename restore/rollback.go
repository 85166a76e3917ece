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
)

// ErrChosenTables is returned, wrapped, by PlanRollback for a safety set that a
// restore of chosen tables has taken: that is rolled back by
// Restorer.PlanTablesRollback.
var ErrChosenTables = errors.New("the safety backup is of chosen tables, not of a whole restore")

// PlanRollback plans to undo a restore in place: what it brought is dropped,
// and what it replaced comes back from the safety set that it had taken. All
// else stays as it is by then, but for large objects: those of the safety set
// all come back. The plan is one with Replace, whatever opts says: it is
// confirmed, and takes a safety backup of its own. It changes nothing.
//
// A set that is no safety set, or that was taken from another database, is an
// error; one that was taken before a restore of chosen tables is
// [ErrChosenTables]. Else the errors are those of Plan.
func (r *Restorer) PlanRollback(ctx context.Context, safety *manifest.Manifest, opts *Options) (*Plan, error) {
	if safety.Purpose != manifest.Safety {
		return nil, fmt.Errorf("restore: set %s was not taken for safety before a restore: restore it instead", safety.ID)
	}
	o := Options{}
	if opts != nil {
		o = *opts
	}
	o.Replace = true
	from := *r
	from.Sink = r.safetySink()
	return from.plan(ctx, safety, &o, true)
}

// toUndo narrows the plan down to what a restore had changed.
func (p *Plan) toUndo(ctx context.Context) error {
	u, err := readUndo(ctx, p.set)
	if err != nil {
		return err
	}
	if !u.Whole {
		return fmt.Errorf("%w: %s", ErrChosenTables, p.set.ID)
	}
	p.undo = u
	if u.Unfinished != nil {
		p.Notes = append(p.Notes, "the database was incomplete when the safety backup was taken, and will be again: "+u.Unfinished.String())
	}
	replaced := map[catalogID]bool{}
	for _, id := range u.Replaced {
		replaced[id] = true
	}
	users := map[object]bool{}
	for _, o := range u.Users {
		users[o] = true
	}
	chosen := map[int]bool{}
	rows := map[manifest.TableName]bool{}
	archive := *p.archive
	archive.Entries = nil
	for _, e := range p.archive.Entries {
		id := idOf(e)
		follows := id.Class == 0 && slices.ContainsFunc(e.Deps, func(dep int) bool { return chosen[dep] })
		table := id.Class == 0 && id.OID != 0 && replaced[catalogID{pgClass, id.OID}] // its rows
		o, _ := objectOf(e)
		public := u.Public && e.Namespace.String() == "" && e.Tag == "SCHEMA public"
		if !replaced[id] && !follows && !public && !table && !users[o] && !e.IsSetting() && !strings.HasPrefix(e.Desc, "BLOB") {
			continue
		}
		chosen[e.DumpID] = true
		archive.Entries = append(archive.Entries, e)
		if e.Desc == "TABLE DATA" {
			rows[manifest.TableName{Schema: e.Namespace.String(), Name: e.Tag}] = true
		}
	}
	p.archive = &archive
	contents := *p.contents
	contents.Tables = slices.DeleteFunc(slices.Clone(contents.Tables), func(t manifest.Table) bool {
		return !rows[manifest.TableName{Schema: t.Schema, Name: t.Name}]
	})
	contents.Extensions = slices.DeleteFunc(slices.Clone(contents.Extensions), func(x manifest.Extension) bool {
		return !slices.ContainsFunc(archive.Entries, func(e *toc.Entry) bool { return e.Desc == "EXTENSION" && e.Tag == x.Name })
	})
	contents.Prerequisites, contents.Excluded = nil, nil // they are there: the restore left them alone
	p.contents = &contents
	return nil
}

// lookAtOrigin tells whether the set was taken from the target itself.
func (p *Plan) lookAtOrigin(ctx context.Context, conn *pgx.Conn) error {
	if p.set.Database == nil {
		return nil
	}
	same, err := takenFrom(ctx, conn, p.set.Database)
	if err != nil {
		return err
	}
	p.sameDatabase = same
	switch {
	case same:
	case p.undo != nil:
		return fmt.Errorf("restore: %s", otherSafety(p.set.Manifest, p.Database))
	default:
		p.Notes = append(p.Notes, otherDatabase(p.set.Manifest))
	}
	return nil
}

// takenFrom tells whether conn leads to the database that a backup is of.
func takenFrom(ctx context.Context, conn *pgx.Conn, d *manifest.Database) (bool, error) {
	var oid uint32
	if err := conn.QueryRow(ctx, "SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()").Scan(&oid); err != nil {
		return false, err
	}
	system := d.SystemID
	if system != "" {
		var may bool // else the OID has to do
		err := conn.QueryRow(ctx, "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')").Scan(&may)
		if err == nil && may {
			err = conn.QueryRow(ctx, "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()").Scan(&system)
		}
		if err != nil {
			return false, err
		}
	}
	return oid == d.OID && system == d.SystemID, nil
}

func otherSafety(set *manifest.Manifest, target string) string {
	return fmt.Sprintf("safety set %s was taken from another database than %q: it can be rolled back to there alone", set.ID, target)
}

func otherDatabase(set *manifest.Manifest) string {
	return fmt.Sprintf("the backup is of another database, %q", set.Database.Name)
}
