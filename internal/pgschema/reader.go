package pgschema

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// reader holds one reading of the catalogs.
type reader struct {
	ctx  context.Context
	conn *pgx.Conn
	opts *Options

	major   int    // server major release: 13 to 18
	version int    // server_version_num
	user    string // whose privileges count
	super   bool
	standby bool

	objs   []dumpable             // by dump ID less 1
	tables []*table               // in OID order
	byCat  map[catalogID]dumpable // objects that have a catalog row

	lastID      int
	quoted      map[string]bool   // identifiers that are keywords and must be quoted
	roles       map[uint32]string // names, not quoted
	usedRoles   map[string]bool   // those that the entries name
	filter      *filter
	database    *database
	members     map[catalogID]*extension   // of objects that belong to an extension
	droppedWith map[catalogID][]*extension // of objects that DEPENDS ON EXTENSION
	comments    map[catalogID][]comment
	labels      map[catalogID][]label
	acls        map[catalogID]*privileges
	columns     map[uint32][]*privileges // of a table's columns, by its OID

	schema *Schema // what is being built: settings, exclusions, warnings
}

// newReader asks the server what it is.
func newReader(ctx context.Context, conn *pgx.Conn, opts *Options) (*reader, error) {
	if opts == nil {
		opts = &Options{}
	}
	r := &reader{
		ctx: ctx, conn: conn, opts: opts,
		byCat: make(map[catalogID]dumpable), usedRoles: make(map[string]bool),
	}
	err := conn.QueryRow(ctx, `
		SELECT current_setting('server_version_num')::int,
		       current_user::text, current_setting('is_superuser') = 'on',
		       pg_catalog.pg_is_in_recovery()`).Scan(&r.version, &r.user, &r.super, &r.standby)
	if err != nil {
		return nil, fmt.Errorf("reading the server's version: %w", err)
	}
	r.major = r.version / 10000
	r.schema = &Schema{Version: r.version}
	return r, nil
}

// readRoles learns the roles' names.
func (r *reader) readRoles() error {
	rows, err := query[struct {
		OID  uint32
		Name string
	}](r, "roles", `SELECT oid, rolname FROM pg_catalog.pg_roles`)
	if err != nil {
		return err
	}
	r.roles = make(map[uint32]string, len(rows))
	for _, row := range rows {
		r.roles[row.OID] = row.Name
	}
	return nil
}

// useRole notes that the archive names a role.
func (r *reader) useRole(name string) string {
	if name != "" {
		r.usedRoles[name] = true
	}
	return name
}

// newID gives the next dump ID to an entry that is no object of its own.
func (r *reader) newID() int {
	r.lastID++
	return r.lastID
}

// add registers an object and gives it its dump ID. kind, cat, name and nsp
// must be set; dump is decided by the caller afterwards.
func (r *reader) add(d dumpable) {
	o := d.obj()
	o.id = r.newID()
	for len(r.objs) < o.id {
		r.objs = append(r.objs, nil)
	}
	r.objs[o.id-1] = d
	if o.cat != (catalogID{}) {
		r.byCat[o.cat] = d
	}
}

// byID is the object of a dump ID, nil when the ID belongs to a mere entry.
func (r *reader) byID(id int) dumpable {
	if id < 1 || id > len(r.objs) {
		return nil
	}
	return r.objs[id-1]
}

// find is the object of type T with a catalog row, or the zero T.
func find[T dumpable](r *reader, class, oid uint32) T {
	d, _ := r.byCat[catalogID{class, oid}].(T)
	return d
}

// query runs one catalog query and scans every row into a T, whose exported
// fields are matched to the columns by position. what names the catalog for
// the error.
func query[T any](r *reader, what, sql string, args ...any) ([]T, error) {
	rows, err := r.conn.Query(r.ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, r.changed(err))
	}
	return out, nil
}
