package gcs

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/httptransport"
	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/option"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Open returns the sink in a bucket, with a client of its own over HTTP. It
// sends nothing to the store: a bucket that is not there, or refuses, is an
// error of what is done first. Missing credentials are an error here.
func Open(ctx context.Context, bucket string, opts *Options) (*Sink, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.check(bucket); err != nil {
		return nil, err
	}
	client, err := o.client(ctx)
	if err != nil {
		return nil, fmt.Errorf("gs://%s: %w", bucket, err)
	}
	return newSink(client, bucket, o)
}

// client makes the SDK's client.
func (o *Options) client(ctx context.Context) (*storage.Client, error) {
	endpoint, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	roots, err := o.roots()
	if err != nil {
		return nil, err
	}
	// The SDK would otherwise look for credentials itself.
	opts := []option.ClientOption{option.WithoutAuthentication(), storage.WithJSONReads()}
	if endpoint != nil {
		opts = append(opts, option.WithEndpoint(endpoint.String()+"/storage/v1/"))
	}
	web := &http.Client{Transport: remote.NewTransport(&remote.TransportOptions{RootCAs: roots})}
	if endpoint == nil || endpoint.Scheme == "https" {
		creds, err := o.credentials(web)
		if err != nil {
			return nil, err
		}
		web, err = httptransport.NewClient(&httptransport.Options{
			Credentials: creds, BaseRoundTripper: web.Transport, DisableTelemetry: true,
		})
		if err != nil {
			return nil, err
		}
	}
	client, err := storage.NewClient(ctx, append(opts, option.WithHTTPClient(web))...)
	if err != nil {
		return nil, err
	}
	client.SetRetry(storage.WithBackoff(gax.Backoff{Initial: 250 * time.Millisecond, Max: 10 * time.Second, Multiplier: 2}))
	return client, nil
}

// endpoint is the store's, without path; nil is Google's.
func (o *Options) endpoint() (*url.URL, error) {
	given := o.Endpoint
	if given == "" {
		given = os.Getenv("STORAGE_EMULATOR_HOST")
		if given == "" {
			return nil, nil
		}
		if !strings.Contains(given, "://") {
			given = "http://" + given
		}
	}
	u, err := url.Parse(given)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("the endpoint must be a URL as https://host or http://host:port, and nothing more")
	}
	u.Path = ""
	return u, nil
}

// roots are the authorities in CAFile; nil are the system's.
func (o *Options) roots() (*x509.CertPool, error) {
	if o.CAFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("CA file %s: it holds no certificate in PEM", o.CAFile)
	}
	return roots, nil
}

// credentials finds those to use; web fetches tokens.
func (o *Options) credentials(web *http.Client) (*auth.Credentials, error) {
	opts := &credentials.DetectOptions{Scopes: []string{storage.ScopeReadWrite}, Client: web}
	if o.CredentialsFile == "" {
		return credentials.DetectDefault(opts)
	}
	text, err := os.ReadFile(o.CredentialsFile)
	if err != nil {
		return nil, fmt.Errorf("credentials file: %w", err)
	}
	var file struct {
		Type credentials.CredType `json:"type"`
	}
	// Errors of the parser may quote what it reads.
	if json.Unmarshal(text, &file) != nil || file.Type == "" {
		return nil, fmt.Errorf("credentials file %s: it is not the JSON of a service account, a federation or an impersonation", o.CredentialsFile)
	}
	creds, err := credentials.NewCredentialsFromJSON(file.Type, text, opts)
	if err != nil {
		return nil, &explained{text: fmt.Sprintf("credentials file %s, of type %q, cannot be used", o.CredentialsFile, file.Type), err: err}
	}
	return creds, nil
}

// parameters are what a URL may say besides bucket and prefix.
var parameters = map[string]func(o *Options, value string) error{
	"endpoint":         func(o *Options, v string) error { o.Endpoint = v; return nil },
	"class":            func(o *Options, v string) error { o.StorageClass = v; return nil },
	"kms_key":          func(o *Options, v string) error { o.KMSKey = v; return nil },
	"ca_file":          func(o *Options, v string) error { o.CAFile = v; return nil },
	"credentials_file": func(o *Options, v string) error { o.CredentialsFile = v; return nil },
	"part_size":        func(o *Options, v string) (err error) { o.PartSize, err = positive(v); return err },
	"in_flight":        func(o *Options, v string) (err error) { o.InFlight, err = positive(v); return err },
}

func positive(value string) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n <= 0 {
		return 0, errors.New("it must be a number above zero")
	}
	return n, nil
}

// OpenURL is [Open] for a URL such as
//
//	gs://bucket/prefix?class=NEARLINE
//
// Its parameters are the fields of [Options]: endpoint, class, kms_key,
// part_size (bytes), in_flight, ca_file and credentials_file. There is none
// that is a secret.
func OpenURL(ctx context.Context, u *url.URL) (*Sink, error) {
	bucket, o, err := fromURL(u)
	if err != nil {
		return nil, err
	}
	return Open(ctx, bucket, o)
}

// fromURL reads a URL.
func fromURL(u *url.URL) (bucket string, o *Options, err error) {
	switch {
	case u.Scheme != "gs" || u.Opaque != "" || u.Host == "":
		return "", nil, errors.New("gs: a URL as gs://bucket/prefix is wanted")
	case u.User != nil:
		return "", nil, errors.New("gs: a URL holds no credentials: use application default credentials, or credentials_file")
	case u.Fragment != "":
		return "", nil, errors.New("gs: a URL has no fragment: write # as %23")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return "", nil, errors.New("gs: the URL's parameters are malformed")
	}
	o = &Options{Prefix: strings.Trim(u.Path, "/")}
	for _, key := range slices.Sorted(maps.Keys(query)) {
		set := parameters[key]
		if set == nil {
			return "", nil, fmt.Errorf("gs: the URL has a parameter %q; there are %s", key, strings.Join(slices.Sorted(maps.Keys(parameters)), ", "))
		}
		if len(query[key]) != 1 || query[key][0] == "" {
			return "", nil, fmt.Errorf("gs: the URL's parameter %s needs one value", key)
		}
		if err := set(o, query[key][0]); err != nil {
			return "", nil, fmt.Errorf("gs: the URL's parameter %s: %w", key, err)
		}
	}
	return u.Host, o, nil
}
