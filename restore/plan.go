package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// Plan says what a restore will do, and what stands in its way. Its exported
// fields are its JSON form. A plan is applied at most once.
type Plan struct {
	Set      string    `json:"set"`
	Source   string    `json:"source"`
	DataTime time.Time `json:"data_time"` // the moment that the data is of
	Database string    `json:"database"`  // the target's name
	Create   bool      `json:"create"`    // the database does not exist yet

	Tables    int   `json:"tables"`
	Rows      int64 `json:"rows"`
	RawBytes  int64 `json:"raw_bytes"`
	ReadBytes int64 `json:"read_bytes"` // to read from the sink

	// Chain is an incremental set with those that it builds on, the full one
	// first; empty for a full set.
	Chain []Link `json:"chain,omitempty"`

	MissingRoles      []string                `json:"missing_roles,omitempty"`
	MissingExtensions []string                `json:"missing_extensions,omitempty"`
	Prerequisites     []manifest.Prerequisite `json:"prerequisites,omitempty"` // must exist already
	Excluded          []manifest.Exclusion    `json:"excluded,omitempty"`      // what the backup left out
	Notes             []string                `json:"notes,omitempty"`

	// Replace says what a restore in place does to what is there; nil unless it
	// is one.
	Replace *Replacement `json:"replace,omitempty"`

	restorer *Restorer
	opts     Options
	source
	target  *target
	survey  *survey // of a target that is restored into in place
	undo    *undo   // what a rollback undoes
	applied bool

	sameDatabase bool // the set was taken from the target, known with Replace alone
}

// MissingError refuses a restore whose target lacks what the backup needs.
type MissingError struct{ Roles, Extensions []string }

func (e *MissingError) Error() string {
	var parts []string
	if len(e.Roles) > 0 {
		parts = append(parts, fmt.Sprintf("these roles do not exist: %s (create them from the set's globals.sql, or let the restore create or map them; without ownership and privileges only policies, user mappings and settings name roles)",
			strings.Join(e.Roles, ", ")))
	}
	if len(e.Extensions) > 0 {
		parts = append(parts, fmt.Sprintf("these extensions are not available: %s (install their packages on the server)", strings.Join(e.Extensions, ", ")))
	}
	return "restore: on the target " + strings.Join(parts, "; ")
}

// NotEmptyError refuses to restore into a database that holds something.
type NotEmptyError struct {
	Database string
	Holds    []string // some of what is there
}

func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("restore: database %q is not empty (it holds %s); restore into a new name, or empty it first",
		e.Database, strings.Join(e.Holds, ", "))
}

// Plan reads the set's tables of contents and looks at the target. It changes
// nothing. What is missing on the target, and what a restore in place may not
// replace, is in the plan, and Apply refuses it.
//
// An incremental set is restored with all that it builds on, which is looked for
// in the same sink.
//
// Errors: [*manifest.SealError], [*IdentityError], [*manifest.DamageError], of an
// incremental set [*LinkError],
// [*NotEmptyError], with Replace [ErrBusy] while a backup of the target runs,
// and what the sink and connecting return.
func (r *Restorer) Plan(ctx context.Context, set *manifest.Manifest, opts *Options) (*Plan, error) {
	return r.plan(ctx, set, opts, false)
}

func (r *Restorer) plan(ctx context.Context, set *manifest.Manifest, opts *Options, rollback bool) (*Plan, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	p := &Plan{restorer: r}
	if opts != nil {
		p.opts = *opts
	}
	var err error
	if p.source, err = r.readSet(ctx, set); err != nil {
		return nil, err
	}
	if rollback {
		if err := p.toUndo(ctx); err != nil {
			return nil, err
		}
	}
	p.describe()
	conn, t, err := openTarget(ctx, r.Target)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	p.target, p.Create = t, t.create
	if err := p.look(ctx, conn); err != nil {
		return nil, err
	}
	return p, nil
}

// describe fills in what the set alone says.
func (p *Plan) describe() {
	p.Set, p.Source, p.DataTime = p.set.ID, p.set.Source, p.set.DataTime
	p.Database = p.restorer.Target.Database
	p.Tables = len(p.contents.Tables)
	for _, t := range p.contents.Tables {
		p.Rows += t.Rows
	}
	p.RawBytes, p.ReadBytes = p.set.RawSize(), p.set.StoredSize()
	if p.chain != nil {
		p.measureChain()
	}
	p.Prerequisites, p.Excluded = p.contents.Prerequisites, p.contents.Excluded
	if len(p.set.Suspect) > 0 {
		p.Notes = append(p.Notes, "the set is suspect: "+strings.Join(p.set.Suspect, "; "))
	}
	if p.set.Scope == manifest.Part {
		p.Notes = append(p.Notes, "the set holds a part of its database only")
	}
	for _, role := range slices.Sorted(maps.Keys(p.opts.Roles)) {
		if !slices.Contains(p.contents.Roles, role) {
			p.Notes = append(p.Notes, fmt.Sprintf("the backup names no role %q: mapping it changes nothing", role))
		}
	}
}

