package azure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Open returns the sink in a container, with credentials from the environment,
// the first of these that is there:
//
//   - AZURE_STORAGE_CONNECTION_STRING, which names the endpoint as well, so that
//     Options.Endpoint must be empty;
//   - AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY;
//   - AZURE_STORAGE_SAS_TOKEN, with AZURE_STORAGE_ACCOUNT or Options.Endpoint;
//   - what [azidentity.DefaultAzureCredential] finds: a workload's or a
//     managed identity, or the login of the az program, with
//     AZURE_STORAGE_ACCOUNT or Options.Endpoint.
//
// It asks the store nothing: a container that does not exist is an error of the
// first operation. Requests that fail, or that a busy store refuses, are tried
// again by the SDK with growing pauses, for about 30 seconds or as the store
// says.
func Open(_ context.Context, container string, opts *Options) (*Sink, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	client, err := newClient(o)
	if err != nil {
		return nil, fmt.Errorf("open Azure container %q: %w", container, err)
	}
	return newSink(client, container, o)
}

// newClient makes a client by the environment.
func newClient(o Options) (*azblob.Client, error) {
	transport, err := newTransport(o.CAFile)
	if err != nil {
		return nil, err
	}
	opts := &azblob.ClientOptions{}
	opts.Transport = &http.Client{Transport: transport}
	opts.Retry = policy.RetryOptions{
		MaxRetries:    6,
		RetryDelay:    250 * time.Millisecond,
		MaxRetryDelay: 30 * time.Second,
		ShouldRetry:   shouldRetry,
	}
	var (
		account = os.Getenv("AZURE_STORAGE_ACCOUNT")
		key     = os.Getenv("AZURE_STORAGE_KEY")
		token   = strings.TrimPrefix(os.Getenv("AZURE_STORAGE_SAS_TOKEN"), "?")
	)
	if connection := os.Getenv("AZURE_STORAGE_CONNECTION_STRING"); connection != "" {
		if o.Endpoint != "" {
			return nil, errors.New("AZURE_STORAGE_CONNECTION_STRING names an endpoint, and so does Endpoint: drop one")
		}
		client, err := azblob.NewClientFromConnectionString(connection, opts)
		if err != nil { // which may quote the string
			return nil, errors.New("AZURE_STORAGE_CONNECTION_STRING is malformed: it needs AccountName and AccountKey, or BlobEndpoint and SharedAccessSignature")
		}
		return client, nil
	}
	endpoint, err := serviceURL(o.Endpoint, account)
	if err != nil {
		return nil, err
	}
	switch {
	case key != "":
		if account == "" {
			return nil, errors.New("AZURE_STORAGE_KEY needs AZURE_STORAGE_ACCOUNT beside it")
		}
		cred, err := azblob.NewSharedKeyCredential(account, key)
		if err != nil { // which may quote the key
			return nil, errors.New("AZURE_STORAGE_KEY is not a key: it is not base64")
		}
		return azblob.NewClientWithSharedKeyCredential(endpoint, cred, opts)
	case token != "":
		if q, err := url.ParseQuery(token); err != nil || q.Get("sig") == "" {
			return nil, errors.New("AZURE_STORAGE_SAS_TOKEN is not a SAS token: it has no signature")
		}
		return azblob.NewClientWithNoCredential(endpoint+"?"+token, opts)
	}
	if strings.HasPrefix(endpoint, "http:") {
		return nil, errors.New("no AZURE_STORAGE_KEY and no AZURE_STORAGE_SAS_TOKEN: an identity's token is not sent without https")
	}
	cred, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("no credentials: set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN: %w", err)
	}
	return azblob.NewClient(endpoint, cred, opts)
}

