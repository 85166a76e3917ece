package gcs

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"cloud.google.com/go/storage"
)

// persist is how long an operation is tried again while it makes no progress.
// The SDK by itself would go on until the context is done.
const persist = 45 * time.Second

// patience bounds how long one operation is tried again, counted from the
// first failure since it made progress: a slow attempt is no failure.
type patience struct {
	limit time.Duration

	mu     sync.Mutex
	failed time.Time // zero: nothing failed since the last progress
	tries  int       // failures since
}

// patience is that of one operation.
func (s *Sink) patience() *patience { return &patience{limit: s.persist} }

// options are the SDK's for a retry that is bounded so. Every operation of a
// sink may be repeated: one with a precondition by its nature, Put and Delete
// because they end the same. The backoff is the client's.
func (p *patience) options() []storage.RetryOption {
	return []storage.RetryOption{
		storage.WithPolicy(storage.RetryAlways),
		storage.WithErrorFunc(func(err error) bool { return retryable(err) && p.lasts() }),
	}
}

// retryable tells whether an error may go away by itself.
func retryable(err error) bool {
	// The SDK's list lacks connections that timed out.
	var timeout net.Error
	return storage.ShouldRetry(err) ||
		errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, context.DeadlineExceeded)
}

// lasts notes a failure and tells whether to try again.
func (p *patience) lasts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed.IsZero() {
		p.failed = time.Now()
	}
	p.tries++
	return time.Since(p.failed) < p.limit
}

// progress starts anew.
func (p *patience) progress() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed, p.tries = time.Time{}, 0
}

// pause waits, longer after each failure, with jitter.
func (p *patience) pause(ctx context.Context) {
	p.mu.Lock()
	longest := min(100*time.Millisecond<<min(p.tries, 10), 10*time.Second)
	p.mu.Unlock()
	t := time.NewTimer(rand.N(longest))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