// look fills in what the target says. conn is connected to the target, or to
// another database of its server when it is to be created.
func (p *Plan) look(ctx context.Context, conn *pgx.Conn) error {
	if v := p.target.version; p.set.Database != nil && v/10000 < p.set.Database.ServerVersion/10000 {
		p.Notes = append(p.Notes, fmt.Sprintf("the server is release %d, older than the backup's %d: what only the newer knows will fail",
			v/10000, p.set.Database.ServerVersion/10000))
	}
	if !p.target.create {
		if err := p.lookInside(ctx, conn); err != nil {
			return err
		}
	}
	var have []string
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.array_agg(rolname::pg_catalog.text) FROM pg_catalog.pg_roles").Scan(&have); err != nil {
		return fmt.Errorf("reading the target's roles: %w", err)
	}
	for _, role := range p.roles() {
		if !slices.Contains(have, role) {
			p.MissingRoles = append(p.MissingRoles, role)
		}
	}
	if err := p.lookAtOwners(ctx, conn); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.array_agg(name::pg_catalog.text) FROM pg_catalog.pg_available_extensions").Scan(&have); err != nil {
		return fmt.Errorf("reading the target's extensions: %w", err)
	}
	for _, x := range p.contents.Extensions {
		if !slices.Contains(have, x.Name) {
			p.MissingExtensions = append(p.MissingExtensions, x.Name)
		}
	}
	return nil
}

// lookInside looks at what a target holds that exists.
func (p *Plan) lookInside(ctx context.Context, conn *pgx.Conn) error {
	if err := p.target.checkEncoding(ctx, conn, p.contents.Settings.Encoding); err != nil {
		return err
	}
	if !p.opts.Replace {
		return p.target.checkEmpty(ctx, conn, p.ownSchemas())
	}
	if err := p.restorer.checkSafety(p.set.Manifest); err != nil {
		return err
	}
	if err := pgsession.CheckLock(ctx, conn, pgsession.BackupLock); err != nil {
		return err
	}
	if err := p.lookAtOrigin(ctx, conn); err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if p.survey, err = p.surveyTarget(ctx, conn); err != nil {
		return err
	}
	p.Replace = &p.survey.Replacement
	return nil
}

// lookAtOwners notes who cannot be given what belongs to them, and refuses it
// in place.
func (p *Plan) lookAtOwners(ctx context.Context, conn *pgx.Conn) error {
	if p.opts.NoOwner {
		return nil
	}
	var owners []string
	for _, e := range p.archive.Entries {
		if p.wanted(e) && (e.Section == toc.SectionPreData || e.Section == toc.SectionPostData) {
			owners = append(owners, p.role(e.Owner.String()))
		}
	}
	right := "MEMBER"
	if p.target.version >= 160000 { // since then a member may lack it (GRANT ... WITH SET FALSE)
		right = "SET"
	}
	var user string
	var refused []string
	err := conn.QueryRow(ctx, `SELECT current_user::pg_catalog.text, ARRAY(SELECT rolname::pg_catalog.text FROM pg_catalog.pg_roles
		WHERE rolname = ANY ($1) AND rolname <> 'pg_database_owner' AND NOT pg_catalog.pg_has_role(oid, $2) ORDER BY rolname)`,
		owners, right).Scan(&user, &refused)
	if err != nil {
		return fmt.Errorf("reading the memberships of the role that restores: %w", err)
	}
	if len(refused) == 0 {
		return nil
	}
	note := fmt.Sprintf("what belongs to %s will fail, as role %s cannot act for them: grant it membership, map them, leave out ownership, or connect as a superuser",
		strings.Join(refused, ", "), user)
	if p.Replace != nil { // what is there is not given up for that
		p.Replace.Refused = append(p.Replace.Refused, note)
		return nil
	}
	p.Notes = append(p.Notes, note)
	return nil
}

// ownSchemas are the schemas that must be empty: those that the set restores
// into, where it needs something else to be there already. nil means all.
func (p *Plan) ownSchemas() []string {
	if len(p.contents.Prerequisites) == 0 {
		return nil
	}
	names := []string{"public"}
	for _, e := range p.archive.Entries {
		if e.Desc == "SCHEMA" {
			names = append(names, e.Tag)
		} else if e.Namespace.String() != "" {
			names = append(names, e.Namespace.String())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// roles are the roles that the restore will name, after mapping, sorted.
func (p *Plan) roles() []string {
	var names []string
	for _, e := range p.archive.Entries {
		if !p.wanted(e) {
			continue
		}
		if owner := e.Owner.String(); owner != "" && !p.opts.NoOwner {
			names = append(names, p.role(owner))
		}
		if namesRoles(e) {
			rewriteRoles(e.Defn.String(), func(name string) string {
				names = append(names, p.role(name))
				return name
			})
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// role is the name that a role of the backup has on the target.
func (p *Plan) role(name string) string {
	if to, ok := p.opts.Roles[name]; ok {
		return to
	}
	return name
}

// wanted tells whether an entry takes part in the restore. What concerns the
// database itself applies to one that the restore creates only.
func (p *Plan) wanted(e *toc.Entry) bool {
	switch {
	case e.IsSetting(): // pinned for every connection
		return false
	case e.IsACL() && p.opts.NoPrivileges:
		return false
	}
	return p.Create || !e.IsDatabase()
}

// Missing is nil when nothing stands in the way, else a *MissingError, a
// *RefusedError or both.
func (p *Plan) Missing() error {
	var errs []error
	e := &MissingError{Extensions: p.MissingExtensions}
	if !p.opts.CreateRoles {
		e.Roles = p.MissingRoles
	}
	if len(e.Roles)+len(e.Extensions) > 0 {
		errs = append(errs, e)
	}
	if p.Replace != nil && len(p.Replace.Refused) > 0 {
		errs = append(errs, &RefusedError{p.Database, p.Replace.Refused})
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

var errApplied = errors.New("restore: the plan was applied already; make a new one")
