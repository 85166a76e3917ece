package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Open returns the sink in a bucket, with a client of its own: credentials come
// from where the SDK looks for them (AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY, AWS_PROFILE and the shared files, the role of the
// container or machine), requests are sent up to nine times within about half a
// minute, connections are those of [remote.NewTransport].
//
// Open does not ask the store for anything: a bucket that is missing, wrong
// credentials or an endpoint that nobody answers at are errors of the first use.
func Open(ctx context.Context, bucket string, opts *Options) (*Sink, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	client, err := newClient(ctx, &o)
	if err != nil {
		return nil, fmt.Errorf("open bucket %q: %w", bucket, err)
	}
	return newSink(client, bucket, o)
}

// newClient makes the client of [Open].
func newClient(ctx context.Context, o *Options) (*s3.Client, error) {
	if err := checkEndpoint(o.Endpoint); err != nil {
		return nil, err
	}
	roots, err := authorities(o.CAFile)
	if err != nil {
		return nil, err
	}
	// What the SDK would print to the standard error output comes as errors, too.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(o.Region), config.WithRetryer(newRetryer), config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(c *s3.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = &o.Endpoint
		}
		if c.Region == "" && c.BaseEndpoint != nil {
			c.Region = "us-east-1"
		}
		c.UsePathStyle = o.PathStyle
		c.HTTPClient = &http.Client{
			Transport: remote.NewTransport(&remote.TransportOptions{RootCAs: roots}),
			// A redirection is how AWS S3 says that the region is wrong.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	if client.Options().Region == "" {
		return nil, errors.New("no region is known: set Options.Region (region=) or AWS_REGION")
	}
	return client, nil
}

// checkEndpoint tells whether a store may be at this URL. It does not repeat
// the URL: a secret may have got into it.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%w: the endpoint is no URL such as https://host:port", fs.ErrInvalid)
	}
	return checkUser(u)
}

// checkUser refuses credentials in a URL.
func checkUser(u *url.URL) error {
	if u.User != nil {
		return fmt.Errorf("%w: credentials do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE", fs.ErrInvalid)
	}
	return nil
}

// authorities returns the system's authorities and those of a file; nil stands
// for the system's alone.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		file = os.Getenv("AWS_CA_BUNDLE")
	}
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authorities (CAFile, ca_file=): %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("authorities (CAFile, ca_file=): %s holds no certificate in PEM", file)
	}
	return pool, nil
}

// OpenURL opens the sink that a URL names: s3://bucket/prefix, and after a
// question mark, joined by ampersands, any of
//
//	endpoint=https://host:port   Options.Endpoint
//	region=eu-central-1          Options.Region
//	path_style=1                 Options.PathStyle
//	ca_file=/etc/ca.pem          Options.CAFile
//	class=STANDARD_IA            Options.StorageClass
//	sse=aws:kms                  Options.SSE
//	kms_key=ID                   Options.KMSKeyID
//	part_size=16777216           Options.PartSize, in bytes
//	in_flight=8                  Options.InFlight
//	lock_days=35                 a Lock of so many days from each Put on
//	lock_mode=COMPLIANCE         its mode; default GOVERNANCE
//
// Credentials are no part of it; see [Open].
func OpenURL(ctx context.Context, u *url.URL) (*Sink, error) {
	bucket, opts, err := parse(u)
	if err != nil {
		return nil, fmt.Errorf("open s3://%s: %w", u.Host, err)
	}
	return Open(ctx, bucket, opts)
}

// parameters are what the query of a URL may hold, beside the lock's.
var parameters = map[string]func(o *Options, value string) error{
	"endpoint":   func(o *Options, v string) error { o.Endpoint = v; return nil },
	"region":     func(o *Options, v string) error { o.Region = v; return nil },
	"path_style": func(o *Options, v string) (err error) { o.PathStyle, err = strconv.ParseBool(v); return err },
	"ca_file":    func(o *Options, v string) error { o.CAFile = v; return nil },
	"class":      func(o *Options, v string) error { o.StorageClass = v; return nil },
	"sse":        func(o *Options, v string) error { o.SSE = v; return nil },
	"kms_key":    func(o *Options, v string) error { o.KMSKeyID = v; return nil },
	"part_size":  func(o *Options, v string) (err error) { o.PartSize, err = strconv.Atoi(v); return err },
	"in_flight":  func(o *Options, v string) (err error) { o.InFlight, err = strconv.Atoi(v); return err },
	"lock_days": func(o *Options, v string) error {
		days, err := strconv.ParseUint(v, 10, 16)
		if err == nil && days == 0 {
			err = strconv.ErrRange
		}
		o.lock().Until = func() time.Time { return time.Now().AddDate(0, 0, int(days)) }
		return err
	},
	"lock_mode": func(o *Options, v string) error { o.lock().Mode = v; return nil },
}

// lock returns the lock to fill in.
func (o *Options) lock() *Lock {
	if o.Lock == nil {
		o.Lock = &Lock{Mode: "GOVERNANCE"}
	}
	return o.Lock
}

// parse takes a sink's URL apart.
func parse(u *url.URL) (bucket string, o *Options, err error) {
	if u.Scheme != "s3" || u.Host == "" || u.Opaque != "" || u.Fragment != "" {
		return "", nil, fmt.Errorf("%w: a sink's URL is s3://bucket/prefix?name=value", fs.ErrInvalid)
	}
	if err := checkUser(u); err != nil {
		return "", nil, err
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, fmt.Errorf("%w: the query: %w", fs.ErrInvalid, err)
	}
	o = &Options{Prefix: strings.Trim(u.Path, "/")}
	for name, values := range query {
		set := parameters[name]
		if set == nil {
			known := slices.Sorted(maps.Keys(parameters))
			return "", nil, fmt.Errorf("%w: there is no parameter %q: known are %s", fs.ErrInvalid, name, strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return "", nil, fmt.Errorf("%w: the parameter %s is given %d times", fs.ErrInvalid, name, len(values))
		}
		if err := set(o, values[0]); err != nil {
			return "", nil, fmt.Errorf("%w: the parameter %s: %w", fs.ErrInvalid, name, err)
		}
	}
	if o.Lock != nil && o.Lock.Until == nil {
		return "", nil, fmt.Errorf("%w: lock_mode needs lock_days", fs.ErrInvalid)
	}
	return u.Host, o, nil
}
