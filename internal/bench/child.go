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
	"github.com/assist-move-assist/pgcofre/remote"
	"github.com/assist-move-assist/pgcofre/restore"
)

// Variables that make this program one of its own contestants.
const (
	roleVariable    = "PGCOFRE_BENCH_ROLE"    // build, dump or restore
	profileVariable = "PGCOFRE_BENCH_PROFILE" // folder for profiles
)

// child plays a role in a process of its own. The database is in the
// environment.
func child(ctx context.Context, role string, args []string) (err error) {
	cfg, err := pgx.ParseConfig("")
	if err != nil {
		return err
	}
	if dir := os.Getenv(profileVariable); dir != "" && role != "build" {
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
		return dumpChild(ctx, cfg, args[0], args[1])
	case "restore":
		return restoreChild(ctx, cfg, args[0], args[1])
	}
	return fmt.Errorf("%s: no role %q", roleVariable, role)
}

func buildChild(ctx context.Context, cfg *pgx.ConnConfig, args []string) error {
	var s sizes
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
	return build(ctx, conn, s)
}

func dumpChild(ctx context.Context, cfg *pgx.ConnConfig, dir, jobs string) error {
	n, err := strconv.Atoi(jobs)
	if err != nil {
		return err
	}
	sink, err := remote.NewDir(dir)
	if err != nil {
		return err
	}
	_, err = backup.Run(ctx, sink, &backup.Dumper{Config: cfg, Jobs: n}, nil)
	return err
}

func restoreChild(ctx context.Context, cfg *pgx.ConnConfig, dir, jobs string) error {
	n, err := strconv.Atoi(jobs)
	if err != nil {
		return err
	}
	sink, err := remote.NewDir(dir)
	if err != nil {
		return err
	}
	sets, err := manifest.Scan(ctx, sink, nil)
	if err != nil {
		return err
	}
	set, err := sets.Find("latest")
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
