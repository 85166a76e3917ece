package restore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup/toc"
	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// deadlockTries is how often an entry that lost a deadlock is run again.
const deadlockTries = 5

// apply is one run of a plan.
type apply struct {
	*Plan
	target *target
	log    *slog.Logger
	meter  *meter
	loaded loaded
	notes  []string

	safety  string // the safety backup's ID, once it was taken
	changed bool   // whether the target has changed since
}

// worker is one connection to the database that is filled.
type worker struct {
	*apply
	conn    *pgx.Conn
	session *toc.Session // what was set on conn
}

// EntryError tells which entry of the archive failed, and where.
type EntryError struct {
	Desc, Name string // "TABLE", "public.tarefas"
	Statement  string // the statement that failed; empty where it may hold a secret
	Position   int    // of the error in the statement, in characters from 1; 0 unknown
	Err        error
}

func (e *EntryError) Error() string {
	s := fmt.Sprintf("restoring %s %s: %v", e.Desc, e.Name, e.Err)
	if e.Statement != "" {
		s += "\nstatement: " + e.Statement
	}
	if e.Position > 0 {
		s += fmt.Sprintf("\nat character %d", e.Position)
	}
	return s
}

func (e *EntryError) Unwrap() error { return e.Err }

// connect opens the connections. On error those that it opened are returned.
func (a *apply) connect(ctx context.Context) (workers []*worker, err error) {
	cfg := a.target.stage()
	for range a.opts.jobs() {
		conn, err := pgsession.Connect(ctx, cfg, a.settings())
		if err != nil {
			return workers, err
		}
		w := a.worker(conn)
		workers = append(workers, w)
		// A crash of the server ends the restore anyway, and the last commit waits.
		if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
			return workers, err
		}
	}
	return workers, nil
}

// settings are those of the connections that the set's texts are sent through.
func (a *apply) settings() pgsession.Settings {
	return pgsession.Settings{
		Restoring: true, ClientEncoding: a.contents.Settings.ClientEncoding,
		LCMonetary: a.contents.Settings.LCMonetary,
	}
}

func (a *apply) worker(conn *pgx.Conn) *worker {
	return &worker{apply: a, conn: conn, session: toc.NewSession(a.archive, &toc.SQLOptions{
		Major: a.target.version / 10000, NoOwner: a.opts.NoOwner, NoPrivileges: a.opts.NoPrivileges,
	})}
}

func (w *worker) close() {
	ctx, cancel := context.WithTimeout(context.Background(), dropTime)
	defer cancel()
	w.conn.Close(ctx)
}

// quietEventTriggers keeps event triggers that the target already has from
// firing at what is restored, and notes those that it cannot. A server of 17 or
// newer turns all off. An older one has the role of a replica alone, in which
// those that are ENABLE ALWAYS fire still, and ENABLE REPLICA then only
// (filter_event_trigger in event_trigger.c).
func (a *apply) quietEventTriggers(ctx context.Context, workers []*worker) error {
	var origin, replica, always []string
	err := workers[0].conn.QueryRow(ctx, `
		SELECT pg_catalog.array_agg(evtname::pg_catalog.text ORDER BY evtname) FILTER (WHERE evtenabled = 'O'),
			pg_catalog.array_agg(evtname::pg_catalog.text ORDER BY evtname) FILTER (WHERE evtenabled = 'R'),
			pg_catalog.array_agg(evtname::pg_catalog.text ORDER BY evtname) FILTER (WHERE evtenabled = 'A')
		FROM pg_catalog.pg_event_trigger`).Scan(&origin, &replica, &always)
	if err != nil {
		return err
	}
	const old = "before PostgreSQL 17 a session cannot turn off those that are ENABLE ALWAYS or ENABLE REPLICA"
	set, left := "SET event_triggers = off", []string(nil)
	switch {
	case len(origin)+len(always) == 0:
		return nil
	case a.target.version >= 170000:
	case len(origin) == 0:
		a.noteEventTriggers(always, old)
		return nil
	default:
		set, left = "SET session_replication_role = replica", slices.Concat(always, replica)
	}
	for _, w := range workers {
		if _, err := w.conn.Exec(ctx, set); sqlState(err) != "" {
			a.noteEventTriggers(slices.Concat(always, origin), "the role may not turn them off: "+err.Error())
			return nil
		} else if err != nil {
			return err
		}
	}
	a.noteEventTriggers(left, old)
	return nil
}

func (a *apply) noteEventTriggers(names []string, why string) {
	if len(names) == 0 {
		return
	}
	for i, name := range names {
		names[i] = pgsession.QuoteIdent(name)
	}
	note := fmt.Sprintf("event triggers of the target stayed on while restoring, as %s; to keep them out of the next restore, ALTER EVENT TRIGGER ... DISABLE before it: %s",
		why, strings.Join(names, ", "))
	a.note(note) // once for all connections
}

// entry runs an entry's statements as this restore's options have them, in one
// transaction.
func (w *worker) entry(ctx context.Context, e *toc.Entry) error {
	e = w.mapped(e)
	statements, err := w.session.Statements(e)
	if err != nil {
		return &EntryError{Desc: e.Desc, Name: e.Tag, Err: err}
	}
	script := strings.Join(append(w.session.Prepare(e), statements...), "\n")
	if script == "" {
		return nil
	}
	for range deadlockTries {
		_, err = w.conn.PgConn().Exec(ctx, script).ReadAll()
		if sqlState(err) != deadlock || w.conn.PgConn().TxStatus() != 'I' {
			break
		}
	}
	if err != nil {
		return entryError(e, script, err)
	}
	return nil
}

// mapped is the entry as it is run on this target: with its roles in place of
// the backup's, and without creating a schema that is there.
func (a *apply) mapped(e *toc.Entry) *toc.Entry {
	e = a.kept(e)
	if len(a.opts.Roles) == 0 {
		return e
	}
	m := *e
	if owner := e.Owner.String(); owner != "" {
		m.Owner = toc.T(a.role(owner))
	}
	if namesRoles(e) {
		m.Defn = toc.T(rewriteRoles(e.Defn.String(), a.role))
	}
	return &m
}

// entryError names the entry and cuts the failing statement out of its script.
func entryError(e *toc.Entry, script string, err error) error {
	out := &EntryError{Desc: e.Desc, Name: e.Tag, Err: err}
	if ns := e.Namespace.String(); ns != "" {
		out.Name = ns + "." + e.Tag
	}
	if e.Desc == "USER MAPPING" || e.Desc == "SUBSCRIPTION" || e.Desc == "SERVER" {
		return out
	}
	out.Statement = strings.TrimSpace(script)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Position > 0 {
		out.Statement, out.Position = statementAt(script, int(pg.Position))
	}
	return out
}

// statementAt is the one statement of a script around a position, which counts
// characters from 1, and the position in it.
func statementAt(script string, position int) (string, int) {
	var current strings.Builder
	seen, start := 0, 0
	for _, t := range lex(script) {
		if current.Len() == 0 && t.kind == other && strings.TrimSpace(t.text) == "" {
			seen += len([]rune(t.text))
			start = seen
			continue
		}
		current.WriteString(t.text)
		seen += len([]rune(t.text))
		if t.kind == punct && t.text == ";" {
			if position <= seen {
				break
			}
			current.Reset()
			start = seen
		}
	}
	return current.String(), position - start
}
