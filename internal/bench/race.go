package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/assist-move-assist/pgcofre/verify/scratch"
)

// result is one run of one contestant.
type result struct {
	wall   time.Duration
	cpu    time.Duration // of the contestant's processes
	server time.Duration // of the server's
	peak   int64         // bytes in memory, of its largest process
	stored int64         // bytes of the set
}

// race runs the contestants in turn.
type race struct {
	*options
	srv     *server
	tmp     string
	results map[string][]result // by key
}

// key tells contestants apart.
func (c *contestant) key() string { return fmt.Sprint(c.restore, c.name) }

func (r *race) run(ctx context.Context, all []*contestant) (err error) {
	want, err := r.srv.rows(ctx, r.srv.cfg.Database)
	if err != nil {
		return err
	}
	own := "bench-" + strings.ToLower(rand.Text())
	defer func() { err = errors.Join(err, r.empty(context.WithoutCancel(ctx), own)) }()
	for n := range r.runs {
		sets := filepath.Join(r.tmp, strconv.Itoa(n))
		if err := os.Mkdir(sets, 0o700); err != nil {
			return err
		}
		for i, c := range all {
			if !r.wanted(c) {
				continue
			}
			dump := c.name
			if c.restore {
				dump = c.set
			}
			path := filepath.Join(sets, folder(dump))
			if c.sink != "" {
				if path, err = below(c.sink, own+"/"+strconv.Itoa(n)); err != nil {
					return err
				}
			}
			if c.restore {
				err = r.restore(ctx, c, path, want)
			} else {
				err = r.dump(ctx, c, path)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
		}
		if err := os.RemoveAll(sets); err != nil {
			return err
		}
	}
	return nil
}

// empty removes from the stores what is below our prefix.
func (r *race) empty(ctx context.Context, prefix string) error {
	var errs []error
	for _, sink := range r.sinks {
		where, err := below(sink, prefix)
		if err == nil {
			err = empty(ctx, where)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// folder is a contestant's name as that of a folder.
func folder(name string) string { return strings.NewReplacer(" ", "_", "/", "_").Replace(name) }

func (r *race) dump(ctx context.Context, c *contestant, path string) error {
	cmd, err := c.command(ctx, r.srv, r.srv.cfg.Database, path)
	if err != nil {
		return err
	}
	res, err := r.measure(ctx, cmd)
	if err != nil {
		return err
	}
	if c.stored {
		if res.stored, err = size(ctx, path); err != nil {
			return err
		}
	}
	r.results[c.key()] = append(r.results[c.key()], res)
	return nil
}

// restore restores into a new database, and looks whether all rows came.
func (r *race) restore(ctx context.Context, c *contestant, path string, want int64) error {
	db, err := scratch.CreateDatabase(ctx, r.srv.cfg, &scratch.DatabaseOptions{Prefix: "bench_restored_"})
	if err != nil {
		return err
	}
	defer db.Drop(context.WithoutCancel(ctx))
	cmd, err := c.command(ctx, r.srv, db.Name, path)
	if err != nil {
		return err
	}
	res, err := r.measure(ctx, cmd)
	if err != nil {
		return err
	}
	got, err := r.srv.rows(ctx, db.Name)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("restored %d rows of %d", got, want)
	}
	if c.digests {
		if out, err := r.srv.self(ctx, "compare", db.Name, path).CombinedOutput(); err != nil {
			return fmt.Errorf("the restored database is not the set: %w\n%s", err, out)
		}
	}
	r.results[c.key()] = append(r.results[c.key()], res)
	return nil
}

func (r *race) measure(ctx context.Context, cmd *exec.Cmd) (res result, err error) {
	if err := r.srv.settle(ctx); err != nil {
		return res, err
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	before := r.srv.cpu()
	start := time.Now()
	err = cmd.Run()
	res.wall = time.Since(start)
	if (err != nil || said.Len() > 0) && !harmless(said.String()) {
		return res, fmt.Errorf("%s: %v\n%s", filepath.Base(cmd.Path), err, said.String())
	}
	if err := r.srv.rest(ctx); err != nil {
		return res, err
	}
	res.server = r.srv.cpu() - before
	res.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		res.peak = int64(u.Maxrss)
		if runtime.GOOS != "darwin" {
			res.peak <<= 10 // KiB elsewhere
		}
	}
	return res, nil
}

// harmless tells whether all that a client complained about is a setting that
// the server is too old for: pg_restore of 17 sets transaction_timeout anyhow.
// That no row is missing is looked at afterwards.
func harmless(said string) bool {
	n := strings.Count(said, "ERROR:")
	return n > 0 && n == strings.Count(said, `ERROR:  unrecognized configuration parameter "transaction_timeout"`)
}

// size is how many bytes are in a folder or store, or in a file.
func size(ctx context.Context, path string) (n int64, err error) {
	if !filepath.IsAbs(path) {
		sink, err := openSink(ctx, path)
		if err != nil {
			return 0, err
		}
		return storedSize(ctx, sink)
	}
	err = filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}

// print writes the medians, each contestant beside ours.
func (r *race) print(out io.Writer, all []*contestant) error {
	var b strings.Builder
	var base result
	for i, c := range all {
		runs := r.results[c.key()]
		if len(runs) == 0 {
			continue
		}
		if i == 0 || c.restore != all[i-1].restore {
			title := "dump"
			if c.restore {
				title = "restore"
			}
			fmt.Fprintf(&b, "\n%-42s %8s %8s %8s %8s %10s %9s %11s %7s\n", title, "wall s", "to ours", "spread", "CPU s", "server CPU", "peak MiB", "stored MiB", "equal")
			base = middle(runs)
		}
		m := middle(runs)
		fmt.Fprintf(&b, "%-42s %8.2f %8.2f %7.0f%% %8.2f %10s %9.0f %11s %7s\n", c.name, m.wall.Seconds(), m.wall.Seconds()/base.wall.Seconds(), spread(runs),
			m.cpu.Seconds(), known(m.server.Seconds()), float64(m.peak)/(1<<20), known(float64(m.stored)/(1<<20)), c.equal())
	}
	b.WriteString("\nCPU is of the contestant's own processes, peak of the largest one of them; spread is from the fastest to the slowest run. " +
		"Every restored database had all rows; where equal says digest, each table's contents were compared with the set's, and sequences and schema too.\n")
	_, err := io.WriteString(out, b.String())
	return err
}

// equal is how every restored database was compared with the source.
func (c *contestant) equal() string {
	switch {
	case c.digests:
		return "digest"
	case c.restore:
		return "rows"
	}
	return "-"
}

func known(x float64) string {
	if x == 0 {
		return "-"
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// middle is the median of each measure on its own.
func middle(runs []result) result {
	return result{
		wall:   median(runs, func(r result) time.Duration { return r.wall }),
		cpu:    median(runs, func(r result) time.Duration { return r.cpu }),
		server: median(runs, func(r result) time.Duration { return r.server }),
		peak:   median(runs, func(r result) int64 { return r.peak }),
		stored: median(runs, func(r result) int64 { return r.stored }),
	}
}

func median[T time.Duration | int64](runs []result, of func(result) T) T {
	list := make([]T, len(runs))
	for i, r := range runs {
		list[i] = of(r)
	}
	slices.Sort(list)
	return (list[(len(list)-1)/2] + list[len(list)/2]) / 2
}

// spread is how much slower the slowest run was than the fastest, in percent.
func spread(runs []result) float64 {
	fastest, slowest := runs[0].wall, runs[0].wall
	for _, r := range runs {
		fastest, slowest = min(fastest, r.wall), max(slowest, r.wall)
	}
	return 100 * (slowest.Seconds()/fastest.Seconds() - 1)
}
