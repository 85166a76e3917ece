package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// clientsVariable names the environment variable that lists folders with stock
// clients, separated as PATH is.
const clientsVariable = "PGCOFRE_CLIENTS"

// oldestClient is the first major whose pg_dump knows zstd.
const oldestClient = 16

// clients are the stock programs of one major.
type clients struct {
	pgDump, pgRestore, psql string // paths
	major                   int
}

var clientVersion = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// newestClients looks for the newest stock programs.
func newestClients() (best clients, err error) {
	for _, dir := range append(filepath.SplitList(os.Getenv(clientsVariable)), scratch.Places()...) {
		c := clients{pgDump: filepath.Join(dir, "pg_dump"), pgRestore: filepath.Join(dir, "pg_restore"), psql: filepath.Join(dir, "psql")}
		whole := true
		for _, program := range []string{c.pgDump, c.pgRestore, c.psql} {
			_, err := os.Stat(program)
			whole = whole && err == nil
		}
		if !whole {
			continue
		}
		out, err := exec.Command(c.pgDump, "-V").Output()
		if m := clientVersion.FindSubmatch(out); err == nil && m != nil {
			c.major, _ = strconv.Atoi(string(m[1]))
		}
		if c.major > best.major {
			best = c
		}
	}
	if best.major < oldestClient {
		return best, fmt.Errorf("the newest stock clients found are of major %d (0: none); %d or newer are needed, which know zstd: apt-get install postgresql-client-%[2]d, or list their bin folder in %s",
			best.major, oldestClient, clientsVariable)
	}
	return best, nil
}
