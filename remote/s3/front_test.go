package s3_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/assist-move-assist/pgcofre/internal/oracle"
)

// front stands between a client and a real store, over http.
type front struct {
	// answer may give the response in the store's place; nil asks the store.
	answer func(*http.Request) *http.Response
	// alter may change the store's response.
	alter func(*http.Response)
}

// before puts a front before a store, and returns what looks like the store.
func (f front) before(t testing.TB, store *oracle.Store) *oracle.Store {
	t.Helper()
	upstream, err := url.Parse(store.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(upstream)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if f.answer != nil {
				if resp := f.answer(r); resp != nil {
					resp.Request = r
					return resp, nil
				}
			}
			return http.DefaultTransport.RoundTrip(r)
		}),
		ErrorLog: log.New(io.Discard, "", 0), // of what breaks on purpose
		ModifyResponse: func(resp *http.Response) error {
			if f.alter != nil {
				f.alter(resp)
			}
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	changed := *store
	changed.URL, changed.Addr = server.URL, strings.TrimPrefix(server.URL, "http://")
	return &changed
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// refusal is a store's response of an error.
func refusal(status int, code, message string) *http.Response {
	body := `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + message + `</Message></Error>`
	return &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/xml"}},
		ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

// replaceBody replaces text in a response that is not an object.
func replaceBody(t testing.TB, r *http.Response, from, to string) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/xml") {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	text := strings.ReplaceAll(string(body), from, to)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
}
