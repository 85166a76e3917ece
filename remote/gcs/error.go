package gcs

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"cloud.google.com/go/auth"
	"golang.org/x/oauth2"
	"google.golang.org/api/googleapi"

	"github.com/assist-move-assist/pgcofre/remote"
)

// explained is an error in words of our own, because those of the SDK hold
// secrets (the URL of an upload lets anyone go on with it, the answer of a
// token server may quote the request) or hide what matters.
type explained struct {
	text string
	is   error // what it means: an error of io/fs, or nil
	err  error // the SDK's
}

func (e *explained) Error() string { return e.text }

func (e *explained) Unwrap() []error {
	if e.is == nil {
		return []error{e.err}
	}
	return []error{e.is, e.err}
}

// sourceError marks the error of the reader that was to be stored.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// fail makes the error of an operation; nil stays nil.
func (s *Sink) fail(ctx context.Context, op, name string, err error) error {
	if err == nil {
		return nil
	}
	if source := (*sourceError)(nil); errors.As(err, &source) {
		err = source.err
	} else {
		err = explain(err)
		if done := ctx.Err(); done != nil && !errors.Is(err, done) {
			err = fmt.Errorf("%w: %w", done, err)
		}
	}
	return &remote.Error{Op: op, Sink: s.String(), Name: name, Err: err}
}

// explain says in words of our own what the SDK and what is below it report.
func explain(err error) error {
	var (
		own       *explained
		answer    *googleapi.Error
		token     *auth.Error
		retrieval *oauth2.RetrieveError
		untrusted x509.UnknownAuthorityError
		request   *url.Error
	)
	switch {
	case errors.As(err, &own):
		return err
	case errors.As(err, &token):
		return refusedCredentials(err, token.Response, token.Body)
	case errors.As(err, &retrieval):
		return refusedCredentials(err, retrieval.Response, retrieval.Body)
	case errors.As(err, &answer):
		return explainAnswer(err, answer)
	case errors.As(err, &untrusted):
		return &explained{text: untrusted.Error() + ": if its authority is to be trusted, name the file with its certificate in Options.CAFile (ca_file)", err: err}
	case errors.As(err, &request):
		return &explained{text: withoutQuery(request.URL) + ": " + explain(request.Err).Error(), err: err}
	}
	return err
}

// explainAnswer says what the store answered.
func explainAnswer(err error, answer *googleapi.Error) error {
	text := fmt.Sprintf("HTTP %d", answer.Code)
	if said := strings.TrimSpace(answer.Message); said != "" {
		text += ": " + said[:min(len(said), 500)]
	} else if status := http.StatusText(answer.Code); status != "" {
		text += ": " + status
	}
	switch answer.Code {
	case http.StatusUnauthorized:
		return &explained{text: text + ": the credentials are wrong or expired", is: fs.ErrPermission, err: err}
	case http.StatusForbidden:
		return &explained{text: text, is: fs.ErrPermission, err: err}
	}
	return &explained{text: text, err: err}
}

// refusedCredentials says that no token was to be had. Of the answer it
// repeats the error's code alone (RFC 6749, 5.2).
func refusedCredentials(err error, resp *http.Response, body []byte) error {
	text := "the token server gave no token for the credentials"
	if resp != nil {
		text += fmt.Sprintf(": HTTP %d", resp.StatusCode)
	}
	var said struct {
		Error string `json:"error"`
	}
	known := map[string]string{
		"invalid_grant":       ": they were revoked or have expired, or this machine's clock is off",
		"invalid_client":      ": the account does not exist, or the key is not its own",
		"unauthorized_client": ": the account may not have one",
		"invalid_scope":       "",
		"invalid_request":     "",
	}
	if json.Unmarshal(body, &said) == nil {
		if hint, ok := known[said.Error]; ok {
			text += " " + said.Error + hint
		}
	}
	return &explained{text: text, is: fs.ErrPermission, err: err}
}

// withoutQuery is a URL without what may hold a secret.
func withoutQuery(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "request"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// status is the HTTP status of the store's answer, or 0.
func status(err error) int {
	if answer := (*googleapi.Error)(nil); errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// missing is the error of an object that is not there.
func missing(err error) error {
	return &explained{text: fs.ErrNotExist.Error(), is: fs.ErrNotExist, err: err}
}

// bucketError says that there is no bucket. It is not [fs.ErrNotExist], which
// would make sets look damaged where a sink is configured wrongly.
func (s *Sink) bucketError(err error) error {
	return &explained{text: fmt.Sprintf("there is no bucket %q: create it, or correct its name", s.name), is: remote.ErrNoStore, err: err}
}
