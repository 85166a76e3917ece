package azure

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/assist-move-assist/pgcofre/remote"
)

// failure is an error with a text of ours over the SDK's. The SDK's own runs
// over many lines, and may show the query of a URL, where a SAS token is.
type failure struct {
	text  string
	chain []error
}

func (f *failure) Error() string   { return f.text }
func (f *failure) Unwrap() []error { return f.chain }

// secret finds the signature of a SAS token.
var secret = regexp.MustCompile(`(?i)\b(sig=)[^&\s"']+`)

// redact removes signatures.
func redact(text string) string { return secret.ReplaceAllString(text, "${1}REDACTED") }

// explain turns what the SDK returns into an error with a text that names the
// way out and holds no secret. Other errors it returns as they are.
func (s *Sink) explain(ctx context.Context, err error) error {
	if err == nil || isOurs(err) {
		return err
	}
	if ctxErr := ctx.Err(); ctxErr != nil {
		return ctxErr
	}
	var response *azcore.ResponseError
	var request *url.Error
	switch {
	case errors.As(err, &response):
		return s.explainResponse(err, response)
	case errors.As(err, &request):
		return s.explainRequest(request)
	}
	if text := redact(err.Error()); text != err.Error() {
		return &failure{text: text, chain: []error{err}}
	}
	return err
}

func isOurs(err error) bool {
	var f *failure
	return errors.As(err, &f)
}

// explainResponse explains an answer of the store.
func (s *Sink) explainResponse(err error, r *azcore.ResponseError) error {
	f := &failure{chain: []error{err}}
	hint := ""
	switch code := bloberror.Code(r.ErrorCode); {
	case code == bloberror.BlobNotFound:
		f.text = "there is no such object"
		f.chain = append(f.chain, fs.ErrNotExist)
		return f
	case code == bloberror.ContainerNotFound:
		f.text = fmt.Sprintf("the container %q does not exist: create it, or name another", s.bucket)
		f.chain = append(f.chain, remote.ErrNoStore)
		return f
	case code == bloberror.BlobImmutableDueToPolicy:
		hint = "the object is locked until the date of its immutability policy"
		f.chain = append(f.chain, fs.ErrPermission)
	case r.StatusCode == http.StatusUnauthorized || r.StatusCode == http.StatusForbidden:
		hint = denied(r)
		f.chain = append(f.chain, fs.ErrPermission)
	case code == bloberror.BlobArchived || code == bloberror.BlobBeingRehydrated:
		hint = "the object is in the Archive tier: move it to Cool or Hot, wait for hours, and try again"
	case code == bloberror.BlobUsesCustomerSpecifiedEncryption:
		hint = "the object needs the customer key that it was stored with"
	case code == bloberror.InvalidBlockList:
		hint = "another Put of the same name ended meanwhile"
	case code == bloberror.InvalidBlobOrBlock:
		hint = "the name holds unfinished blocks of another program: use another name, or wait a week"
	case code == bloberror.SnapshotsPresent:
		hint = "the object has snapshots: delete those first"
	case code == bloberror.CRC64Mismatch || code == bloberror.MD5Mismatch:
		hint = "what arrived is not what was sent"
	case r.StatusCode == http.StatusServiceUnavailable || r.StatusCode == http.StatusTooManyRequests:
		hint = "the store is busy, and stayed so through all retries"
	}
	f.text = fmt.Sprintf("the store answers %d", r.StatusCode)
	if r.ErrorCode != "" {
		f.text += " " + r.ErrorCode
	}
	if r.RawResponse != nil {
		if id := r.RawResponse.Header.Get("x-ms-request-id"); id != "" {
			f.text += " (request " + id + ")"
		}
	}
	if hint != "" {
		f.text += ": " + hint
	}
	f.text = redact(f.text)
	return f
}

// denied says why access may have been refused. Of the answer's body only the
// kind of the refusal is used: it quotes the request's signature.
func denied(r *azcore.ResponseError) string {
	detail := ""
	var date time.Time
	if r.RawResponse != nil {
		if body, err := runtime.Payload(r.RawResponse); err == nil {
			detail = string(body)
		}
		date, _ = http.ParseTime(r.RawResponse.Header.Get("Date"))
	}
	if skew := time.Since(date).Round(time.Second); !date.IsZero() && skew.Abs() > 5*time.Minute {
		return fmt.Sprintf("this machine's clock is off: it differs from the store's by %s", skew)
	}
	switch bloberror.Code(r.ErrorCode) {
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation:
		switch {
		case strings.Contains(detail, "not valid in the specified time frame"):
			return "the SAS token has expired, or is not valid yet"
		case strings.Contains(detail, "date header too old"):
			return "this machine's clock may be off"
		}
		return "the account, its key or the SAS token is wrong or has expired, or this machine's clock is off"
	case bloberror.AuthorizationPermissionMismatch:
		return `the SAS token or the identity lacks the permission; an identity needs the role "Storage Blob Data Contributor", or "Reader" to restore`
	case bloberror.AuthorizationFailure:
		return "the SAS token lacks the permission or has expired, or the account's network rules shut this machine out, or the key is wrong"
	}
	return "access is refused"
}

// explainRequest explains why the store could not be asked.
func (s *Sink) explainRequest(r *url.Error) error {
	where := "the endpoint"
	if u, err := url.Parse(r.URL); err == nil {
		where += " " + u.Scheme + "://" + u.Host
	}
	// The SDK's error shows the whole URL.
	safe := &url.Error{Op: r.Op, URL: strings.TrimPrefix(where, "the endpoint "), Err: r.Err}
	f := &failure{chain: []error{safe}}
	var certificate *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(r.Err, &certificate):
		f.text = fmt.Sprintf("%s has a certificate that cannot be trusted (%v): if a private authority signed it, name its file in CAFile (ca_file)", where, certificate.Err)
	case errors.As(r.Err, &op) && op.Op == "dial":
		f.text = fmt.Sprintf("%s cannot be reached: %v", where, r.Err)
	default:
		f.text = fmt.Sprintf("%s: %v", where, r.Err)
	}
	f.text = redact(f.text)
	return f
}
