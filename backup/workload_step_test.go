package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// churn does random things to a database. The same seed does the same.
type churn struct {
	t         *testing.T
	r         *rand.Rand
	url       string
	main      *session
	long      *session // has a transaction open for many steps; nil: none has
	prepared  []string // transactions
	relations []*relation
	next      int // numbers of rows, and of all else that is made
	steps     int

	mu  sync.Mutex
	log []string // the statements since the database was made
}

// session is a connection that statements are run on.
type session struct {
	w    *churn
	name string
	conn *pgx.Conn
}

func (w *churn) session(name string) *session {
	w.t.Helper()
	s := &session{w: w, name: name, conn: connect(w.t, w.url)}
	// Who holds a lock here does so until a later step: waiting is of no use.
	s.must("SET lock_timeout = '30ms'; SET client_min_messages = error")
	return s
}

// mayFail are the SQLSTATEs, or their classes, of statements that had bad luck.
var mayFail = []string{
	"22", "23", // data exceptions and integrity violations: rows collide
	"40", "55P03", // deadlocks and the like, and locks that a transaction holds on
	"2BP01", "42P16", "42809", "0A000", // others depend on it, it is inherited, of another kind; this server cannot
}

// run executes SQL of one or more statements, and tells whether it succeeded.
func (s *session) run(format string, args ...any) bool {
	s.w.t.Helper()
	sql := fmt.Sprintf(format, args...)
	_, err := s.conn.PgConn().Exec(context.Background(), sql).ReadAll()
	return s.ran(sql, err)
}

func (s *session) ran(sql string, err error) bool {
	s.w.t.Helper()
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	note := ""
	if err != nil {
		note = fmt.Sprintf(" -- %v", err)
	}
	s.w.log = append(s.w.log, s.name+": "+sql+note)
	var pgErr *pgconn.PgError
	if err == nil {
		return true
	}
	if errors.As(err, &pgErr) {
		for _, code := range mayFail {
			if strings.HasPrefix(pgErr.Code, code) {
				return false
			}
		}
	}
	s.w.t.Errorf("%s: %s: %v", s.name, sql, err)
	return false
}

// must executes SQL that cannot fail.
func (s *session) must(format string, args ...any) {
	s.w.t.Helper()
	if !s.run(format, args...) {
		s.w.t.Errorf("%s: %s failed", s.name, fmt.Sprintf(format, args...))
	}
}

// step does one thing.
func (w *churn) step() {
	w.steps++
	switch n := w.r.IntN(100); {
	case n < 32:
		w.main.run("%s", w.statement(w.r, &w.next))
	case n < 48:
		w.transaction()
	case n < 54:
		w.prepare()
	case n < 60:
		w.endPrepared()
	case n < 68:
		w.goOnLong()
	case n < 70:
		w.main.run("TRUNCATE %s%s", w.any().name, []string{"", " RESTART IDENTITY", " CASCADE"}[w.r.IntN(3)])
	case n < 78:
		w.maintain()
	case n < 82:
		w.number()
	default:
		w.define()
	}
}

func (w *churn) any() *relation { return w.relations[w.r.IntN(len(w.relations))] }

// statement is SQL that writes to a table. next numbers the rows.
func (w *churn) statement(r *rand.Rand, next *int) string {
	rel := w.relations[r.IntN(len(w.relations))]
	some := 1 + r.IntN(6)
	if r.IntN(12) == 0 {
		some = 100 + r.IntN(200)
	}
	// Which rows it is depends on nothing but them and a number.
	chosen := fmt.Sprintf("(x.tableoid, x.ctid) IN (SELECT y.tableoid, y.ctid FROM %s y ORDER BY md5(y::text || '%d') LIMIT %d)", rel.name, r.IntN(1e6), some)
	collide := onlyWhere(!strings.Contains(rel.table, "DEFERRABLE"), " ON CONFLICT DO NOTHING")
	old := r.IntN(*next + 1)
	switch n := r.IntN(16); {
	case n < 4:
		*next += some
		return rel.fill(*next-some, *next-1) + collide
	case n < 6 && rel.unique != "":
		return rel.fill(old, old+some) + fmt.Sprintf(" ON CONFLICT (%s) DO UPDATE SET v = excluded.v || 'u', n = %d", rel.unique, r.IntN(1000))
	case n < 9:
		return fmt.Sprintf("UPDATE %s x SET v = word(%d) || coalesce(n, -1), n = CASE WHEN n %% 9 = 0 THEN NULL ELSE %d END WHERE %s", rel.name, r.IntN(1000), r.IntN(1000), chosen)
	case n < 11 && rel.rekey != "":
		return fmt.Sprintf("UPDATE %s x SET %s WHERE %s", rel.name, rel.rekey, chosen)
	case n < 13:
		return fmt.Sprintf("DELETE FROM %s x WHERE %s", rel.name, chosen)
	case n < 14: // the same rows again
		return fmt.Sprintf("DELETE FROM %s WHERE n BETWEEN %d AND %d; %s", rel.name, old%1000, old%1000+some, rel.fill(old, old+some)+collide)
	case n < 15:
		return fmt.Sprintf("UPDATE %s x SET v = v WHERE %s", rel.name, chosen)
	default:
		return fmt.Sprintf("SELECT FROM %s x WHERE %s FOR %s", rel.name, chosen, []string{"SHARE", "UPDATE", "KEY SHARE", "NO KEY UPDATE"}[r.IntN(4)])
	}
}

// transaction runs some statements, some of them in savepoints, and ends them
// well or not.
func (w *churn) transaction() {
	if w.statements(w.main, w.r, &w.next) {
		w.main.run("%s", []string{"COMMIT", "COMMIT", "COMMIT", "ROLLBACK"}[w.r.IntN(4)])
	}
}

