package backup

import (
	"context"
	"io"

	"golang.org/x/time/rate"
)

// newLimit allows so many bytes a second, at most a tenth of them at once.
func newLimit(bytesPerSecond int64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(bytesPerSecond), int(min(max(bytesPerSecond/10, 1), 1<<20)))
}

// limitedWriter passes bytes on as fast as its limiter lets it.
type limitedWriter struct {
	ctx   context.Context
	dst   io.Writer
	limit *rate.Limiter
}

func (l *limitedWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		step := min(len(p)-n, l.limit.Burst())
		if err := l.limit.WaitN(l.ctx, step); err != nil {
			return n, err
		}
		m, err := l.dst.Write(p[n : n+step])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