// serviceURL is the URL of the blob service, with a slash at its end.
func serviceURL(endpoint, account string) (string, error) {
	if endpoint == "" {
		if account == "" {
			return "", errors.New("no account: set AZURE_STORAGE_ACCOUNT, AZURE_STORAGE_CONNECTION_STRING or an endpoint")
		}
		if !accountName(account) {
			return "", errors.New("AZURE_STORAGE_ACCOUNT is no account's name: 3 to 24 lower-case letters and digits")
		}
		return "https://" + account + ".blob.core.windows.net/", nil
	}
	u, err := url.Parse(endpoint)
	switch { // none of which shows the URL, which may hold a secret then
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return "", errors.New("the endpoint is no http or https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", errors.New("the endpoint must hold no credentials and no query: a SAS token belongs in AZURE_STORAGE_SAS_TOKEN")
	}
	return strings.TrimSuffix(endpoint, "/") + "/", nil
}

func accountName(name string) bool {
	return len(name) >= 3 && len(name) <= 24 && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// newTransport trusts the authorities in caFile, or the system's.
func newTransport(caFile string) (*http.Transport, error) {
	if caFile == "" {
		return remote.NewTransport(nil), nil
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file: %s holds no certificate in PEM form", caFile)
	}
	return remote.NewTransport(&remote.TransportOptions{RootCAs: pool}), nil
}

// shouldRetry tells what may pass: what the SDK retries by itself, but for
// names that do not resolve and certificates that are not trusted.
func shouldRetry(resp *http.Response, err error) bool {
	if err != nil {
		var dns *net.DNSError
		var certificate *tls.CertificateVerificationError
		return !(errors.As(err, &dns) && dns.IsNotFound) && !errors.As(err, &certificate)
	}
	switch resp.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// parameters are those of the URL that [OpenURL] knows.
var parameters = map[string]func(o *Options, value string) error{
	"endpoint":         func(o *Options, value string) error { o.Endpoint = value; return nil },
	"ca_file":          func(o *Options, value string) error { o.CAFile = value; return nil },
	"tier":             func(o *Options, value string) error { o.Tier = blob.AccessTier(value); return nil },
	"encryption_scope": func(o *Options, value string) error { o.EncryptionScope = value; return nil },
	"part_size":        func(o *Options, value string) error { return setNumber(&o.PartSize, value) },
	"in_flight":        func(o *Options, value string) error { return setNumber(&o.InFlight, value) },
}

func setNumber(n *int, value string) (err error) {
	if *n, err = strconv.Atoi(value); err != nil || *n < 1 {
		return errors.New("not a positive number")
	}
	return nil
}

// OpenURL is [Open] of
//
//	azblob://container/prefix?endpoint=…&ca_file=…&tier=Cool&encryption_scope=…&part_size=…&in_flight=…
//
// where all but the container may be missing, and the parameters are the
// fields of [Options]. Credentials come from the environment, never from the
// URL.
func OpenURL(ctx context.Context, u *url.URL) (*Sink, error) {
	var o Options
	err := o.parse(u)
	if err != nil {
		return nil, fmt.Errorf("open Azure container: %w", err)
	}
	return Open(ctx, u.Host, &o)
}

// parse takes the options from a URL. Its errors show no values, as a secret
// may be among what does not belong there.
func (o *Options) parse(u *url.URL) error {
	switch {
	case u.Scheme != "azblob":
		return fmt.Errorf("the URL begins with %q instead of azblob://", u.Scheme)
	case u.User != nil:
		return errors.New("the URL must hold no credentials: set AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY, or AZURE_STORAGE_SAS_TOKEN")
	case u.Host == "" || u.Fragment != "":
		return errors.New("the URL is not of the form azblob://container/prefix?endpoint=…")
	}
	o.Prefix = strings.TrimSuffix(strings.TrimPrefix(u.Path, "/"), "/")
	known := make([]string, 0, len(parameters))
	for name := range parameters {
		known = append(known, name)
	}
	slices.Sort(known)
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the URL's query is malformed")
	}
	for name, values := range query {
		set := parameters[name]
		switch {
		case set == nil:
			return fmt.Errorf("the URL's parameter %q is not one of %s", name, strings.Join(known, ", "))
		case len(values) > 1 || values[0] == "":
			return fmt.Errorf("the URL's parameter %s is not given once and with a value", name)
		}
		if err := set(o, values[0]); err != nil {
			return fmt.Errorf("the URL's parameter %s: %w", name, err)
		}
	}
	return nil
}
