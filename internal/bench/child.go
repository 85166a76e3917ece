package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/assist-move-assist/pgcofre/backup"
	"github.com/assist-move-assist/pgcofre/backup/manifest"
	"github.com/assist-move-assist/pgcofre/internal/bench/workload"
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
	"github.com/assist-move-assist/pgcofre/verify"
)

// Variables that make this program one of its own contestants.
const (
	roleVariable    = "PGCOFRE_BENCH_ROLE"    // build, dump, dump-alone, incremental, restore or compare
	profileVariable = "PGCOFRE_BENCH_PROFILE" // folder for profiles
)

// child plays a role in a process of its own. The database is in the
// environment.
func child(ctx context.Context, role string, args []string) (err error) {
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		return err
	}
	if dir := os.Getenv(profileVariable); dir != "" && role != "build" && role != "compare" {
		stop, err := startProfile(dir, role)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	switch role {
	case "build":
		return buildChild(ctx, cfg, args)
	case "dump":
		return dumpChild(ctx, cfg, args[0], args[1], func(d backup.Dumper) backup.Source { return &d })
	case "dump-alone":
		return dumpChild(ctx, cfg, args[0], args[1], func(d backup.Dumper) backup.Source {
			d.NoState = true
			return &d
		})
	case "incremental":
		return dumpChild(ctx, cfg, args[0], args[1], func(d backup.Dumper) backup.Source { return &backup.Incremental{Dumper: d} })
	case "restore":
		return restoreChild(ctx, cfg, args[0], args[1])
	case "compare":
		return compareChild(ctx, cfg, args[0])
	}
	return fmt.Errorf("%s: no role %q", roleVariable, role)
}

func buildChild(ctx context.Context, cfg *pgx.ConnConfig, args []string) error {
	var s workload.Sizes
	for i, to := range []*int{&s.Large, &s.Middling, &s.Each, &s.Wide, &s.Empty} {
		var err error
		if *to, err = strconv.Atoi(args[i]); err != nil {
			return err
		}
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return workload.Build(ctx, conn, s)
}

func dumpChild(ctx context.Context, cfg *pgx.ConnConfig, where, jobs string, source func(backup.Dumper) backup.Source) error {
	n, err := strconv.Atoi(jobs)
	if err != nil {
		return err
	}
	sink, err := openSink(ctx, where)
	if err != nil {
		return err
	}
	_, err = backup.Run(ctx, sink, source(backup.Dumper{Config: cfg, Jobs: n}), nil)
	return err
}

func restoreChild(ctx context.Context, cfg *pgx.ConnConfig, where, jobs string) error {
	n, err := strconv.Atoi(jobs)
	if err != nil {
		return err
	}
	sink, set, err := latest(ctx, where)
	if err != nil {
		return err
	}
	plan, err := (&restore.Restorer{Sink: sink, Target: cfg}).Plan(ctx, set, &restore.Options{Jobs: n})
	if err != nil {
		return err
	}
	_, err = plan.Apply(ctx)
	return err
}

// compareChild fails unless the database equals the set, row for row.
func compareChild(ctx context.Context, cfg *pgx.ConnConfig, where string) error {
	sink, set, err := latest(ctx, where)
	if err != nil {
		return err
	}
	rep, err := (&verify.Verifier{Sink: sink}).Compare(ctx, set, cfg, nil)
	if err != nil {
		return err
	}
	return rep.Err()
}

// latest is the newest set in a sink.
func latest(ctx context.Context, where string) (remote.RemoteSink, *manifest.Manifest, error) {
	sink, err := openSink(ctx, where)
	if err != nil {
		return nil, nil, err
	}
	sets, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		return nil, nil, err
	}
	set, err := sets.Find("latest")
	return sink, set, err
}

// startProfile begins a CPU profile; stop ends it and adds one of the heap.
func startProfile(dir, role string) (stop func() error, err error) {
	cpu, err := os.Create(filepath.Join(dir, role+".cpu.pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, errors.Join(err, cpu.Close())
	}
	return func() error {
		pprof.StopCPUProfile()
		heap, err := os.Create(filepath.Join(dir, role+".heap.pprof"))
		if err != nil {
			return errors.Join(err, cpu.Close())
		}
		runtime.GC()
		return errors.Join(pprof.WriteHeapProfile(heap), heap.Close(), cpu.Close())
	}, nil
}
