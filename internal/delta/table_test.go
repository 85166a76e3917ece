package delta_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/internal/delta"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// fill makes a table of 3000 rows in many pages, and its description.
func fill(t *testing.T, conn *pgx.Conn, key string) delta.Table {
	t.Helper()
	kinds := map[string]string{"id": "int4", "code": "uuid", "label": "text"}
	exec(t, conn, `DROP TABLE IF EXISTS public.t`, fmt.Sprintf(`CREATE TABLE public.t (%s %s PRIMARY KEY, n int8, padding text)`, key, kinds[key]),
		fmt.Sprintf(`INSERT INTO public.t SELECT %s, i, pg_catalog.repeat('x', 100) FROM pg_catalog.generate_series(1, 3000) i`, keyOf(key, "i")))
	d := table(t, conn, "t", key)
	d.Geometry = delta.Choose(3000, d.Key, 1, 3000)
	return d
}

// keyOf is SQL for the key with a number.
func keyOf(key, number string) string {
	switch key {
	case "code":
		return "pg_catalog.md5(" + number + "::text)::uuid"
	case "label":
		return "'label ' || " + number
	}
	return number
}

func TestRangesAddUp(t *testing.T) {
	for _, major := range []int{13, 18} {
		conn := connect(t, oracle.Database(t, oracle.Server(t, major)))
		d := fill(t, conn, "code")
		since := parent(t, conn)
		exec(t, conn, `UPDATE public.t SET n = -n WHERE n % 7 = 0`, `DELETE FROM public.t WHERE n % 11 = 0`)
		share := delta.Share{First: 3, Last: 9}
		want := count(t, conn, d, since, whole, share)
		got := delta.NewCounts(d.Geometry)
		for _, r := range []delta.Range{{To: 10}, {From: 10, To: 11}, {From: 11, To: 30}, {From: 30, To: -1}} {
			part := count(t, conn, d, since, r, share)
			if part.Kept.Total().Rows+part.Changed.Total().Rows == 0 {
				t.Errorf("there is nothing in %+v", r)
			}
			got.Merge(part)
		}
		if !reflect.DeepEqual(got, want) || want.ContentRows == 0 || want.Kept.Total().Rows == 0 || want.Changed.Total().Rows == 0 {
			t.Errorf("%d: the ranges add up to %+v, the whole is %+v", major, got, want)
		}
		// All rows are the same whether anything is asked of their changes.
		if all := count(t, conn, d, delta.Since{}, whole, none); !reflect.DeepEqual(all.Kept, want.All()) {
			t.Errorf("%d: all rows are %v, those kept and changed %v", major, all.Kept, want.All())
		}
		var rows int
		for _, r := range []delta.Range{{To: 20}, {From: 20}} {
			rows += len(copyOut(t, conn, d.ChangedSQL(until(t, conn, since), r)))
		}
		if int64(rows) != want.Changed.Total().Rows {
			t.Errorf("%d: %d changed rows are copied, %d counted", major, rows, want.Changed.Total().Rows)
		}
	}
}

// TestChangesRestore: the rows of a table at one snapshot, and what the next
// one says of it, make the rows of that.
func TestChangesRestore(t *testing.T) {
	for _, major := range oracle.Majors {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			conn := connect(t, oracle.Database(t, oracle.Server(t, major)))
			for i, key := range []string{"id", "code", "label"} {
				d := fill(t, conn, key)
				work := workload{rand.New(rand.NewPCG(uint64(major), uint64(i))), key}
				rows := rowsOf(t, conn, d)
				sums, since := count(t, conn, d, delta.Since{}, whole, none).All(), parent(t, conn)
				for range 8 {
					exec(t, conn, work.steps()...)
					sums = follow(t, conn, d, since, sums, rows)
					since = parent(t, conn)
				}
			}
		})
	}
}

// workload makes SQL that changes a table of fill.
type workload struct {
	*rand.Rand
	key string
}

