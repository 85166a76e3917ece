package backup

import (
	"context"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/assist-move-assist/pgcofre/internal/pgsession"
)

// task is one piece of work for one connection: a table, a page range of one,
// a count, a batch of large objects, an export.
type task struct {
	weight int64 // bytes on disk, for order and progress
	run    func(ctx context.Context, c *connection, t *task) error
}

// putsPerJob is how many objects a job may have on their way at a time: while
// the sink makes one durable, which takes longer than to copy a small table,
// the job's connection copies the next.
const putsPerJob = 4

// work runs the tasks of a phase on the dump's jobs, in their order.
func (d *dump) work(ctx context.Context, phase string, tasks []*task) error {
	var total int64
	for _, t := range tasks {
		total += t.weight
	}
	d.w.progress.work(phase, total)

	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan *task)
	g.Go(func() error {
		defer close(queue)
		for _, t := range tasks {
			select {
			case queue <- t:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	idle := make(chan *pgsession.Worker, d.jobs())
	for range d.jobs() {
		idle <- nil
	}
	for range min(d.jobs()*putsPerJob, len(tasks)) {
		g.Go(func() error {
			c := &connection{s: d.s, idle: idle}
			defer c.release()
			for t := range queue {
				if err := c.hold(ctx); err != nil { // before Put: what it compresses with is held as long
					return err
				}
				if err := t.run(ctx, c, t); err != nil {
					return err
				}
				c.release()
			}
			return nil
		})
	}
	err := g.Wait()
	close(idle)
	for w := range idle {
		if w != nil {
			w.Close()
		}
	}
	return err
}

// connection is a task's hold on one of the jobs' connections into the
// snapshot, each made when it is first needed and again after it broke.
type connection struct {
	s      *pgsession.Session
	idle   chan *pgsession.Worker // of the jobs that nobody holds; nil: not connected
	held   bool
	worker *pgsession.Worker
}

// hold waits for a job, unless the task has one.
func (c *connection) hold(ctx context.Context) error {
	if c.held {
		return nil
	}
	select {
	case c.worker = <-c.idle:
		c.held = true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release lets another task have the job.
func (c *connection) release() {
	if c.held {
		c.held = false
		c.idle <- c.worker
		c.worker = nil
	}
}

func (c *connection) get(ctx context.Context) (*pgsession.Worker, error) {
	if err := c.hold(ctx); err != nil {
		return nil, err
	}
	if c.worker != nil && !c.worker.Conn().IsClosed() {
		return c.worker, nil
	}
	c.close()
	w, err := c.s.Worker(ctx)
	if err != nil {
		return nil, err
	}
	c.worker = w
	return w, nil
}

// locked is the connection with the relation locked on it as well: without
// waiting, because behind an ACCESS EXCLUSIVE waiter a second lock of ours
// would wait for it while it waits for us.
func (c *connection) locked(ctx context.Context, rel pgsession.Relation) (*pgx.Conn, error) {
	w, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	if err := w.Lock(ctx, rel); err != nil {
		return nil, err
	}
	return w.Conn(), nil
}

// broken turns an error of a lost connection into one to try again after.
func (c *connection) broken(ctx context.Context, err error) error {
	if ctx.Err() == nil && (c.worker == nil || c.worker.Conn().IsClosed()) && c.s.Alive(ctx) == nil {
		return Retryable(err)
	}
	return err
}

func (c *connection) close() {
	if c.worker != nil {
		c.worker.Close()
		c.worker = nil
	}
}
