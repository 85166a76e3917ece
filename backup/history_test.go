package backup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/oracle"
	"github.com/assist-move-assist/pgcofre/remote/remotetest"
)

// fork is the same database elsewhere, to go on by itself.
func (c *churn) fork(url string, seed uint64) *churn {
	f := &churn{t: c.t, r: rand.New(rand.NewPCG(seed, 1)), url: url, next: c.next}
	for _, rel := range c.relations {
		copied := *rel
		copied.added = append([]string(nil), rel.added...)
		f.relations = append(f.relations, &copied)
	}
	f.main = f.session("main of the fork")
	return f
}

// otherwise takes a backup of another history, which must be a full one that
// says why.
func (c *chain) otherwise(want ...string) {
	c.t.Helper()
	c.forked = true
	set, _ := c.backup(false)
	c.forked = false
	if set.Kind != manifest.Full {
		c.t.Errorf("%s builds on %s, which is of another history", set.ID, set.Parents[0].ID)
		return
	}
	if !slices.ContainsFunc(want, func(cause string) bool { return strings.Contains(c.promotion, cause) }) {
		c.t.Errorf("%s is a full backup as %q, want one of %q", set.ID, c.promotion, want)
	}
}

// TestForkedByClone goes on with a database and with a copy of its server's
// volume, as when a volume was restored or a clone is still told to back up
// under the same name, in both directions and with much or little that was done
// meanwhile.
func TestForkedByClone(t *testing.T) {
	t.Parallel()
	srv := oracle.OwnServer(t, 15, nil)
	var chains []*chain
	for seed := range uint64(2) {
		c := newChain(t, srv, 1000+seed)
		c.backup(false)
		for range 5 {
			c.step()
		}
		c.backup(false)
		c.finish()
		chains = append(chains, c)
	}
	clone := oracle.Clone(t, srv)
	for seed, c := range chains {
		here := c.churn
		there := here.fork(clone.URL(t, here.url), uint64(seed))
		for turn := range 4 {
			c.churn = []*churn{here, there}[turn%2]
			for range 1 + c.r.IntN(8) {
				here.step()
			}
			for range 1 + c.r.IntN(8) {
				there.step()
			}
			here.finish()
			there.finish()
			if turn == 0 {
				c.backup(false)
			} else {
				c.otherwise("behind", "another history", "started")
			}
			c.step()
			c.backup(false) // the same history goes on
			c.finish()
		}
		there.main.conn.Close(context.Background())
		c.churn = here
	}
}

// TestForkedByFailover promotes a standby that had not got all: the numbers of
// the transactions that were lost are used again.
func TestForkedByFailover(t *testing.T) {
	t.Parallel()
	primary := oracle.OwnServer(t, 15, nil)
	standby := oracle.Standby(t, primary)
	c := newChain(t, primary, 2000)
	c.backup(false)
	standby.CatchUp(t)
	there := standby.URL(t, c.url)
	conn := connect(t, there)
	oracle.Exec(t, there, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
	oracle.Await(t, "the standby receives nothing any more", func() bool {
		return value[int](t, conn, "SELECT count(*) FROM pg_stat_wal_receiver") == 0
	})
	survivor := c.fork(there, 7) // knows nothing of what is done from here on
	for range 5 {
		c.step()
	}
	c.finish()
	c.backup(false)
	if !value[bool](t, conn, "SELECT pg_promote()") {
		t.Fatal("the standby was not promoted")
	}
	c.churn = survivor
	for _, rel := range c.relations {
		c.main.run("%s", rel.fill(c.next, c.next+5))
	}
	c.otherwise("timeline 2")
	c.step()
	c.backup(false)
}

// TestForkedByName swaps two databases by their names, as after a load into a
// copy, and puts an old copy in the place of one.
func TestForkedByName(t *testing.T) {
	t.Parallel()
	srv := oracle.Server(t, 0)
	c := newChain(t, srv, 3000)
	c.backup(false)
	name := oracle.Config(t, c.url).Database
	for _, sql := range []string{
		"CREATE DATABASE %[1]s_copy TEMPLATE %[1]s",
		"ALTER DATABASE %[1]s RENAME TO %[1]s_old",
		"ALTER DATABASE %[1]s_copy RENAME TO %[1]s",
	} {
		c.main.conn.Close(context.Background())
		oracle.Exec(t, srv.URL("postgres"), fmt.Sprintf(sql, name))
	}
	defer oracle.Exec(t, srv.URL("postgres"), "DROP DATABASE "+name+"_old")
	c.churn = c.churn.fork(c.url, 9)
	c.step()
	c.finish()
	c.otherwise("OID")
}

// TestForkedUnseen: two histories of which no count and no sum of a bucket can
// tell, because each wrote to another row of it. One row more that was written
// later would be missing from the chain.
func TestForkedUnseen(t *testing.T) {
	t.Parallel()
	srv := oracle.OwnServer(t, 15, nil)
	url := oracle.Database(t, srv, `CREATE TABLE counters (id int PRIMARY KEY, n int); INSERT INTO counters SELECT i, 0 FROM generate_series(1, 20) i;
		CREATE TABLE ballast AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i`)
	src := &backup.Incremental{Dumper: backup.Dumper{Name: "counters", Config: oracle.Config(t, url)}}
	sink := remotetest.NewMem()
	incremental(t, sink, src, nil)
	there := oracle.Clone(t, srv).URL(t, url)
	oracle.Exec(t, url, "UPDATE counters SET n = 1 WHERE id = 1")
	incremental(t, sink, src, nil)
	for range 10 {
		oracle.Exec(t, there, "UPDATE counters SET n = 2 WHERE id = 2")
	}
	src.Config = oracle.Config(t, there)
	promoted(t, sink, src, nil, "started")
}