func (w workload) steps() (sql []string) {
	for range w.IntN(4) {
		from := w.IntN(3000)
		some := fmt.Sprintf("n BETWEEN %d AND %d", from, from+w.IntN(100))
		switch w.IntN(7) {
		case 0, 1:
			sql = append(sql, "UPDATE public.t SET padding = padding || 'y' WHERE "+some)
		case 2:
			sql = append(sql, "DELETE FROM public.t WHERE "+some)
		case 3:
			sql = append(sql, "INSERT INTO public.t SELECT "+keyOf(w.key, "i")+", i, 'new' FROM pg_catalog.generate_series(1, 5000, "+
				fmt.Sprint(1+w.IntN(40))+") i ON CONFLICT DO NOTHING")
		case 4: // another key
			sql = append(sql, fmt.Sprintf("UPDATE public.t SET n = n + 10000, %s = %s WHERE %s", w.key, keyOf(w.key, "(n + 10000)"), some))
		case 5: // subtransactions, and one that is rolled back
			sql = append(sql, "BEGIN; DELETE FROM public.t WHERE "+some+"; SAVEPOINT a; UPDATE public.t SET padding = 'a' WHERE n % 50 = 0; "+
				"SAVEPOINT b; DELETE FROM public.t; ROLLBACK TO b; UPDATE public.t SET padding = 'b' WHERE n % 77 = 0; COMMIT",
				"BEGIN; DELETE FROM public.t; ROLLBACK")
		case 6:
			sql = append(sql, "VACUUM (FULL, FREEZE) public.t")
		}
	}
	return sql
}

// rowsOf are the rows of a table by their keys.
func rowsOf(t *testing.T, conn *pgx.Conn, d delta.Table) map[string]string {
	t.Helper()
	rows := map[string]string{}
	for _, row := range copyOut(t, conn, "COPY public.t TO STDOUT") {
		rows[string(row[0])] = fmt.Sprintf("%q", row)
	}
	return rows
}

