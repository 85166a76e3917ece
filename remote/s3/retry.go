package s3

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
)

// retryer is the SDK's standard one, with patience for a store that is away
// for half a minute, and little before the first answer: what was never reached
// is more likely misspelt than away.
type retryer struct {
	*retry.Standard
	reached atomic.Bool
}

// attempts is how often a request is sent at most, and fewAttempts how often
// where another one is of little use. The delays between them are random, below
// limits that double from 0.2 s, or 1 s if the store throttles, to 20 s, unless
// the store names one.
const (
	attempts    = 9
	fewAttempts = 3
	firstDelay  = 200 * time.Millisecond
)

// crossed is how versitygw refuses to store an object over what is a folder
// there, and also when a folder is removed that it is about to store into.
const crossed = "ExistingObjectIsDirectory"

func newRetryer() aws.Retryer {
	return &retryer{Standard: retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.BaseDelay = attempts, firstDelay
		// Its budget of retries would be used up by 16 Puts that meet one outage.
		o.RateLimiter = ratelimit.None
		o.Retryables = append([]retry.IsErrorRetryable{
			retry.IsErrorRetryableFunc(untrusted),
			retry.IsErrorRetryableFunc(cutShort),
			retry.RetryableErrorCode{Codes: map[string]struct{}{crossed: {}}},
		}, o.Retryables...)
	})}
}

// untrusted tells that it is no use to ask again a store whose certificate was
// not accepted.
func untrusted(err error) aws.Ternary {
	if e := (*tls.CertificateVerificationError)(nil); errors.As(err, &e) {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// cutShort tells that the connection ended within an answer, as a listing, that
// the SDK had begun to take apart.
func cutShort(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// GetAttemptToken sees how an attempt ends.
func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	release, err := r.Standard.GetAttemptToken(ctx)
	return func(err error) error {
		if _, status, _ := answer(err); err == nil || status != 0 {
			r.reached.Store(true)
		}
		return release(err)
	}, err
}

// RetryDelay returns how long to wait, or the error itself to give up.
func (r *retryer) RetryDelay(attempt int, err error) (time.Duration, error) {
	code, _, _ := answer(err)
	if attempt >= fewAttempts && (code == crossed || !r.reached.Load()) {
		return 0, err
	}
	return r.Standard.RetryDelay(attempt, err)
}
