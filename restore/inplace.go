package restore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// lockTimeout is the default of Options.LockTimeout.
const lockTimeout = time.Minute

// SQLSTATE codes of PostgreSQL's errcodes.txt.
const (
	lockNotAvailable    = "55P03"
	outOfMemory         = "53200" // "out of shared memory": the lock table is full
	dependentObjects    = "2BP01" // others depend on what is dropped, or it is part of another
	inheritedConstraint = "42P16" // invalid_table_definition
)

// confirmed asks whether what the plan says is meant.
func (a *apply) confirmed(ctx context.Context) error {
	if a.Replace == nil || a.Replace.empty() {
		return nil
	}
	return a.opts.Confirm(ctx, a.Plan)
}

// inPlace takes what the set holds out of the database and creates it anew,
// without rows, in one transaction, once it has read the whole set. From before the safety backup until its
// commit, nobody else writes to the tables that go.
func (a *apply) inPlace(ctx context.Context, admin *pgx.Conn) error {
	a.meter.phase("reading the set")
	if err := a.readable(ctx); err != nil {
		return err
	}
	conn, err := pgsession.Connect(ctx, a.target.config, a.settings())
	if err != nil {
		return err
	}
	w := a.worker(conn)
	defer w.close()
	if err := a.quietEventTriggers(ctx, []*worker{w}); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "BEGIN; SET LOCAL lock_timeout = "+pgsession.QuoteLiteral(a.opts.lockTimeout())); err != nil {
		return err
	}
	err = locked(ctx, conn, a.note, func() error { return w.lockTables(ctx, a.survey, "EXCLUSIVE") })
	if err != nil {
		return err
	}
	now, err := a.sameAsPlanned(ctx, conn, a.survey)
	if err != nil {
		return err
	}
	a.survey = now
	a.meter.phase("safety backup")
	if a.safety, err = a.restorer.takeSafety(ctx, a.set.Manifest, now.undo(), now.chooseSafety); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	if err := pgsession.TakeLock(ctx, admin, pgsession.BackupLock); err != nil {
		return err
	}
	a.meter.phase("schema")
	if err := w.replaceSchema(ctx); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "COMMIT"); err != nil {
		a.changed = true // nobody knows
		return err
	}
	a.changed = true
	return nil
}

// sameAsPlanned looks at the target again, and refuses what was not planned.
func (a *apply) sameAsPlanned(ctx context.Context, conn *pgx.Conn, planned *survey) (*survey, error) {
	now, err := a.surveyTarget(ctx, conn)
	if err != nil {
		return nil, err
	}
	if len(now.Refused) > 0 {
		return nil, &RefusedError{a.Database, now.Refused}
	}
	return now, now.sameAs(planned)
}

// replaceSchema drops, creates and marks, within the transaction.
func (w *worker) replaceSchema(ctx context.Context) error {
	err := locked(ctx, w.conn, w.note, func() error { return w.lockTables(ctx, w.survey, "ACCESS EXCLUSIVE") })
	if err != nil {
		return err
	}
	now, err := w.sameAsPlanned(ctx, w.conn, w.survey)
	if err != nil {
		return err
	}
	w.survey = now
	if err := w.clean(ctx, now); err != nil {
		return err
	}
	later := w.later()
	if err := w.serial(ctx, w, func(e *toc.Entry) bool { return e.Pass() == toc.PassMain && !later[e] }); err != nil {
		return err
	}
	for _, e := range w.suspended(now) {
		if _, err := w.conn.PgConn().Exec(ctx, e.Defn.String()).ReadAll(); err != nil {
			return entryError(e, e.Defn.String(), err)
		}
	}
	return mark(ctx, w.conn, &Unfinished{Set: w.Set, Safety: w.safety, Since: time.Now().UTC().Truncate(time.Second)})
}

// lockTables locks the tables that go.
func (w *worker) lockTables(ctx context.Context, s *survey, mode string) error {
	var names []string
	for _, e := range s.live.Entries {
		if e.Desc == "TABLE" && s.goes(e) {
			names = append(names, sqlName(e))
		}
	}
	for batch := range slices.Chunk(names, 400) {
		_, err := w.conn.Exec(ctx, "LOCK TABLE ONLY "+strings.Join(batch, ", ONLY ")+" IN "+mode+" MODE")
		if err != nil {
			return waiting(err, s)
		}
	}
	return nil
}

// locked runs what locks tables, again where that meets a deadlock: then what it
// has locked is given up, and those are ended who will never let it be. note is
// told of each.
func locked(ctx context.Context, conn *pgx.Conn, note func(string), lock func() error) error {
	if _, err := conn.Exec(ctx, "SAVEPOINT locks"); err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := lock()
		if sqlState(err) != deadlock || try == deadlockTries {
			return err
		}
		if _, err := conn.Exec(ctx, "ROLLBACK TO locks"); err != nil {
			return err
		}
		if err := endBlocked(ctx, conn, note); err != nil {
			return err
		}
	}
}

