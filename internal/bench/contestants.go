package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// contestant is one way to dump or to restore. Of each kind the first is ours.
type contestant struct {
	name    string
	restore bool
	needed  bool   // runs also where -only does not name it
	set     string // what a restore restores: the name of the dump
	stored  bool   // leaves a set behind
	digests bool   // what is restored is compared by digest: the set is ours
	sink    string // URL of the store where the set is; "": a folder of this machine

	// command is the process to measure. For a dump path is where to write,
	// for a restore what to read; database is what it works on.
	command func(ctx context.Context, s *server, database, path string) (*exec.Cmd, error)
}

const (
	ours    = "pgcofre"
	bestOut = "pg_dump -Fd -j zstd:1"
)

// contestants are all, dumps before the restores that need them.
func contestants(o *options) ([]*contestant, error) {
	stock, err := newestClients()
	if err != nil {
		return nil, err
	}
	jobs := strconv.Itoa(o.jobs)
	self := func(role string) func(context.Context, *server, string, string) (*exec.Cmd, error) {
		return func(ctx context.Context, s *server, database, path string) (*exec.Cmd, error) {
			return o.self(ctx, s, role, database, path, jobs), nil
		}
	}
	dump := func(args ...string) func(context.Context, *server, string, string) (*exec.Cmd, error) {
		return func(ctx context.Context, s *server, database, path string) (*exec.Cmd, error) {
			return s.command(ctx, database, stock.pgDump, append(args, "-f", path)...), nil
		}
	}
	client := " (" + strconv.Itoa(stock.major) + ")"
	all := []*contestant{
		{name: ours, needed: true, stored: true, command: self("dump")},
		{name: "pg_dump -Fc" + client, stored: true, command: dump("-Fc")},
		{name: "pg_dump -Fd -j gzip" + client, stored: true, command: dump("-Fd", "-j", jobs)},
		{name: bestOut + client, needed: true, stored: true, command: dump("-Fd", "-j", jobs, "--compress=zstd:1")},
		{name: "COPY to nowhere, psql" + client, command: floor(stock.psql, o.jobs)},
		{name: ours, restore: true, needed: true, set: ours, digests: true, command: self("restore")},
		{name: "pg_restore -j" + client + ", set of pgcofre", restore: true, set: ours, digests: true, command: func(ctx context.Context, s *server, database, path string) (*exec.Cmd, error) {
			set, err := setFolder(path)
			return s.command(ctx, database, stock.pgRestore, "-j", jobs, "-d", database, set), err
		}},
		{name: "pg_restore -j" + client + ", zstd:1 of pg_dump", restore: true, set: bestOut + client, command: func(ctx context.Context, s *server, database, path string) (*exec.Cmd, error) {
			return s.command(ctx, database, stock.pgRestore, "-j", jobs, "-d", database, path), nil
		}},
	}
	for _, sink := range o.sinks {
		name := ours + ", " + shown(sink)
		all = append(all,
			&contestant{name: name, sink: sink, stored: true, command: self("dump")},
			&contestant{name: name, sink: sink, restore: true, set: name, digests: true, command: self("restore")})
	}
	slices.SortStableFunc(all, func(a, b *contestant) int { return order(a) - order(b) })
	return all, nil
}

// order puts dumps before restores.
func order(c *contestant) int {
	if c.restore {
		return 1
	}
	return 0
}

// self is our own dump or restore.
func (o *options) self(ctx context.Context, s *server, role, database, path, jobs string) *exec.Cmd {
	cmd := s.self(ctx, role, database, path, jobs)
	if o.profile != "" {
		cmd.Env = append(cmd.Env, profileVariable+"="+o.profile)
	}
	return cmd
}

// setFolder is the one set in a sink of ours.
func setFolder(sink string) (string, error) {
	sets, err := filepath.Glob(filepath.Join(sink, "full", "*"))
	if err != nil || len(sets) != 1 {
		return "", errors.Join(err, fmt.Errorf("%d sets in %s, want 1", len(sets), sink))
	}
	return sets[0], nil
}

// floor copies every table to nowhere with as many clients as there are jobs;
// each table is cut into that many page ranges.
func floor(psql string, jobs int) func(context.Context, *server, string, string) (*exec.Cmd, error) {
	return func(ctx context.Context, s *server, database, path string) (*exec.Cmd, error) {
		rows, err := s.admin.Query(ctx, `
			SELECT format('%I.%I', n.nspname, c.relname), pg_relation_size(c.oid) / current_setting('block_size')::int8
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE relkind = 'r' AND nspname !~ '^(pg_|information_schema)' ORDER BY 2 DESC`)
		if err != nil {
			return nil, err
		}
		scripts := make([]strings.Builder, jobs)
		for rows.Next() {
			var name string
			var pages int
			if err := rows.Scan(&name, &pages); err != nil {
				return nil, err
			}
			for i := range jobs {
				fmt.Fprintf(&scripts[i], "COPY (SELECT * FROM ONLY %s WHERE ctid >= '(%d,0)'", name, pages*i/jobs)
				if i < jobs-1 {
					fmt.Fprintf(&scripts[i], " AND ctid < '(%d,0)'", pages*(i+1)/jobs)
				}
				scripts[i].WriteString(") TO STDOUT;\n")
			}
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
		args := []string{"-c", `psql=$1; shift; for f; do "$psql" -qXf "$f" >/dev/null & done; wait`, "sh", psql}
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
		for i := range scripts {
			name := filepath.Join(path, strconv.Itoa(i)+".sql")
			if err := os.WriteFile(name, []byte(scripts[i].String()), 0o600); err != nil {
				return nil, err
			}
			args = append(args, name)
		}
		return s.command(ctx, database, "/bin/sh", args...), nil
	}
}
