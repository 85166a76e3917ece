// Package gcs keeps backups in Google Cloud Storage.
//
//	sink, err := gcs.Open(ctx, "my-backups", &gcs.Options{Prefix: "db1", StorageClass: "NEARLINE"})
//
// [Open] finds credentials as Google's own libraries do (application default
// credentials: GOOGLE_APPLICATION_CREDENTIALS, the file that gcloud wrote, the
// metadata server) and [New] takes a client that the program has made itself.
// The identity needs storage.objects.create, get, list and delete on the
// bucket, delete also for what Put replaces; a restore needs get and list.
//
// # What the store honours
//
// The first column is measured by this package's tests against
// fake-gcs-server, the second is what Google documents.
//
//	                          fake-gcs-server 1.56    Cloud Storage
//	create if absent          yes                     yes [1]
//	CRC32C of what it holds   computed by it          computed by it [2]
//	wrong CRC32C refused      small objects           all objects [2]
//	listing in byte order     yes                     yes [3]
//	read after write          yes                     yes, listings too [4]
//	reads of one generation   yes                     yes
//	storage class             recorded                yes
//	retention of an object    not enforced            enforced [5]
//	repeated upload requests  bytes doubled           recognized [6]
//
// [1] https://cloud.google.com/storage/docs/request-preconditions
// [2] https://cloud.google.com/storage/docs/data-validation
// [3] https://cloud.google.com/storage/docs/json_api/v1/objects/list
// [4] https://cloud.google.com/storage/docs/consistency
// [5] https://cloud.google.com/storage/docs/object-lock
// [6] https://cloud.google.com/storage/docs/resumable-uploads
//
// An upload that was given up is never listed, and the store forgets it after a
// week [6]. So there is nothing to sweep. A bucket with soft delete or versions keeps, and charges for, what
// was deleted or replaced for as long as its owner said.
package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"cloud.google.com/go/storage"

	"github.com/assist-move-assist/pgcofre/remote"
)

// Options say where in a bucket a sink is, and how it stores. The zero value,
// and nil, work. The last three are for [Open] alone.
type Options struct {
	// Prefix is the folder that holds the sink, as "a/b", without a slash at
	// its ends. Names are given and listed without it. "" is the whole bucket.
	Prefix string

	// PartSize is how much of a large object one request carries, in bytes; it
	// is rounded up to a multiple of 256 KiB. A Put holds one part in memory.
	// Default: 8 MiB.
	PartSize int

	// InFlight is how many parts all Puts together hold in memory. A Put beyond
	// them does not wait, it uses smaller parts, down to 1 MiB. Default: 4.
	InFlight int

	// StorageClass of what is stored, as STANDARD, NEARLINE, COLDLINE or
	// ARCHIVE. Default: the bucket's. Deleting before the class's minimum
	// duration is charged; see https://cloud.google.com/storage/docs/storage-classes.
	StorageClass string

	// KMSKey is the full name of the Cloud KMS key that the store encrypts
	// with, projects/P/locations/L/keyRings/R/cryptoKeys/K. Default: the
	// bucket's.
	KMSKey string

	// Lock keeps what is stored from being deleted and replaced. Default: the
	// bucket's own retention, if any.
	Lock *Lock

	// Endpoint is the URL of the store's API without its path, as
	// https://storage.me-central2.rep.googleapis.com. One on plain http is
	// taken for an emulator, to which no credentials are sent. Default:
	// that in the environment variable STORAGE_EMULATOR_HOST, or Google's.
	Endpoint string

	// CredentialsFile is a JSON file with credentials: a service account's key,
	// or a configuration for federation or impersonation. Whoever wrote it
	// chooses where tokens are asked for: take it from no stranger. Default:
	// application default credentials.
	CredentialsFile string

	// CAFile holds the certificates of the authorities, in PEM, that may sign
	// those of the endpoint and of the token server. Default: the system's.
	CAFile string
}

// Lock is the retention that an object gets when it is stored. The bucket must
// have been created for it (gcloud storage buckets create
// --enable-per-object-retention), and the identity needs
// storage.objects.setRetention. What retention deletes must not be locked for
// longer than it is kept.
type Lock struct {
	// Mode is "Locked", which nobody can shorten or remove, or "Unlocked", which
	// those can who have the permission to. Default: Unlocked.
	Mode string

	// Until says until when an object that is stored now is kept. It is called
	// once for each Put, by several goroutines at a time. The zero time locks
	// nothing.
	Until func() time.Time
}