// statements begins a transaction; where one of them fails it is rolled back.
func (w *churn) statements(s *session, r *rand.Rand, next *int) bool {
	s.must("BEGIN")
	for n := range 1 + r.IntN(4) {
		savepoint := r.IntN(3)
		if savepoint > 0 {
			s.must("SAVEPOINT s%d", n)
		}
		good := s.run("%s", w.statement(r, next))
		switch {
		case savepoint == 2 || savepoint == 1 && !good:
			s.must("ROLLBACK TO s%d", n)
		case !good:
			s.must("ROLLBACK")
			return false
		case savepoint == 1 && r.IntN(4) > 0:
			s.must("RELEASE s%d", n)
		}
	}
	return true
}

func (w *churn) prepare() {
	if len(w.prepared) >= 2 || !w.statements(w.main, w.r, &w.next) {
		return
	}
	w.next++
	gid := fmt.Sprintf("%s %d", oracle.Config(w.t, w.url).Database, w.next)
	if w.main.run("PREPARE TRANSACTION '%s'", gid) {
		w.prepared = append(w.prepared, gid)
	}
}

func (w *churn) endPrepared() {
	if len(w.prepared) == 0 {
		return
	}
	n := w.r.IntN(len(w.prepared))
	w.main.must("%s PREPARED '%s'", []string{"COMMIT", "COMMIT", "ROLLBACK"}[w.r.IntN(3)], w.prepared[n])
	w.prepared = append(w.prepared[:n], w.prepared[n+1:]...)
}

// goOnLong begins, continues or ends a transaction that other steps and
// backups are between of.
func (w *churn) goOnLong() {
	switch {
	case w.long == nil:
		w.long = w.session("long")
		if !w.statements(w.long, w.r, &w.next) {
			w.endLong()
		}
	case w.r.IntN(3) > 0:
		if !w.long.run("%s", w.statement(w.r, &w.next)) {
			w.long.must("ROLLBACK")
			w.endLong()
		}
	default:
		w.long.run("%s", []string{"COMMIT", "COMMIT", "ROLLBACK"}[w.r.IntN(3)])
		w.endLong()
	}
}

func (w *churn) endLong() {
	w.long.conn.Close(context.Background())
	w.long = nil
}

// finish ends what is open, lest it be there for ever.
func (w *churn) finish() {
	if w.long != nil {
		w.endLong()
	}
	for len(w.prepared) > 0 {
		w.endPrepared()
	}
}

// maintain does what changes no row and much of how rows are stored.
func (w *churn) maintain() {
	rel := w.any()
	switch w.r.IntN(7) {
	case 0:
		w.main.run("VACUUM %s", rel.name)
	case 1:
		w.main.run("VACUUM FULL %s", rel.name)
	case 2:
		w.main.run("VACUUM (FREEZE) %s", rel.name)
	case 3:
		w.main.run("ANALYZE %s", rel.name)
	case 4:
		var index *string
		if err := w.main.conn.QueryRow(context.Background(), `SELECT min(relname) FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE indrelid = $1::text::regclass AND indisvalid`, rel.name).Scan(&index); err != nil {
			w.t.Fatal(err)
		}
		if index != nil && rel.table != "" { // partitioned tables can be clustered since 15
			w.main.run("CLUSTER %s USING %s", rel.name, *index)
		}
	default:
		w.copyFreeze(rel)
	}
}

// copyFreeze stores a table's rows anew, and frozen from the beginning.
func (w *churn) copyFreeze(rel *relation) {
	if rel.table == "" || rel.name == "parents" {
		return
	}
	ctx, columns := context.Background(), rel.columns+", v"
	var rows bytes.Buffer
	if _, err := w.main.conn.PgConn().CopyTo(ctx, &rows, fmt.Sprintf("COPY (SELECT %s FROM ONLY %s) TO STDOUT", columns, rel.name)); err != nil {
		w.t.Fatal(err)
	}
	w.main.must("BEGIN")
	if !w.main.run("TRUNCATE ONLY %s", rel.name) {
		w.main.must("ROLLBACK")
		return
	}
	sql := fmt.Sprintf("COPY %s (%s) FROM STDIN (FREEZE)", rel.name, columns)
	_, err := w.main.conn.PgConn().CopyFrom(ctx, &rows, sql)
	if w.main.ran(sql, err) {
		w.main.must("COMMIT")
	} else {
		w.main.must("ROLLBACK")
	}
}

// number changes sequences and large objects.
func (w *churn) number() {
	n := w.r.IntN(1000)
	object := fmt.Sprintf("(SELECT oid FROM pg_largeobject_metadata ORDER BY md5(oid::text || '%d') LIMIT 1) AS o", n)
	switch w.r.IntN(6) {
	case 0:
		w.main.run("SELECT nextval('counter') FROM generate_series(1, %d)", n)
	case 1:
		w.main.run("SELECT setval('counter', %d, %t)", 1+n, n%2 == 0)
	case 2:
		w.main.run("SELECT nextval('steps'); ALTER SEQUENCE steps INCREMENT BY %d", -1-n%5)
	case 3:
		w.next++
		w.main.run("SELECT lo_from_bytea(%d, convert_to(word(%d) || repeat('x', %d), 'UTF8'))", 1_000_000+w.next, n, n*7)
	case 4:
		w.main.run("SELECT lo_put(oid, %d, '\\x0102%04d') FROM %s", n, n, object)
	case 5:
		w.main.run("SELECT lo_unlink(oid) FROM %s", object)
	}
}
