package restore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// accounts hold a sum that every transaction keeps. The second table is
// reloaded as a whole, the third is rewritten.
const accounts = `
	CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
	INSERT INTO accounts SELECT i, 100 FROM generate_series(1, 2000) AS i;
	CREATE TABLE transfers (id serial PRIMARY KEY, amount int NOT NULL);
	CREATE TABLE reloaded (id int PRIMARY KEY);
	INSERT INTO reloaded SELECT generate_series(1, 1000);
	CREATE TABLE rewritten (id int PRIMARY KEY, n int NOT NULL);
	INSERT INTO rewritten SELECT i, i FROM generate_series(1, 1000) AS i`

// invariants are what holds in every transaction, as queries that say true.
var invariants = []string{
	`SELECT count(*) = 2000 AND sum(balance) = 200000 FROM accounts`,
	`SELECT count(*) = 1000 AND sum(id) = 500500 FROM reloaded`,
	`SELECT count(*) = 1000 AND sum(n)::int = 500500 FROM rewritten`,
	`SELECT coalesce(max(id), 0) <= (SELECT last_value FROM transfers_id_seq) FROM transfers`,
}

// TestConsistency dumps while others transfer between accounts, truncate and
// load a table, and rewrite one. What holds in every transaction must hold in
// the restored copy, of which Compare knows nothing.
func TestConsistency(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 15)
	source, sink := oracle.Database(t, srv, accounts), folder(t)
	stop := disturb(t, source)
	rounds := 3
	if long {
		rounds = 30
	}
	for range rounds {
		set := take(t, sink, source, "zstd", func(d *backup.Dumper) { d.RangeSize, d.Jobs = 16<<10, 4 })
		target := bringBack(t, sink, set, srv)
		for _, sql := range invariants {
			if !value[bool](t, target, sql) {
				t.Errorf("in the restored copy it does not hold that %s", sql)
			}
		}
	}
	for kind, n := range stop() {
		if n < int64(rounds) {
			t.Errorf("%d of %s: the dump was not disturbed", n, kind)
		}
	}
}

// disturb changes the database from several connections until it is stopped,
// and then says how often. What needs a table for itself gives up after a
// moment: as long as somebody waits for that, a dump in several connections
// gets no further, ours or pg_dump's.
func disturb(t *testing.T, source string) (stop func() map[string]int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	done := map[string]int64{}
	var writers sync.WaitGroup
	write := func(kind string, seed uint64, next func(*rand.Rand) string) {
		conn := connect(t, source)
		random := rand.New(rand.NewPCG(20250808, seed))
		writers.Go(func() {
			for ctx.Err() == nil {
				// One text is one transaction.
				_, err := conn.PgConn().Exec(context.WithoutCancel(ctx), "SET LOCAL lock_timeout = 20; "+next(random)).ReadAll()
				var pg *pgconn.PgError
				if err != nil && (!errors.As(err, &pg) || pg.Code != "55P03") {
					t.Errorf("%s: %v", kind, err)
					return
				}
				if err == nil {
					mu.Lock()
					done[kind]++
					mu.Unlock()
				}
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(random.IntN(100)) * time.Millisecond):
				}
			}
		})
	}
	for seed := range uint64(2) {
		write("transfers", seed, func(r *rand.Rand) string {
			from, to, amount := 1+r.IntN(1000), 1001+r.IntN(1000), r.IntN(50)
			if r.IntN(2) == 0 {
				amount = -amount
			}
			return fmt.Sprintf(`UPDATE accounts SET balance = balance - %d WHERE id = %d;
				UPDATE accounts SET balance = balance + %d WHERE id = %d;
				INSERT INTO transfers (amount) VALUES (%d)`, amount, from, amount, to, amount)
		})
	}
	write("reloads", 10, func(*rand.Rand) string {
		return `TRUNCATE reloaded; INSERT INTO reloaded SELECT generate_series(1, 1000)`
	})
	write("rewrites", 20, func(r *rand.Rand) string {
		kind := []string{"int", "bigint", "numeric"}[r.IntN(3)]
		return `ALTER TABLE rewritten ALTER n TYPE ` + kind
	})
	return func() map[string]int64 { cancel(); writers.Wait(); return done }
}
