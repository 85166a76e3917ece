package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/assist-move-assist/pgcofre/internal/bench/workload"
)

// options are the flags.
type options struct {
	sizes   workload.Sizes
	db      string
	runs    int
	jobs    int
	profile string
	only    string
	chain   bool
	sinks   []string // URLs
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if role := os.Getenv(roleVariable); role != "" {
		exit(child(ctx, role, os.Args[1:]))
	}
	exit(bench(ctx, os.Args[1:], os.Stdout))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(args []string) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.sizes.Large, "large", 800, "COPY text of the one large table, in MB")
	f.IntVar(&o.sizes.Middling, "middling", 20, "number of middling tables")
	f.IntVar(&o.sizes.Each, "each", 3, "COPY text of each middling table, in MB")
	f.IntVar(&o.sizes.Wide, "wide", 32, "COPY text of the table with wide rows, in MB")
	f.IntVar(&o.sizes.Empty, "empty", 0, "number of empty tables")
	f.StringVar(&o.db, "db", "", "`URL` of a database to measure, instead of a private server; it is filled if it has no tables, and else only read. Restores go to new databases beside it, which are dropped")
	f.IntVar(&o.runs, "n", 3, "runs of each contestant; the median is printed")
	f.IntVar(&o.jobs, "jobs", max(2, runtime.NumCPU()), "jobs of each contestant that can have several")
	f.BoolVar(&o.chain, "chain", false, "measure incremental backups beside a full one, instead of dumps and restores; the database is changed")
	f.StringVar(&o.profile, "profile", "", "`folder` for CPU and heap profiles of our dump and restore")
	f.StringVar(&o.only, "only", "", "run only contestants whose name contains this `text`, and those that others need")
	f.Func("sink", "`URL` of a store (s3, gs, azblob) to which our dump also goes straight, and from which our restore takes it, below a prefix that is emptied afterwards; repeatable. Credentials come from the environment", func(v string) error {
		if slices.ContainsFunc(o.sinks, func(other string) bool { return shown(other) == shown(v) }) {
			return errors.New("this sink is given twice")
		}
		o.sinks = append(o.sinks, v)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case f.NArg() > 0:
		return nil, fmt.Errorf("unknown argument %q", f.Arg(0))
	case o.runs < 1 || o.jobs < 1:
		return nil, fmt.Errorf("-n and -jobs must be at least 1")
	case o.chain && (len(o.sinks) > 0 || o.only != ""):
		return nil, errors.New("-chain goes with neither -sink nor -only")
	case min(o.sizes.Large, o.sizes.Middling, o.sizes.Each, o.sizes.Wide, o.sizes.Empty) < 0:
		return nil, fmt.Errorf("sizes must not be negative")
	}
	return o, nil
}

// bench does everything and prints the tables to out.
func bench(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.profile != "" {
		if o.profile, err = filepath.Abs(o.profile); err != nil {
			return err
		}
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return err
		}
	}
	srv, err := openServer(ctx, o.db)
	if err != nil {
		return err
	}
	defer func() { srv.close(context.WithoutCancel(ctx)) }()
	var all []*contestant
	if !o.chain {
		if all, err = contestants(o); err != nil {
			return err
		}
	}
	if err := srv.fill(ctx, o.sizes); err != nil {
		return err
	}
	about, err := srv.describe(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n%d CPUs, %d jobs, median of %d alternating runs\n", about, runtime.NumCPU(), o.jobs, o.runs)
	tmp, err := os.MkdirTemp("", "pgcofre-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	r := &race{options: o, srv: srv, tmp: tmp, results: map[string][]result{}}
	if o.chain {
		if err := r.chain(ctx); err != nil {
			return err
		}
		return r.printChain(out)
	}
	if err := r.run(ctx, all); err != nil {
		return err
	}
	return r.print(out, all)
}

// wanted tells whether -only chooses a contestant.
func (o *options) wanted(c *contestant) bool {
	return c.needed || strings.Contains(c.name, o.only)
}
