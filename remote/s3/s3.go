package s3

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Sink is a bucket, or what is below a prefix in one. It may be used from
// several goroutines at a time, and needs no closing.
type Sink struct {
	client *s3.Client
	bucket string
	root   string // the prefix with a slash behind it, or ""
	opts   Options
	slots  chan struct{} // holds one for each part on its way that no Put waits for
}

var (
	_ remote.RemoteSink      = (*Sink)(nil)
	_ remote.RangeGetter     = (*Sink)(nil)
	_ remote.Stater          = (*Sink)(nil)
	_ remote.ExclusivePutter = (*Sink)(nil)
	_ remote.LevelLister     = (*Sink)(nil)
	_ remote.Sweeper         = (*Sink)(nil)
)

// Options changes what a [Sink] does. The zero value works with AWS S3 and the
// credentials and region of the environment.
type Options struct {
	// Prefix is where in the bucket the sink lies: "" is the whole bucket,
	// "a/b" all objects whose keys begin with "a/b/". It is no part of the
	// names that the sink takes and gives.
	Prefix string

	// PartSize is the size of the parts in which large objects are uploaded, in
	// bytes, from 5 MiB to 320 MiB. 0 means 8 MiB. An object that fits one part
	// is uploaded by one request. All parts but the last are of this size up to
	// the 9,000th; behind that they double every 250, since an object cannot
	// have more than 10,000, so that at 8 MiB it may have 129 GiB.
	PartSize int

	// InFlight is how many parts all Puts of the sink together may have on their
	// way beside the one that each is filling; where there are so many, a Put
	// sends its own before it fills another. 0 means 4. The memory taken is at
	// most PartSize times the sum of InFlight and the number of Puts at a time.
	InFlight int

	// StorageClass is the class of the objects, as "STANDARD_IA". "" means the
	// bucket's default. An object of an archive class ("GLACIER",
	// "DEEP_ARCHIVE") cannot be read before it was restored with other tools.
	StorageClass string

	// SSE is the server-side encryption asked for: "AES256", "aws:kms" or
	// "aws:kms:dsse". "" means the bucket's default.
	SSE string

	// KMSKeyID is the key for "aws:kms" and "aws:kms:dsse". "" means the
	// account's default.
	KMSKeyID string

	// Lock, if not nil, locks every object that is stored.
	Lock *Lock

	// Region, Endpoint, PathStyle and CAFile are for [Open] alone: a client
	// given to [New] has its own.

	// Region is where the bucket is. "" means that of the environment, and
	// "us-east-1" if there is an Endpoint and the environment names none.
	Region string

	// Endpoint is the URL of a store other than AWS S3, as
	// "https://minio.example.com:9000". "" means that of the environment, or
	// AWS S3.
	Endpoint string

	// PathStyle puts the bucket's name into the path of URLs instead of into
	// the host's name. Most stores other than AWS S3 need it.
	PathStyle bool

	// CAFile is a PEM file of authorities that may sign the store's
	// certificate, beside the system's. "" means the file that the environment
	// variable AWS_CA_BUNDLE names, if any.
	CAFile string
}

// Lock keeps stored objects from being deleted or overwritten until a date.
// The bucket must have been made with object lock, and so with versions:
// deleting a locked object, or storing another one under its name, hides it
// and succeeds, while the version itself stays and can be recovered. What is
// deleted so is paid for until its lock ends and a lifecycle rule removes it.
type Lock struct {
	// Mode is "GOVERNANCE", which the permission
	// s3:BypassGovernanceRetention overrides, or "COMPLIANCE", which nobody
	// does.
	Mode string
	// Until says, once for every Put and maybe from several goroutines at a
	// time, when the object's lock ends.
	Until func() time.Time
}

// The limits of S3 for the parts of an object; see
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	minPart  = 5 << 20
	maxPart  = 5 << 30
	maxParts = 10_000
)