// Sink keeps objects in a bucket, or below one prefix of it. It may be used
// from several goroutines and processes at a time, and holds nothing that would
// need closing.
//
// Requests that fail for a passing reason, such as 429, 503 or a broken
// connection, are repeated with growing pauses for about a minute, anew after
// each progress; a download goes on where it broke off, in the same generation
// of the object, or fails if that is gone. Put and Delete are repeated
// too, as doing them twice has the same effect.
//
// The Version of an object is its generation.
type Sink struct {
	client  *storage.Client
	name    string // of the bucket
	opts    Options
	parts   *budget
	persist time.Duration // see patience
}

var (
	_ remote.RemoteSink      = (*Sink)(nil)
	_ remote.RangeGetter     = (*Sink)(nil)
	_ remote.Stater          = (*Sink)(nil)
	_ remote.ExclusivePutter = (*Sink)(nil)
	_ remote.LevelLister     = (*Sink)(nil)
)

// New returns the sink in a bucket to which client has access, one over HTTP as
// storage.NewClient makes it. It sends nothing. The client's credentials,
// transport, backoff and number of attempts are used as they are, and closing
// it is the caller's affair; what [Options] has for Open alone is an error here.
func New(client *storage.Client, bucket string, opts *Options) (*Sink, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if client == nil {
		return nil, errors.New("gs: there is no client")
	}
	if o.Endpoint != "" || o.CredentialsFile != "" || o.CAFile != "" {
		return nil, errors.New("gs: Endpoint, CredentialsFile and CAFile are the client's: set them there, or use Open")
	}
	return newSink(client, bucket, o)
}

func newSink(client *storage.Client, bucket string, o Options) (*Sink, error) {
	if err := o.check(bucket); err != nil {
		return nil, err
	}
	if o.PartSize == 0 {
		o.PartSize = 8 << 20
	}
	o.PartSize = roundUp(o.PartSize)
	if o.InFlight == 0 {
		o.InFlight = 4
	}
	return &Sink{
		client:  client,
		name:    bucket,
		opts:    o,
		parts:   &budget{free: o.InFlight * o.PartSize},
		persist: persist,
	}, nil
}

// check tells what is wrong with a bucket's name and the options.
func (o *Options) check(bucket string) error {
	if bucket == "" || strings.ContainsAny(bucket, "/:?#@ ") {
		return fmt.Errorf("gs: %w: %q cannot be the name of a bucket", fs.ErrInvalid, bucket)
	}
	if o.Prefix != "" {
		if err := remote.CheckName(o.Prefix); err != nil {
			return fmt.Errorf("gs: prefix: %w", err)
		}
	}
	if o.PartSize < 0 || o.PartSize > maxPart {
		return fmt.Errorf("gs: %w: a part of %d bytes; it may have up to %d", fs.ErrInvalid, o.PartSize, maxPart)
	}
	if o.InFlight < 0 {
		return fmt.Errorf("gs: %w: %d parts in flight", fs.ErrInvalid, o.InFlight)
	}
	if l := o.Lock; l != nil && (l.Until == nil || l.Mode != "" && l.Mode != "Locked" && l.Mode != "Unlocked") {
		return fmt.Errorf(`gs: %w: a lock needs Until, and has the mode "Locked" or "Unlocked"`, fs.ErrInvalid)
	}
	return nil
}

// String returns the sink's URL, without parameters.
func (s *Sink) String() string {
	if s.opts.Prefix == "" {
		return "gs://" + s.name
	}
	return "gs://" + s.name + "/" + s.opts.Prefix
}

// inBucket is what a name, or a prefix of names, is called in the bucket.
func (s *Sink) inBucket(name string) string {
	if s.opts.Prefix == "" {
		return name
	}
	return s.opts.Prefix + "/" + name
}

// check tells whether an operation on the object can begin.
func (s *Sink) check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := remote.CheckName(name); err != nil {
		return err
	}
	if n := len(s.inBucket(name)); n > remote.MaxName {
		return fmt.Errorf("%w: with its prefix the name has %d bytes, at most %d are allowed", fs.ErrInvalid, n, remote.MaxName)
	}
	return nil
}

// bucket is the handle for one operation. The SDK's Retryer changes the handle
// that it is called on, so handles are not shared.
func (s *Sink) bucket(p *patience) *storage.BucketHandle {
	return s.client.Bucket(s.name).Retryer(p.options()...)
}

// object is the handle for one operation on an object.
func (s *Sink) object(name string, p *patience) *storage.ObjectHandle {
	return s.bucket(p).Object(s.inBucket(name))
}

// describe makes the Object of what the store says of it.
func describe(name string, attrs *storage.ObjectAttrs) remote.Object {
	return remote.Object{
		Name:    name,
		Size:    attrs.Size,
		ModTime: attrs.Created,
		Version: fmt.Sprint(attrs.Generation),
	}
}