// endBlocked cancels the statements of those who have read what is replaced and
// now wait to write to it: they wait for the lock that this transaction has
// kept since before the safety backup, and it waits for theirs. One of the two
// must go, as in any deadlock.
func endBlocked(ctx context.Context, conn *pgx.Conn, note func(string)) error {
	rows, err := conn.Query(ctx, `
		SELECT pg_catalog.format('cancelled, as it waited to write to a table that is replaced, after reading one: pid %s, user %s', pid, usename), pg_catalog.pg_cancel_backend(pid)
		FROM pg_catalog.pg_stat_activity a
		WHERE pg_catalog.pg_backend_pid() = ANY (pg_catalog.pg_blocking_pids(pid))
		  AND EXISTS (SELECT FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_locks m ON m.locktype = 'relation' AND m.database = l.database AND m.relation = l.relation
			WHERE l.locktype = 'relation' AND l.granted AND l.pid = a.pid AND m.granted AND m.mode = 'ExclusiveLock' AND m.pid = pg_catalog.pg_backend_pid())`)
	if err != nil {
		return err
	}
	var text string
	var ended bool
	_, err = pgx.ForEachRow(rows, []any{&text, &ended}, func() error { note(text); return nil })
	if err != nil {
		return fmt.Errorf("cancelling those who wait to write to what is replaced, after reading it (end them, or allow the role pg_signal_backend): %w", err)
	}
	return nil
}

// note is something for the log and the result.
func (a *apply) note(text string) {
	a.log.Warn(text)
	if !slices.Contains(a.notes, text) {
		a.notes = append(a.notes, text)
	}
}

// waiting says what a lock that was not got, or had no room, takes.
func waiting(err error, s *survey) error {
	switch sqlState(err) {
	case lockNotAvailable, deadlock:
		return fmt.Errorf("waiting for those who use what is replaced (%s): end them, or allow a longer lock timeout: %w", strings.Join(s.Sessions, "; "), err)
	case outOfMemory:
		return fmt.Errorf("the server's lock table is full: raise max_locks_per_transaction and restart it, or restore into a new database: %w", err)
	}
	return err
}

// detail is what the server says beside its message: who depends on what.
func detail(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Detail != "" {
		return " (" + strings.ReplaceAll(pg.Detail, "\n", "; ") + ")"
	}
	return ""
}

// clean drops what goes, and gives what stays in its place the privileges and
// comments of something new. Nothing is dropped that the survey does not name:
// DROP refuses where anything else depends on it.
func (w *worker) clean(ctx context.Context, s *survey) error {
	for _, sql := range s.shells {
		if _, err := w.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, waiting(err, s))
		}
	}
	for _, e := range s.drops() {
		if err := w.drop(ctx, s, e); err != nil {
			return fmt.Errorf("dropping %v%s: %w", e, detail(err), waiting(err, s))
		}
	}
	for _, t := range s.configTables() {
		if err := w.emptyConfigTable(ctx, t); err != nil {
			return err
		}
	}
	_, err := w.conn.Exec(ctx, `SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata
		WHERE oid IN (SELECT b.oid::pg_catalog.oid FROM unnest($1::pg_catalog.int8[]) b(oid))`, s.blobs)
	if err != nil {
		return fmt.Errorf("removing %d large objects: %w", len(s.blobs), waiting(err, s))
	}
	switch u := s.plan.undo; {
	case u != nil && u.NoPublic:
		err = w.dropPublic(ctx)
	case s.public && !s.hasPublic:
		err = w.createPublic(ctx)
	}
	if err != nil {
		return err
	}
	return w.reset(ctx, s)
}

// dropPublic drops the schema that a restore had to create, unless it is in use.
func (w *worker) dropPublic(ctx context.Context) error {
	_, err := w.conn.PgConn().Exec(ctx, "SAVEPOINT object; DROP SCHEMA IF EXISTS public; RELEASE object").ReadAll()
	if sqlState(err) == dependentObjects {
		_, err = w.conn.Exec(ctx, "ROLLBACK TO object")
	}
	return err
}

// drop drops one object. A part of a table that goes with it may be one that
// cannot go alone, as the key of a partition cannot: then it is left to the
// table. A type may be needed by its own functions: then they go together, once
// it is seen again that nothing else depends on them.
func (w *worker) drop(ctx context.Context, s *survey, e *toc.Entry) error {
	o, r := objectOf(e)
	sql := strings.TrimSpace(ifExists(e))
	_, err := w.conn.PgConn().Exec(ctx, "SAVEPOINT object; "+sql+" RELEASE object").ReadAll()
	switch state := sqlState(err); {
	case state != dependentObjects && state != inheritedConstraint:
		return err
	case r == attached || r == inside:
		_, err = w.conn.Exec(ctx, "ROLLBACK TO object")
		return err
	case o.Kind != "TYPE":
		return err
	}
	if _, err := w.conn.Exec(ctx, "ROLLBACK TO object"); err != nil {
		return err
	}
	if err := s.lookOutside(ctx, w.conn); err != nil {
		return err
	}
	if len(s.Refused) > 0 {
		return &RefusedError{w.Database, s.Refused}
	}
	_, err = w.conn.Exec(ctx, strings.TrimSuffix(sql, ";")+" CASCADE")
	return err
}