// follow makes of the parent's rows those of now, and returns their sums.
func follow(t *testing.T, conn *pgx.Conn, d delta.Table, since delta.Since, sums delta.Sums, rows map[string]string) delta.Sums {
	t.Helper()
	since = until(t, conn, since)
	now := count(t, conn, d, since, whole, none)
	listed, err := delta.Compare(sums, now)
	if err != nil {
		t.Fatal(err)
	}
	present := map[string]bool{}
	if listed != nil {
		for _, key := range copyOut(t, conn, d.KeptSQL(since, listed)) {
			present[string(key[0])] = true
			if bucket, _, err := d.Geometry.Key(key); err != nil || !listed.Has(bucket) {
				t.Errorf("key %q of bucket %d is listed: %v", key, bucket, err)
			}
		}
	}
	for _, row := range copyOut(t, conn, d.ChangedSQL(since, whole)) {
		key := string(row[0])
		rows[key], present[key] = fmt.Sprintf("%q", row), true
	}
	for key := range rows {
		bucket, _, err := d.Geometry.Key([][]byte{[]byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		if listed.Has(bucket) && !present[key] {
			delete(rows, key)
		}
	}
	if want := rowsOf(t, conn, d); !reflect.DeepEqual(rows, want) {
		t.Fatalf("the changes make %d rows, there are %d", len(rows), len(want))
	}
	return now.All()
}

// TestTableWithoutKey: what can be told of it is whether it changed.
func TestTableWithoutKey(t *testing.T) {
	conn := connect(t, oracle.Database(t, oracle.Server(t, 0), `CREATE TABLE t (a int); CREATE TABLE child () INHERITS (t);
		INSERT INTO t VALUES (1), (1); INSERT INTO child VALUES (1)`))
	d := table(t, conn, "t")
	sums, since := count(t, conn, d, delta.Since{}, whole, none).Kept, parent(t, conn)
	if total := sums.Total(); total.Rows != 2 || total.Keys != 0 || total.Versions == 0 {
		t.Errorf("the sums are %+v", total)
	}
	if now := count(t, conn, d, since, whole, none); !reflect.DeepEqual(now.Kept, sums) || now.Changed.Total().Rows != 0 {
		t.Errorf("nothing changed, and the sums are %+v", now)
	}
	exec(t, conn, `INSERT INTO public.t VALUES (2)`)
	if now := count(t, conn, d, since, whole, none); !reflect.DeepEqual(now.Kept, sums) || now.Changed.Total().Rows != 1 {
		t.Errorf("one row is new, and the sums are %+v", now)
	}
}

// TestVersionsDoNotAge: the sums stay the same while transactions go by, for
// rows that were frozen when the cluster was made, too.
func TestVersionsDoNotAge(t *testing.T) {
	conn := connect(t, oracle.Database(t, oracle.Server(t, 0), `CREATE TABLE t (id int8 PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 500)`))
	own := table(t, conn, "t", "id")
	old := delta.Table{Schema: "pg_catalog", Name: "pg_type", Key: delta.Key{{Name: "oid", Output: "pg_catalog.oidout"}}, Geometry: delta.Geometry{Buckets: 1, Kinds: []string{delta.Text}}}
	if value[int](t, conn, `SELECT pg_catalog.count(*) FROM pg_catalog.pg_type WHERE xmin::text = '1'`) == 0 {
		t.Fatal("no row is of the first transaction: this test tests nothing")
	}
	for _, d := range []delta.Table{own, old} {
		before := count(t, conn, d, delta.Since{}, whole, none)
		for range 10 {
			exec(t, conn, `SELECT pg_catalog.pg_current_xact_id()`)
		}
		if after := count(t, conn, d, delta.Since{}, whole, none); !reflect.DeepEqual(before, after) {
			t.Errorf("%s: %v became %v", d.Name, before.Kept.Total(), after.Kept.Total())
		}
	}
	since := parent(t, conn)
	exec(t, conn, `BEGIN; CREATE TABLE public.frozen (id int8 PRIMARY KEY)`)
	if _, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader("1\n2\n"), `COPY public.frozen FROM STDIN (FREEZE)`); err != nil {
		t.Fatal(err)
	}
	exec(t, conn, `COMMIT`)
	if now := count(t, conn, table(t, conn, "frozen", "id"), since, whole, none); now.Changed.Total().Rows != 2 {
		t.Errorf("rows that were frozen when written: %+v", now)
	}
}

// TestNullInAKey: no row falls under the table.
func TestNullInAKey(t *testing.T) {
	conn := connect(t, oracle.Database(t, oracle.Server(t, 0), `CREATE TABLE t (id text); INSERT INTO t VALUES ('a'), (NULL)`))
	d := table(t, conn, "t", "id")
	d.Geometry = delta.Choose(1000, d.Key, 0, 0)
	c := delta.NewCounts(d.Geometry)
	if err := c.Read(t.Context(), conn, d.SumsSQL(delta.Since{}, whole, none)); err == nil || !strings.Contains(err.Error(), "NULL") {
		t.Errorf("Read: %v", err)
	}
	if !reflect.DeepEqual(c, delta.NewCounts(d.Geometry)) {
		t.Errorf("an error left %+v", c)
	}
}

// TestNoCodeOfUsers: casts and operators that a user made do not run.
func TestNoCodeOfUsers(t *testing.T) {
	conn := connect(t, oracle.Database(t, oracle.Server(t, 0), `
		CREATE TYPE mood AS ENUM ('sad', 'ok');
		CREATE TYPE pair AS (a int4, m mood);
		CREATE FUNCTION evil(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil was run'; END $$;
		CREATE FUNCTION evil(pair) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil was run'; END $$;
		CREATE FUNCTION evil(pair, int8) RETURNS int8 LANGUAGE plpgsql AS $$ BEGIN RAISE 'evil was run'; END $$;
		CREATE CAST (mood AS text) WITH FUNCTION evil(mood) AS IMPLICIT;
		CREATE CAST (pair AS text) WITH FUNCTION evil(pair) AS IMPLICIT;
		CREATE OPERATOR # (LEFTARG = pair, RIGHTARG = int8, FUNCTION = evil);
		CREATE TABLE t (m mood, p pair, d int4, PRIMARY KEY (m, p, d));
		INSERT INTO t VALUES ('ok', (1, 'sad'), 1)`))
	d := table(t, conn, "t", "m", "p", "d")
	d.Geometry = delta.Choose(1000, d.Key, 0, 0)
	since := delta.Since{XID: 3, Set: true}
	if c := count(t, conn, d, since, whole, delta.Share{First: 0, Last: d.Geometry.Buckets - 1}); c.Changed.Total().Rows != 1 || c.ContentRows != 1 {
		t.Errorf("%+v", c)
	}
	copyOut(t, conn, d.ChangedSQL(since, whole))
	copyOut(t, conn, d.KeptSQL(delta.Since{}, delta.Bitmap{0xff}))
}

// TestOnAStandby uses 15, whose packages have pg_basebackup in every place.
func TestOnAStandby(t *testing.T) {
	primary := oracle.OwnServer(t, 15, map[string]string{"wal_level": "replica", "max_wal_senders": "4"})
	url := oracle.Database(t, primary)
	conn := connect(t, url)
	d := fill(t, conn, "id")
	standby := oracle.Standby(t, primary)
	since := parent(t, conn)
	exec(t, conn, `UPDATE public.t SET n = 0 WHERE id < 100`)
	standby.CatchUp(t)
	there := connect(t, standby.URL(t, url))
	share := delta.Share{First: 0, Last: d.Geometry.Buckets - 1}
	got, want := count(t, there, d, since, whole, share), count(t, conn, d, since, whole, share)
	if !reflect.DeepEqual(got, want) || got.Changed.Total().Rows != 99 {
		t.Errorf("the standby counts %+v, the primary %+v", got, want)
	}
	if err := delta.CheckHash(t.Context(), there); err != nil {
		t.Error(err)
	}
}
