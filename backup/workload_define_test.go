package backup_test

import (
	"fmt"
	"slices"
)

// define changes the definition of something.
func (w *churn) define() {
	w.next++
	rel, n := w.any(), w.next
	switch w.r.IntN(22) {
	case 0:
		w.addColumn(rel, fmt.Sprintf("int DEFAULT %d", n)) // without a rewrite
	case 1:
		w.addColumn(rel, "bigint DEFAULT nextval('counter')")
	case 2:
		w.addColumn(rel, fmt.Sprintf("point3 DEFAULT point(%d)", n))
	case 3:
		w.dropColumn(rel)
	case 4:
		w.main.run("ALTER TABLE %s ALTER v TYPE %s", rel.name, []string{"varchar(9000)", "text", `text COLLATE "C"`}[n%3])
	case 5:
		w.main.run("ALTER TABLE %s ALTER n TYPE %s", rel.name, []string{"bigint", "int", "numeric(12,2)"}[n%3])
	case 6:
		w.main.run("ALTER TYPE %s RENAME VALUE '%s' TO 'renamed %d'", "mood", w.label("mood"), n)
	case 7:
		w.main.run("ALTER TYPE mood ADD VALUE 'added %d' BEFORE '%s'", n, w.label("mood"))
	case 8:
		w.main.run("ALTER TYPE colour RENAME VALUE '%s' TO 'shade %d'", w.label("colour"), n)
	case 9:
		w.main.run("ALTER TYPE point3 ADD ATTRIBUTE a%d text", n)
	case 10:
		w.rename(rel, fmt.Sprintf("renamed_%d", n))
	case 11, 12:
		w.swap(rel, w.any())
	case 13:
		w.remake(rel)
	case 14:
		w.rekey(rel, n)
	case 15:
		w.main.run("UPDATE %[1]s SET n = 0 WHERE n IS NULL; ALTER TABLE %[1]s ALTER n SET NOT NULL", rel.name)
	case 16:
		w.main.run("ALTER TABLE %s ALTER n DROP NOT NULL", rel.name)
	case 17:
		w.main.run("ALTER DOMAIN positive DROP CONSTRAINT IF EXISTS bounded; ALTER DOMAIN positive ADD CONSTRAINT bounded CHECK (VALUE > %d)", -1_000_000-n)
	case 18:
		w.main.run("ALTER TABLE %s SET %s", rel.name, []string{"LOGGED", "UNLOGGED"}[n%2])
	case 19:
		w.main.run("ALTER TABLE pointed_%d RENAME TO pointed_x; ALTER TABLE pointed_%d RENAME TO pointed_%[1]d; ALTER TABLE pointed_x RENAME TO pointed_%[2]d", n%3, (n+1)%3)
	case 20:
		w.repartition()
	case 21:
		w.newTable(n)
	}
}

// label is one of an enum's.
func (w *churn) label(enum string) string {
	return value[string](w.t, w.main.conn, `SELECT enumlabel FROM pg_enum WHERE enumtypid = $1::text::regtype ORDER BY md5(enumlabel || $2::int) LIMIT 1`, enum, w.next)
}

func (w *churn) addColumn(rel *relation, definition string) {
	column := fmt.Sprintf("c%d", w.next)
	if w.main.run("ALTER TABLE %s ADD %s %s", rel.name, column, definition) {
		rel.added = append(rel.added, column)
	}
}

func (w *churn) dropColumn(rel *relation) {
	if len(rel.added) == 0 {
		return
	}
	n := w.r.IntN(len(rel.added))
	if w.main.run("ALTER TABLE %s DROP %s", rel.name, rel.added[n]) {
		rel.added = slices.Delete(rel.added, n, n+1)
	}
}

func (w *churn) rename(rel *relation, name string) {
	if !rel.fixed && w.main.run("ALTER TABLE %s RENAME TO %s", rel.name, name) {
		rel.name = name
	}
}

// swap gives each of two tables the other's name, as after a load into a copy.
func (w *churn) swap(a, b *relation) {
	if a == b || a.fixed || b.fixed {
		return
	}
	if w.main.run("ALTER TABLE %[1]s RENAME TO passed; ALTER TABLE %[2]s RENAME TO %[1]s; ALTER TABLE passed RENAME TO %[2]s", a.name, b.name) {
		a.name, b.name = b.name, a.name
	}
}

// remake drops the table and makes another of the same name, empty or with
// rows that look the same.
func (w *churn) remake(rel *relation) {
	if rel.fixed {
		return
	}
	sql := "DROP TABLE " + rel.name + "; " + rel.create()
	if w.r.IntN(3) > 0 {
		sql += rel.fill(1, 20)
	}
	if w.main.run("%s", sql) {
		rel.added = nil
	}
}

// rekey replaces what the rows are told apart by: makes the same primary key
// again, with its columns in another order, a unique index, or nothing.
func (w *churn) rekey(rel *relation, n int) {
	if rel.primary == "" || rel.unique == "" {
		return
	}
	drop := fmt.Sprintf(`DO $$ BEGIN EXECUTE (SELECT coalesce(format('ALTER TABLE %%s DROP CONSTRAINT %%I', conrelid::regclass, conname), 'SELECT')
		FROM pg_constraint WHERE conrelid = '%s'::regclass AND contype = 'p'); EXCEPTION WHEN null_value_not_allowed THEN END $$;`, rel.name)
	add := fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT key_%d PRIMARY KEY (%s);", rel.name, n, rel.primary)
	unique := fmt.Sprintf("CREATE UNIQUE INDEX key_%d ON %s (%s);", n, rel.name, rel.unique)
	switch w.r.IntN(4) {
	case 0, 1:
		w.main.run("%s%s", drop, add)
	case 2:
		w.main.run("%s%s", drop, unique)
	default: // and none that upserts could name
		if w.main.run("%s", drop) {
			rel.unique = ""
		}
	}
}

// repartition takes a partition out of its table and puts it back, so that its
// bound is another for a while.
func (w *churn) repartition() {
	w.main.run(`ALTER TABLE parted DETACH PARTITION parted_north;
		DELETE FROM parted WHERE region = 'west'; DELETE FROM parted_other WHERE region = 'west';
		ALTER TABLE parted ATTACH PARTITION parted_north FOR VALUES IN ('north'%s)`, []string{"", ", 'west'"}[w.r.IntN(2)])
}

// newTable adds a table, or a schema's.
func (w *churn) newTable(n int) {
	rel := &relation{name: fmt.Sprintf("aside.new_%d", n), table: "CREATE TABLE %s (k int PRIMARY KEY, v text, n int)", columns: "k", row: "i", rekey: "k = -k", unique: "k", fixed: true}
	if w.main.run("%s", rel.create()+rel.fill(1, w.r.IntN(300))) {
		w.relations = append(w.relations, rel)
	}
}