// emptyConfigTable deletes the rows of an extension's table that the set brings
// again. It may not exist yet.
func (w *worker) emptyConfigTable(ctx context.Context, t *toc.Entry) error {
	i := slices.IndexFunc(w.contents.Tables, func(c manifest.Table) bool {
		return c.Schema == t.Namespace.String() && c.Name == t.Tag
	})
	if i < 0 {
		return nil
	}
	var there bool
	if err := w.conn.QueryRow(ctx, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", sqlName(t)).Scan(&there); err != nil || !there {
		return err
	}
	if _, err := w.conn.Exec(ctx, "DELETE FROM ONLY "+sqlName(t)+" "+w.contents.Tables[i].Filter); err != nil {
		return fmt.Errorf("emptying %s: %w", sqlName(t), err)
	}
	return nil
}

// analyzed are the relations that a restore in place gathers statistics of, as
// a list for ANALYZE; "", all of the database's, for any other restore.
func (a *apply) analyzed() string {
	if a.Replace == nil {
		return ""
	}
	var names []string
	for _, e := range a.archive.Entries {
		if (e.Desc == "TABLE" || e.Desc == "MATERIALIZED VIEW") && a.wanted(e) {
			names = append(names, sqlName(e))
		}
	}
	return strings.Join(names, ", ")
}

// finish takes the mark away, when all else is done. What a rollback brings back
// may have been incomplete by itself.
func (w *worker) finish(ctx context.Context) error {
	if w.Replace == nil {
		return nil
	}
	if w.undo != nil {
		return mark(ctx, w.conn, w.undo.Unfinished)
	}
	return mark(ctx, w.conn, nil)
}

// undo is what the restore is about to change.
func (s *survey) undo() *undo {
	u := &undo{Set: s.plan.Set, Whole: true, Created: s.created, Public: s.public, NoPublic: s.public && !s.hasPublic,
		Unfinished: s.Unfinished}
	for id := range s.gone {
		u.Replaced = append(u.Replaced, id)
	}
	for _, e := range s.live.Entries {
		if o, _ := objectOf(e); e.Desc == "USER MAPPING" && s.goes(e) {
			u.Users = append(u.Users, o)
		}
	}
	for _, e := range s.kept {
		if _, r := objectOf(e); r == container {
			u.Replaced = append(u.Replaced, idOf(e))
		}
	}
	for _, e := range s.resets {
		u.Replaced = append(u.Replaced, idOf(e))
	}
	tables := map[object]bool{}
	for _, t := range s.configTables() {
		tables[object{Kind: t.Desc, Schema: t.Namespace.String(), Name: t.Tag}] = true
	}
	for _, e := range s.live.Entries { // which has their rows, and not the tables
		if o, _ := objectOf(e); tables[o] {
			u.Replaced = append(u.Replaced, catalogID{pgClass, e.OID})
		}
	}
	slices.SortFunc(u.Replaced, func(a, b catalogID) int {
		if a.Class != b.Class {
			return int(int64(a.Class) - int64(b.Class))
		}
		return int(int64(a.OID) - int64(b.OID))
	})
	for _, e := range s.plan.archive.Entries {
		u.LargeObjects = append(u.LargeObjects, blobOIDs(e)...)
	}
	return u
}

// chooseSafety leaves out of the safety backup the schemas that nothing is
// changed in, and what no backup can hold.
func (s *survey) chooseSafety(d *backup.Dumper) {
	touched := map[string]bool{"": true, "public": true}
	for o := range s.wants {
		touched[o.Schema] = true
		if o.Kind == "SCHEMA" {
			touched[o.Name] = true
		}
	}
	for _, t := range s.configTables() {
		touched[t.Namespace.String()] = true
	}
	schemas := map[string]bool{}
	for _, e := range s.live.Entries {
		if e.Desc == "SCHEMA" {
			schemas[e.Tag] = true
		} else if s.goes(e) {
			touched[e.Namespace.String()] = true
		}
	}
	for schema := range schemas {
		if !touched[schema] {
			d.ExcludeSchemas = append(d.ExcludeSchemas, `"`+strings.ReplaceAll(schema, `"`, `""`)+`"`)
		}
	}
	slices.Sort(d.ExcludeSchemas)
	for _, x := range s.live.Excluded {
		d.ExcludeObjects = append(d.ExcludeObjects, x.Kind+" "+x.Name)
	}
	d.Jobs = s.plan.opts.Jobs
}

func (o *Options) lockTimeout() string {
	switch {
	case o.LockTimeout < 0:
		return "0"
	case o.LockTimeout == 0:
		return fmt.Sprint(lockTimeout.Milliseconds())
	}
	return fmt.Sprint(max(o.LockTimeout.Milliseconds(), 1))
}

// failed says how far a restore in place came.
func (a *apply) failed(err error) error {
	if a.safety == "" {
		return err
	}
	var already *ReplaceError
	if errors.As(err, &already) {
		return err
	}
	return &ReplaceError{Database: a.Database, Set: a.Set, Safety: a.safety, Changed: a.changed, Err: err}
}