// New returns the sink in a bucket that client reaches. The client is used as
// it is, with its credentials, retries and HTTP client, but for the checksums
// of requests and responses, which the sink sees to itself. New does not use
// the network.
func New(client *s3.Client, bucket string, opts *Options) (*Sink, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Region != "" || o.Endpoint != "" || o.PathStyle || o.CAFile != "" {
		return nil, fmt.Errorf("%w: Region, Endpoint, PathStyle and CAFile are the client's own: set them there", fs.ErrInvalid)
	}
	if client == nil {
		return nil, fmt.Errorf("%w: the S3 client is nil", fs.ErrInvalid)
	}
	return newSink(client, bucket, o)
}

func newSink(client *s3.Client, bucket string, o Options) (*Sink, error) {
	if err := o.check(bucket); err != nil {
		return nil, fmt.Errorf("bucket %q: %w: %w", bucket, fs.ErrInvalid, err)
	}
	if o.PartSize == 0 {
		o.PartSize = 8 << 20
	}
	if o.InFlight == 0 {
		o.InFlight = 4
	}
	s := &Sink{client: client, bucket: bucket, opts: o, slots: make(chan struct{}, o.InFlight)}
	if o.Prefix != "" {
		s.root = o.Prefix + "/"
	}
	return s, nil
}

// check tells whether the options can be used.
func (o *Options) check(bucket string) error {
	if bucket == "" || strings.ContainsAny(bucket, "/?#@ ") {
		return errors.New("this is no bucket's name")
	}
	if o.Prefix != "" {
		if err := remote.CheckName(o.Prefix); err != nil {
			return fmt.Errorf("the prefix: %w", err)
		}
	}
	if o.PartSize != 0 && (o.PartSize < minPart || o.PartSize > maxPart/growth(maxParts)) {
		return fmt.Errorf("a part size of %d bytes: 5 MiB to 320 MiB are allowed", o.PartSize)
	}
	if o.InFlight < 0 {
		return fmt.Errorf("%d parts in flight", o.InFlight)
	}
	switch o.SSE {
	case "", "AES256", "aws:kms", "aws:kms:dsse":
	default:
		return fmt.Errorf("server-side encryption %q: AES256, aws:kms and aws:kms:dsse are known", o.SSE)
	}
	if o.KMSKeyID != "" && !strings.HasPrefix(o.SSE, "aws:kms") {
		return errors.New("a KMS key needs server-side encryption aws:kms")
	}
	if l := o.Lock; l != nil {
		if l.Mode != "GOVERNANCE" && l.Mode != "COMPLIANCE" {
			return fmt.Errorf("lock mode %q: GOVERNANCE and COMPLIANCE are known", l.Mode)
		}
		if l.Until == nil {
			return errors.New("a lock without Until")
		}
	}
	return nil
}

// String returns the bucket and prefix as a URL, "s3://bucket/prefix".
func (s *Sink) String() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.root, "/")
}

// key returns the key of an object.
func (s *Sink) key(name string) (string, error) {
	if err := remote.CheckName(name); err != nil {
		return "", err
	}
	key := s.root + name
	if len(key) > remote.MaxName {
		return "", fmt.Errorf("%w: with its prefix the name has %d bytes, at most %d are allowed", fs.ErrInvalid, len(key), remote.MaxName)
	}
	return key, nil
}

// plain keeps the SDK from adding checksums of its own. For requests they would
// be trailers of a chunked encoding, over TLS, which many compatible stores
// refuse or do not check, and a store would return what it was sent rather than
// what it computed. The body's SHA-256 is part of the signature, and every store
// checks that. What is read is checked by those who know its SHA-256.
func plain(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
}

// optional is nil for "".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// version is an ETag without its quotes.
func version(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// lock returns the mode and date for one Put.
func (s *Sink) lock() (types.ObjectLockMode, *time.Time) {
	if s.opts.Lock == nil {
		return "", nil
	}
	return types.ObjectLockMode(s.opts.Lock.Mode), aws.Time(s.opts.Lock.Until().UTC())
}
