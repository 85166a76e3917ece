package s3

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"github.com/assist-move-assist/pgcofre/remote"
)

// fail makes the error of a method. The SDK's stays in the chain.
func (s *Sink) fail(ctx context.Context, op, name string, err error) error {
	if ctxErr := ctx.Err(); ctxErr != nil {
		if !errors.Is(err, ctxErr) {
			err = fmt.Errorf("%w: %w", ctxErr, err)
		}
	} else {
		err = s.explain(err)
	}
	return &remote.Error{Op: op, Sink: s.String(), Name: name, Err: err}
}

// answer returns the code, status and header of the refusal that err is about.
func answer(err error) (code string, status int, header http.Header) {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		code = api.ErrorCode()
	}
	if re := (*awshttp.ResponseError)(nil); errors.As(err, &re) && re.Response != nil {
		status, header = re.Response.StatusCode, re.Response.Header
	}
	return code, status, header
}

// meaning is what a refusal means beyond its own text.
type meaning struct {
	is   error // what it counts as, or nil
	text string
}

// meanings are those by the code of the refusal; see
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html.
// XAdminUserNotFound is versitygw's.
var meanings = map[string]meaning{
	"NoSuchKey":             {fs.ErrNotExist, ""},
	"AccessDenied":          {fs.ErrPermission, "these credentials may not do this; AWS S3 says so of a missing object too, where they may not list the bucket"},
	"InvalidAccessKeyId":    {fs.ErrPermission, "the store does not know the access key: check AWS_ACCESS_KEY_ID or the profile"},
	"XAdminUserNotFound":    {fs.ErrPermission, "the store does not know the access key: check AWS_ACCESS_KEY_ID or the profile"},
	"SignatureDoesNotMatch": {fs.ErrPermission, "the secret key is not that of the access key: check AWS_SECRET_ACCESS_KEY or the profile"},
	"ExpiredToken":          {fs.ErrPermission, "the temporary credentials have expired: get new ones"},
	"InvalidToken":          {fs.ErrPermission, "the session token is not valid: check AWS_SESSION_TOKEN"},
	"InvalidObjectState":    {nil, "the object is in an archive class: restore it first, as with aws s3api restore-object"},
	"InvalidStorageClass":   {nil, "the store does not know this storage class"},
	"NoSuchUpload":          {nil, "the upload was aborted by someone else, as by a Sweep of too young an age"},
	"SlowDown":              {nil, "the store was still too busy after several attempts: use fewer jobs, or try later"},
	"ServiceUnavailable":    {nil, "the store was still too busy after several attempts: use fewer jobs, or try later"},
}

// explain says what a refusal or failure means and what to do about it.
func (s *Sink) explain(err error) error {
	code, status, header := answer(err)
	m, known := meanings[code]
	switch {
	case known:
	case code == "NoSuchBucket":
		m.is = remote.ErrNoStore
		m.text = fmt.Sprintf("there is no bucket %q: create it, or check the bucket's name and the endpoint", s.bucket)
	case code == "RequestTimeTooSkewed":
		m.text = "the clock of this machine is off" + skew(header, time.Now()) + ": set it"
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" || status == http.StatusMovedPermanently:
		region := header.Get("x-amz-bucket-region")
		if region == "" {
			region = "another one"
		}
		m.text = fmt.Sprintf("the region is %q, and the bucket's is %s: set Options.Region (region=)", s.client.Options().Region, region)
	case status == http.StatusForbidden:
		m = meanings["AccessDenied"]
	case status == 0:
		m.text = unreached(err)
	}
	switch {
	case m.is != nil && m.text != "":
		return fmt.Errorf("%w: %s: %w", m.is, m.text, err)
	case m.is != nil:
		return fmt.Errorf("%w: %w", m.is, err)
	case m.text != "":
		return fmt.Errorf("%s: %w", m.text, err)
	}
	return err
}

// skew says how far now is from the time in a response's header.
func skew(header http.Header, now time.Time) string {
	store, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return ""
	}
	ahead := now.Sub(store).Round(time.Second)
	if ahead < 0 {
		return fmt.Sprintf(" by %s, behind the store's", -ahead)
	}
	return fmt.Sprintf(" by %s, ahead of the store's", ahead)
}

// unreached says why a request had no answer.
func unreached(err error) string {
	if e := (x509.UnknownAuthorityError{}); errors.As(err, &e) {
		return "the store's certificate is signed by no known authority: name that one's file in Options.CAFile (ca_file=)"
	}
	if e := (x509.HostnameError{}); errors.As(err, &e) {
		return "the store's certificate is for another host: check the endpoint"
	}
	if e := (*net.OpError)(nil); errors.As(err, &e) && e.Op == "dial" {
		return "the endpoint cannot be reached"
	}
	if strings.Contains(err.Error(), "get identity: get credentials:") {
		return "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
	}
	return ""
}
